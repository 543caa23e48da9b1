//! Reads and writes that the system does while nobody waits for them.
#![allow(unsafe_code)]

use super::calls::{self, succeeded};
use super::wait::signalled;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, HANDLE};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::core::BOOL;

/// One operation at a time on a file that was opened for such.
pub(super) struct Operation {
    file: Arc<OwnedHandle>,
    /// Signalled when the operation has ended.
    event: Arc<OwnedHandle>,
    /// What the system knows of it. It is in a box, and touched by us only while nothing goes on.
    state: NonNull<OVERLAPPED>,
    /// What is written. It is not touched while the operation goes on.
    buffer: Vec<u8>,
    goes_on: bool,
}

// SAFETY: nothing in it is of a thread. What the pointers lead to is its own, and the system's.
unsafe impl Send for Operation {}

impl Operation {
    pub(super) fn new(file: Arc<OwnedHandle>) -> io::Result<Self> {
        let event = Arc::new(calls::event()?);
        let state = NonNull::from(Box::leak(Box::<OVERLAPPED>::default()));
        Ok(Self { file, event, state, buffer: Vec::new(), goes_on: false })
    }

    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Begins to read no byte: it ends when there is one, or when there can be none.
    pub(super) fn begin_read_of_nothing(&mut self) -> io::Result<()> {
        // SAFETY: the file is open, and no byte is written to a buffer of none. `begin` says what holds of the
        // state.
        self.begin(|file, _, state| unsafe { ReadFile(file, null_mut(), 0, null_mut(), state) })
    }

    /// Begins to write these bytes.
    pub(super) fn begin_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        debug_assert!(!self.goes_on);
        self.buffer.clear();
        self.buffer.extend_from_slice(bytes);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        // SAFETY: the file is open. The buffer is not touched until `finish`, also when this is moved, and has so
        // many bytes. `begin` says what holds of the state.
        self.begin(|file, buffer, state| unsafe {
            WriteFile(file, buffer, length, null_mut(), state)
        })
    }

    /// Reads what is there into `buffer`: it waits for the system to copy it, and for nobody else.
    pub(super) fn read_what_is_there(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (start, length) = (buffer.as_mut_ptr(), buffer.len().try_into().unwrap_or(u32::MAX));
        // SAFETY: the file is open, and the buffer has so many bytes. It is borrowed until `finish` has waited for
        // the end. `begin` says what holds of the state.
        self.begin(|file, _, state| unsafe { ReadFile(file, start, length, null_mut(), state) })?;
        self.finish()
    }

    /// `call` gets the file, the start of the buffer, and the state, which stay as they are until `finish`.
    fn begin(
        &mut self,
        call: impl FnOnce(HANDLE, *const u8, *mut OVERLAPPED) -> BOOL,
    ) -> io::Result<()> {
        assert!(!self.goes_on, "one operation at a time");
        let state = OVERLAPPED { hEvent: self.event.as_raw_handle(), ..OVERLAPPED::default() };
        // SAFETY: it is from a box, and the system does not use it, as nothing goes on.
        unsafe { self.state.write(state) };
        let begun = call(self.file.as_raw_handle(), self.buffer.as_ptr(), self.state.as_ptr());
        match succeeded(begun) {
            Err(error) if error.raw_os_error() != Some(ERROR_IO_PENDING as i32) => Err(error),
            // It may have ended already. That is told in the same way.
            _ => {
                self.goes_on = true;
                Ok(())
            }
        }
    }

    /// Waits until it has ended. Dropped, the operation goes on.
    pub(super) async fn ended(&mut self) -> io::Result<()> {
        signalled(&self.event).await
    }

    /// What came of it. If it has not ended, this blocks.
    pub(super) fn finish(&mut self) -> io::Result<usize> {
        let mut bytes = 0;
        // SAFETY: the file is open, and the state is that of an operation on it that was begun.
        let result = unsafe {
            GetOverlappedResult(self.file.as_raw_handle(), self.state.as_ptr(), &mut bytes, 1)
        };
        let result = succeeded(result);
        self.goes_on = false;
        result.map(|()| bytes as usize)
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if self.goes_on {
            // SAFETY: as in `finish`. If it has ended, there is nothing to be cancelled.
            let _it_may_have_ended =
                unsafe { CancelIoEx(self.file.as_raw_handle(), self.state.as_ptr()) };
            // The system needs state and buffer until then.
            let _cancelled = self.finish();
        }
        // SAFETY: it is from a box, and the system does not use it any more.
        drop(unsafe { Box::from_raw(self.state.as_ptr()) });
    }
}
