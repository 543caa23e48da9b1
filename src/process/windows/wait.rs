//! Waiting until an object of the system is signalled: a process that ends, an event. The system does it for any
//! number of them, on threads of its own.
#![allow(unsafe_code)]

use super::calls;
use crate::sync::{Mutex, lock};
use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr::null_mut;
use std::sync::Arc;
use tokio::sync::oneshot;
use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Threading::{
    INFINITE, RegisterWaitForSingleObject, UnregisterWaitEx, WT_EXECUTEINWAITTHREAD,
    WT_EXECUTEONLYONCE,
};

/// Waits until `object` is signalled. Dropped, it waits no more.
pub(super) async fn signalled(object: &Arc<OwnedHandle>) -> io::Result<()> {
    if calls::is_signalled(object)? {
        return Ok(());
    }
    let (wait, told) = Wait::new(object.clone())?;
    // Its sender goes with the wait.
    let _it_is_told = told.await;
    drop(wait);
    Ok(())
}

/// Who is told. The callback takes it, on another thread.
type Teller = Mutex<Option<oneshot::Sender<()>>>;

/// A wait that the system does for us.
struct Wait {
    registration: HANDLE,
    teller: *mut Teller,
    /// It stays open as long.
    _object: Arc<OwnedHandle>,
}

// SAFETY: the registration may be taken back by any thread, and what is behind the pointer is shared with the
// callback in a mutex.
unsafe impl Send for Wait {}

impl Wait {
    fn new(object: Arc<OwnedHandle>) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let (sender, told) = oneshot::channel();
        let teller = Box::into_raw(Box::new(Mutex::new(Some(sender))));
        let mut wait = Self { registration: null_mut(), teller, _object: object };
        // SAFETY: the object is open, and stays so until the drop. The callback gets a pointer to what is freed in
        // the drop, behind the end of all callbacks. It is called once.
        let registered = unsafe {
            RegisterWaitForSingleObject(
                &mut wait.registration,
                wait._object.as_raw_handle(),
                Some(tell),
                teller.cast(),
                INFINITE,
                WT_EXECUTEINWAITTHREAD | WT_EXECUTEONLYONCE,
            )
        };
        calls::succeeded(registered)?;
        Ok((wait, told))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if !self.registration.is_null() {
            // SAFETY: it was registered, and is taken back once. With this second argument it returns when no
            // callback runs, nor will. A callback waits for nobody: it wakes a task of our runtime.
            let _it_was_registered =
                unsafe { UnregisterWaitEx(self.registration, INVALID_HANDLE_VALUE) };
        }
        // SAFETY: it came from a box, and no callback has it any more.
        drop(unsafe { Box::from_raw(self.teller) });
    }
}

/// The object is signalled.
unsafe extern "system" fn tell(teller: *mut c_void, _: bool) {
    // SAFETY: `Wait::new` gave this pointer, and what it points to is there until this has returned.
    let teller = unsafe { &*teller.cast::<Teller>() };
    if let Some(sender) = lock(teller).take() {
        let _unless_nobody_waits = sender.send(());
    }
}
