//! A writer that owns the cursor, and goes to a thread that has no restartable sequences.
#![allow(unsafe_code, reason = "a thread loses its area by a system call alone")]

use nix::libc;
use overfall_tests::{LIMIT, within};
use std::thread;

/// Takes this thread's area back from the kernel, if it has one.
fn unregister() {
    // SAFETY: the names end with zeros.
    let [size, offset] = [c"__rseq_size", c"__rseq_offset"]
        .map(|name| unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) });
    if size.is_null() || offset.is_null() {
        return;
    }
    // SAFETY: where there are such symbols, they are the C library's, of these types.
    let (size, offset) = unsafe { (*size.cast::<u32>(), *offset.cast::<isize>()) };
    if size == 0 {
        return;
    }
    let thread: usize;
    // SAFETY: reads the thread pointer, which stands at its own address.
    unsafe { std::arch::asm!("mov {}, fs:[0]", out(reg) thread) };
    let (area, length, flags, signature) =
        (thread.wrapping_add_signed(offset), 32, 1, 0x5305_3053u32);
    // SAFETY: the area is this thread's, registered with this length and signature; nothing of this
    // thread relies on it.
    let done = unsafe { libc::syscall(libc::SYS_rseq, area, length, flags, signature) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn an_owner_goes_on_in_a_thread_that_cannot_have_sections() {
    overfall::prepare();
    within(LIMIT, || {
        let (mut writer, mut reader) = overfall::pipe(4096);
        for _ in 0..5000 {
            writer.try_send(&[1; 64]).unwrap();
            drop(reader.try_recv().unwrap());
        }
        let thread = thread::spawn(move || {
            unregister();
            for _ in 0..5000 {
                writer.try_send(&[2; 64]).unwrap();
                assert_eq!(*reader.try_recv().unwrap().unwrap(), [2; 64]);
            }
            (writer, reader)
        });
        let (mut writer, mut reader) = thread.join().unwrap();
        writer.try_send(&[3; 64]).unwrap();
        assert_eq!(*reader.try_recv().unwrap().unwrap(), [3; 64]);
    });
}
