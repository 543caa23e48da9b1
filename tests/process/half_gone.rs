//! A process whose first thread ends, and whose second one sleeps on.

fn main() {
    #[cfg(target_os = "linux")]
    {
        std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(60)));
        end_this_thread();
    }
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn end_this_thread() {
    // SAFETY: nothing on the stack of this thread is used by the other one. No destructor of it runs.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}
