//! Locks, where a child that is being started has a copy of the open file.

use super::no_holes::Directory;
use crate::spool::{Builder, FileError, Retain, Spool};
use std::fs::File;
use std::path::Path;

/// A copy as `fork` makes one: it has the same lock.
fn copy(spool: &Spool) -> File {
    spool.shared.disk.as_ref().unwrap().file.get().unwrap().try_clone().unwrap()
}

fn bounded() -> Builder {
    Spool::builder().retain(Retain::Last(1000))
}

fn is_busy(path: &Path) -> bool {
    matches!(bounded().resume(path), Err(FileError::Busy { .. }))
}

#[test]
fn a_file_is_free_when_its_spool_has_gone_though_a_child_has_a_copy_of_it() {
    let directory = Directory::new("copy-of-a-child");
    let path = directory.0.join("stream");
    // One that was to be written, and one that is only read.
    let created = bounded().create(&path).unwrap();
    let _of_the_child = copy(&created);
    assert!(is_busy(&path));
    drop(created);
    let opened = Spool::open(&path).unwrap();
    let _of_the_child = copy(&opened);
    assert!(is_busy(&path));
    drop(opened);
    assert!(!is_busy(&path));
}

#[test]
fn a_copy_of_the_process_does_not_give_back_what_the_process_has_locked() {
    let directory = Directory::new("copy-of-a-process");
    let path = directory.0.join("stream");
    let mut spool = bounded().create(&path).unwrap();
    let _of_the_parent = copy(&spool);
    // As if this were the copy.
    let shared = std::sync::Arc::get_mut(&mut spool.shared).unwrap();
    shared.disk.as_mut().unwrap().process += 1;
    // Also when its writer goes.
    drop(spool.writer().unwrap());
    drop(spool);
    assert!(is_busy(&path));
}
