//! Calls of the system that need unsafe code, behind functions that do not.
#![allow(unsafe_code)]

use std::fs::OpenOptions;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::mem::{offset_of, size_of};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::{from_ref, null, null_mut};
use windows_sys::Win32::Foundation::{
    ERROR_MORE_DATA, ERROR_NO_MORE_FILES, HANDLE, INVALID_HANDLE_VALUE, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX,
};
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, IsProcessInJob, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_PROCESS_ID_LIST, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectBasicProcessIdList, JobObjectExtendedLimitInformation, QueryInformationJobObject,
    SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, CreatePipe, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE,
    PIPE_WAIT, PeekNamedPipe,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, GetExitCodeProcess, OpenProcess, OpenThread, PROCESS_NAME_WIN32,
    PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, QueryFullProcessImageNameW,
    ResumeThread, THREAD_SUSPEND_RESUME, WaitForSingleObject,
};
use windows_sys::core::BOOL;

pub(super) fn succeeded(result: BOOL) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What a call has just opened.
///
/// # Safety
///
/// The handle is null, -1, or open and owned by nobody else.
unsafe fn opened(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the caller says so.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// An event that stays as it is until it is reset.
pub(super) fn event() -> io::Result<OwnedHandle> {
    // SAFETY: null stands for the defaults and for no name, and what is opened is ours.
    unsafe { opened(CreateEventW(null(), 1, 0, null())) }
}

/// A pipe for others: where it is read, and where it is written. A call on either end blocks. No child inherits
/// them.
pub(in crate::process) fn pipe() -> io::Result<(OwnedHandle, OwnedHandle)> {
    let (mut from, mut to) = (null_mut(), null_mut());
    // SAFETY: both are there to be written, and null stands for the defaults.
    succeeded(unsafe { CreatePipe(&mut from, &mut to, null(), 0) })?;
    // SAFETY: the call has opened both, for us.
    Ok(unsafe { (opened(from)?, opened(to)?) })
}

/// A pipe for the stdin of a child: where it is read, by calls that block, and our end, whose operations go on by
/// themselves. Ours may be read, too: that nothing can ever come tells when nobody has the other end. No child
/// inherits them.
pub(in crate::process) fn input_pipe() -> io::Result<(OwnedHandle, OwnedHandle)> {
    let number = RandomState::new().build_hasher().finish();
    let name = format!(r"\\.\pipe\overfall.{}.{number:x}", std::process::id());
    let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends with a zero, null stands for the defaults, and what is opened is ours.
    let ours = unsafe {
        opened(CreateNamedPipeW(
            wide.as_ptr(),
            PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            1,
            INPUT,
            INPUT,
            0,
            null(),
        ))
    }?;
    // There is one place, and it is taken by this, or was by somebody who guessed the name: then this fails.
    let theirs = OpenOptions::new().read(true).share_mode(0).open(name)?;
    Ok((theirs.into(), ours))
}

/// How many bytes of stdin the system keeps.
const INPUT: u32 = 64 << 10;

/// How many bytes are in a pipe.
pub(super) fn there(pipe: &OwnedHandle) -> io::Result<u32> {
    let mut there = 0;
    // SAFETY: nothing is read into a buffer of no bytes, null is for what is not asked for, and the handle is open.
    let looked = unsafe {
        PeekNamedPipe(pipe.as_raw_handle(), null_mut(), 0, null_mut(), &mut there, null_mut())
    };
    succeeded(looked)?;
    Ok(there)
}

/// Whether an object is signalled, now.
pub(super) fn is_signalled(object: &OwnedHandle) -> io::Result<bool> {
    // SAFETY: the handle is open.
    match unsafe { WaitForSingleObject(object.as_raw_handle(), 0) } {
        WAIT_OBJECT_0 => Ok(true),
        WAIT_TIMEOUT => Ok(false),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What a process has exited with, if it has.
pub(super) fn exit_code(process: &OwnedHandle) -> io::Result<Option<u32>> {
    // A code alone would not do: 259 is that of all that run, too.
    if !is_signalled(process)? {
        return Ok(None);
    }
    let mut code = 0;
    // SAFETY: the handle is open, and the code is there to be written.
    succeeded(unsafe { GetExitCodeProcess(process.as_raw_handle(), &mut code) })?;
    Ok(Some(code))
}

/// A new job, without members.
pub(super) fn job() -> io::Result<OwnedHandle> {
    // SAFETY: null stands for the defaults and for no name, and what is opened is ours.
    unsafe { opened(CreateJobObjectW(null(), null())) }
}

/// Has the system end all members of a job when its last handle goes, and so when this program ends.
pub(super) fn kill_on_close(job: &OwnedHandle) -> io::Result<()> {
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    let size = size_of::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>() as u32;
    // SAFETY: the handle is open, and the limits are of the type that goes with the class, and of that size.
    succeeded(unsafe {
        SetInformationJobObject(
            job.as_raw_handle(),
            JobObjectExtendedLimitInformation,
            from_ref(&limits).cast(),
            size,
        )
    })
}

/// Has a process, and all that it will start, belong to a job.
pub(super) fn assign(job: &OwnedHandle, process: &OwnedHandle) -> io::Result<()> {
    // SAFETY: both handles are open.
    succeeded(unsafe { AssignProcessToJobObject(job.as_raw_handle(), process.as_raw_handle()) })
}

/// Ends all members of a job. They exit with `code`.
pub(super) fn terminate(job: &OwnedHandle, code: u32) -> io::Result<()> {
    // SAFETY: the handle is open.
    succeeded(unsafe { TerminateJobObject(job.as_raw_handle(), code) })
}

/// The numbers of the members of a job that run.
pub(super) fn members(job: &OwnedHandle) -> io::Result<Vec<u32>> {
    type List = JOBOBJECT_BASIC_PROCESS_ID_LIST;
    const HEAD: usize = offset_of!(List, ProcessIdList) / size_of::<usize>();
    let mut room = 16;
    loop {
        let mut list = vec![0usize; HEAD + room];
        // SAFETY: the handle is open, and the list is as large as is said, and aligned for its type.
        let asked = succeeded(unsafe {
            QueryInformationJobObject(
                job.as_raw_handle(),
                JobObjectBasicProcessIdList,
                list.as_mut_ptr().cast(),
                size_of_val(&list[..]) as u32,
                null_mut(),
            )
        });
        match asked {
            Err(error) if error.raw_os_error() == Some(ERROR_MORE_DATA as i32) => room *= 2,
            asked => {
                asked?;
                // SAFETY: it is initialized, and begins with what this type begins with. A place of it that is
                // beyond its end is not read.
                let count = unsafe {
                    (&raw const (*list.as_ptr().cast::<List>()).NumberOfProcessIdsInList).read()
                };
                return Ok(list[HEAD..].iter().take(count as usize).map(|id| *id as u32).collect());
            }
        }
    }
}

/// Opens a process of this number, if it is a member of a job.
pub(super) fn member(job: &OwnedHandle, id: u32) -> Option<OwnedHandle> {
    let rights = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE;
    // SAFETY: what is opened is ours.
    let process = unsafe { opened(OpenProcess(rights, 0, id)) }.ok()?;
    let mut is_member = 0;
    // SAFETY: both handles are open, and the result is there to be written.
    let asked =
        unsafe { IsProcessInJob(process.as_raw_handle(), job.as_raw_handle(), &mut is_member) };
    (succeeded(asked).is_ok() && is_member != 0).then_some(process)
}

/// The file name of the program that a process runs.
pub(super) fn name(process: &OwnedHandle) -> Option<String> {
    let mut path = [0; 1024];
    let mut length = path.len() as u32;
    // SAFETY: the handle is open, and the path has room for so many units.
    let asked = unsafe {
        QueryFullProcessImageNameW(
            process.as_raw_handle(),
            PROCESS_NAME_WIN32,
            path.as_mut_ptr(),
            &mut length,
        )
    };
    succeeded(asked).ok()?;
    let path = String::from_utf16_lossy(&path[..length as usize]);
    Some(Path::new(&path).file_name()?.to_string_lossy().into())
}

/// Presses Ctrl-Break for a group of processes that has our console.
pub(super) fn press_break(group: u32) -> io::Result<()> {
    // SAFETY: it touches no memory.
    succeeded(unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, group) })
}

/// Has the threads of a process run that was started suspended.
pub(super) fn resume(id: u32) -> io::Result<()> {
    // SAFETY: what is opened is ours.
    let threads = unsafe { opened(CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0)) }?;
    let mut entry =
        THREADENTRY32 { dwSize: size_of::<THREADENTRY32>() as u32, ..THREADENTRY32::default() };
    let mut is_resumed = false;
    // SAFETY: the handle is open, and the entry has the size that it says.
    let mut found = succeeded(unsafe { Thread32First(threads.as_raw_handle(), &mut entry) });
    loop {
        match found {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(ERROR_NO_MORE_FILES as i32) => break,
            Err(error) => return Err(error),
        }
        if entry.th32OwnerProcessID == id {
            // SAFETY: what is opened is ours.
            let thread =
                unsafe { opened(OpenThread(THREAD_SUSPEND_RESUME, 0, entry.th32ThreadID)) }?;
            // SAFETY: the handle is open.
            if unsafe { ResumeThread(thread.as_raw_handle()) } == u32::MAX {
                return Err(io::Error::last_os_error());
            }
            is_resumed = true;
        }
        // SAFETY: as above.
        found = succeeded(unsafe { Thread32Next(threads.as_raw_handle(), &mut entry) });
    }
    if is_resumed { Ok(()) } else { Err(io::Error::other("the new process has no thread")) }
}
