//! Files of processes that are killed, that have limits of their own, or that write the same file.
//!
//! Each test starts this program anew, as a child, by way of a shell that sets its limits.

use crate::{bytes_from, drain};
use overfall::spool::{FileError, FinishError, Growth, ReadError, Retain, Spool, WriteError};
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, thread};

/// Names the work of the child, and its file.
const WORK: &str = "OVERFALL_FILES";
const FILE: &str = "OVERFALL_FILES_PATH";

#[test]
#[ignore = "it is what the other tests start, and does nothing by itself"]
fn child() {
    let Ok(work) = env::var(WORK) else { return };
    let path = PathBuf::from(env::var_os(FILE).unwrap());
    match &*work {
        "full" => full(&path),
        "full_temporary" => full_temporary(),
        "full_file_system" => full_file_system(&path),
        "few_descriptors" => few_descriptors(&path),
        "private" => private(&path),
        "second" => second(&path),
        "moves" => moves(&path),
        "lets_go" => write_and_let_go(&path),
        point => write_until(point, &path),
    }
    println!("done: {work}");
}

/// A child that does this work, after these words of the shell.
fn start(limits: &str, work: &str, path: &Path) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limits} exec \"$0\" \"$@\"")]);
    shell.arg(env::current_exe().unwrap());
    shell.args(["--exact", "files_of_children::child"]);
    shell.args(["--ignored", "--nocapture", "--test-threads=1"]);
    shell.env(WORK, work).env(FILE, path);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[track_caller]
fn run(limits: &str, work: &str, path: &Path) {
    let output = start(limits, work, path).wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("done: "), "{work}: {text}");
}

// Killed.

/// Comes to a point of the stream's life, says so, and is killed there.
fn write_until(point: &str, path: &Path) {
    let known_len = (point == "promised").then_some(3_000_000);
    let builder = Spool::builder();
    let builder = match known_len {
        Some(known_len) => builder.known_len(known_len),
        None => builder,
    };
    let spool = builder.create(path).unwrap();
    let mut writer = (point != "created").then(|| spool.writer().unwrap());
    if let Some(writer) = writer.as_mut().filter(|_| point != "claimed") {
        writer.write_all(&bytes_from(0, 3_000_000)).unwrap();
    }
    if point == "finished" {
        writer.take().unwrap().finish().unwrap();
    }
    println!("at the point");
    // The other one does not write anything, and kills us.
    let _ = io::stdin().read_line(&mut String::new());
}

fn killed_at(point: &str, path: &Path) {
    let mut child = start("", point, path);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("at the point")), "{point}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_a_killed_process_has_not_finished_opens_as_failed_and_can_be_taken_up() {
    for (point, length) in
        [("created", 0), ("claimed", 0), ("written", 3_000_000), ("promised", 3_000_000)]
    {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stream");
        killed_at(point, &path);
        let spool = Spool::open(&path).unwrap();
        let (bytes, end) = drain(&mut spool.reader().unwrap());
        assert!(bytes == bytes_from(0, length), "{point}");
        assert!(matches!(end, Some(ReadError::Failed(_))), "{point}: {end:?}");

        let resumed = Spool::builder().resume(&path).unwrap();
        let mut writer = resumed.writer().unwrap();
        assert_eq!(writer.written(), length as u64);
        writer.write_all(&bytes_from(length as u64, 1000)).unwrap();
        writer.finish().unwrap();
        let (bytes, end) = drain(&mut Spool::open(&path).unwrap().reader().unwrap());
        assert!(bytes == bytes_from(0, length + 1000) && end.is_none(), "{point}");
    }
}

#[test]
fn what_a_killed_process_has_finished_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stream");
    killed_at("finished", &path);
    let (bytes, end) = drain(&mut Spool::open(&path).unwrap().reader().unwrap());
    assert!(bytes == bytes_from(0, 3_000_000) && end.is_none());
}

const BOUND: usize = 200_000;

/// Writes and lets go until it is killed.
fn write_and_let_go(path: &Path) {
    let builder = Spool::builder().growth(Growth::Constant { size: 1000 });
    let spool = builder.retain(Retain::Last(BOUND as u64)).create(path).unwrap();
    let mut writer = spool.writer().unwrap();
    let mut announced = false;
    // Somebody kills us long before the end.
    while writer.written() < 10_000_000_000 {
        writer.write_all(&bytes_from(writer.written(), 3000)).unwrap();
        if !announced && writer.written() > 1_000_000 {
            announced = true;
            println!("at the point");
        }
    }
}

#[test]
fn what_a_killed_process_has_kept_of_its_last_bytes_opens_and_no_hole_is_read() {
    for round in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stream");
        killed_at("lets_go", &path);
        let spool = Spool::open(&path).unwrap();
        let mut reader = spool.reader().unwrap();
        let begin = reader.position();
        assert!(begin > 0, "{round}");
        let (bytes, end) = drain(&mut reader);
        assert!(matches!(end, Some(ReadError::Failed(_))), "{round}: {end:?}");
        assert!(bytes.len() >= BOUND && bytes.len() < BOUND + (128 << 10), "{}", bytes.len());
        assert!(bytes == bytes_from(begin, bytes.len()), "{round}: from {begin} on");
        drop((reader, spool));
        let resumed = Spool::builder().retain(Retain::Last(BOUND as u64)).resume(&path).unwrap();
        assert_eq!(resumed.stats().evicted, begin);
        assert_eq!(resumed.writer().unwrap().written(), begin + bytes.len() as u64);
    }
}

// Two processes.

fn second(path: &Path) {
    let resumed = Spool::builder().resume(path);
    assert_eq!(resumed.unwrap_err(), FileError::Busy { path: path.into() });
    assert!(matches!(Spool::create(path), Err(FileError::Exists { .. })));
    // To read it is no offence.
    assert_eq!(drain(&mut Spool::open(path).unwrap().reader().unwrap()).0, b"ours");
}

#[test]
fn another_process_is_refused_as_a_second_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stream");
    let spool = Spool::create(&path).unwrap();
    spool.writer().unwrap().write_all(b"ours").unwrap();
    drop(spool);
    let spool = Spool::builder().resume(&path).unwrap();
    run("", "second", &path);
    drop(spool);
}

// Full. A limit of the process stands for a full disk: both make a write short first.

const LIMIT_OF_FILES: usize = 8 * 512;

fn full(path: &Path) {
    let spool = Spool::create(path).unwrap();
    let (mut writer, reader) = (spool.writer().unwrap(), spool.reader().unwrap());
    let bytes = bytes_from(0, 16_384);
    writer.write_all(&bytes[..3000]).unwrap();
    assert_eq!(writer.try_write(&bytes[3000..]), Ok(LIMIT_OF_FILES - 3000), "what went onto it");
    for _ in 0..2 {
        let error = writer.try_write(&bytes).unwrap_err();
        assert!(matches!(error, WriteError::File(_)));
        assert_eq!(io::Error::from(error).kind(), ErrorKind::FileTooLarge);
        assert_eq!(writer.fill(|_| Ok(10)).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
    assert_eq!(writer.written(), LIMIT_OF_FILES as u64);
    let (read, end) = drain(&mut reader.clone());
    assert_eq!((read, end), (bytes_from(0, LIMIT_OF_FILES), Some(ReadError::Empty)));
    drop(writer);
    assert!(matches!(drain(&mut reader.clone()).1, Some(ReadError::Failed(_))));
    assert_eq!(fs::read(path).unwrap(), bytes_from(0, LIMIT_OF_FILES));
    assert!(!Spool::open(path).unwrap().is_finished());
}

#[test]
fn a_full_disk_is_an_error_for_the_writer_and_readers_get_all_that_went_onto_it() {
    let directory = tempfile::tempdir().unwrap();
    run("ulimit -f 8; trap '' XFSZ;", "full", &directory.path().join("stream"));
}

fn full_temporary() {
    let spool = Spool::builder().spill_at(1000).build().unwrap();
    let (mut writer, mut reader) = (spool.writer().unwrap(), spool.reader().unwrap());
    let room = 1000 + LIMIT_OF_FILES;
    // `fill` has taken 4 KiB more from its source than there is room for.
    let mut filled = 0;
    let error = loop {
        match writer.fill(|buffer| {
            let length = buffer.len().min(3000);
            buffer[..length].copy_from_slice(&bytes_from(filled, length));
            Ok(length)
        }) {
            Ok(more) => filled += more as u64,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    assert_eq!(writer.written(), room as u64);
    assert_eq!(drain(&mut reader).0, bytes_from(0, room));
}

#[test]
fn a_full_disk_is_the_same_for_what_was_spilled() {
    run("ulimit -f 8; trap '' XFSZ;", "full_temporary", Path::new("unused"));
}

/// A file system of 64 KiB.
fn full_file_system(directory: &Path) {
    let path = directory.join("stream");
    let spool = Spool::create(&path).unwrap();
    let (mut writer, mut reader) = (spool.writer().unwrap(), spool.reader().unwrap());
    let bytes = bytes_from(0, 100_000);
    let mut written = 0;
    let error = loop {
        match writer.try_write(&bytes[written..written + 10_000]) {
            Ok(more) => written += more,
            Err(error) => break error,
        }
    };
    assert_eq!(io::Error::from(error).kind(), ErrorKind::StorageFull);
    assert_eq!(written, 64 << 10, "the last one was short");
    assert_eq!(drain(&mut reader), (bytes_from(0, written), Some(ReadError::Empty)));

    // Nor is there room for the mark: so it is not finished, and nobody is told that it is.
    assert!(matches!(writer.finish(), Err(FinishError::File(_))));
    assert!(matches!(drain(&mut reader).1, Some(ReadError::Failed(_))));
    drop((spool, reader));
    assert!(!Spool::open(&path).unwrap().is_finished());
    assert_eq!(fs::read_dir(directory).unwrap().count(), 1);

    // Once there is room it goes on.
    fs::File::options().write(true).open(&path).unwrap().set_len(60_000).unwrap();
    let spool = Spool::builder().resume(&path).unwrap();
    assert_eq!(spool.len(), 60_000);
    spool.writer().unwrap().finish().unwrap();
    assert!(Spool::open(&path).unwrap().is_finished());
}

#[test]
fn a_full_file_system_ends_neither_readers_nor_the_stream() {
    let directory = tempfile::tempdir().unwrap();
    let may_mount = "mount -t tmpfs -o size=64k none \"$OVERFALL_FILES_PATH\"";
    let probe = format!("unshare -rm sh -c '{may_mount}'");
    let probe = Command::new("sh").args(["-c", &probe]).env(FILE, directory.path()).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        println!("nothing was tested: file systems cannot be mounted here");
        return;
    }
    let mounted =
        format!("exec unshare -rm sh -c '{may_mount} && exec \"$0\" \"$@\"' \"$0\" \"$@\";");
    run(&mounted, "full_file_system", directory.path());
}

fn moves(directory: &Path) {
    env::set_current_dir(directory).unwrap();
    let spool = Spool::create("stream").unwrap();
    env::set_current_dir("/").unwrap();
    spool.writer().unwrap().finish().unwrap();
    spool.sync().unwrap();
    assert!(Spool::open(directory.join("stream")).unwrap().is_finished());
    spool.remove().unwrap();
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0);
}

#[test]
fn a_process_may_change_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    run("", "moves", directory.path());
}

// Descriptors and modes.

fn few_descriptors(path: &Path) {
    for spool in [Spool::create(path).unwrap(), Spool::temp_file().unwrap()] {
        let mut readers: Vec<_> = (0..2500).map(|_| spool.reader().unwrap()).collect();
        let mut writer = spool.writer().unwrap();
        writer.write_all(&bytes_from(0, 1000)).unwrap();
        writer.finish().unwrap();
        let late: Vec<_> = (0..2500).map(|_| spool.reader().unwrap()).collect();
        readers.extend(late);
        for reader in &mut readers {
            let mut bytes = [0; 1000];
            assert_eq!(reader.try_read(&mut bytes), Ok(1000));
            assert_eq!(bytes[..], bytes_from(0, 1000));
        }
    }
}

#[test]
fn five_thousand_readers_of_a_file_have_one_descriptor() {
    let directory = tempfile::tempdir().unwrap();
    run("ulimit -n 64;", "few_descriptors", &directory.path().join("stream"));
}

/// The modes of the open files in a directory, with or without a name.
fn modes_of_open_files(directory: &Path) -> Vec<u32> {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let ours =
        descriptors.filter(|link| fs::read_link(link).is_ok_and(|to| to.starts_with(directory)));
    ours.map(|link| fs::metadata(link).unwrap())
        .filter(fs::Metadata::is_file)
        .map(|metadata| metadata.permissions().mode() & 0o7777)
        .collect()
}

fn private(directory: &Path) {
    let spool = Spool::builder().temp_dir(directory).temp_file().unwrap();
    assert_eq!(modes_of_open_files(directory), [0o600]);
    drop(spool);
    assert!(modes_of_open_files(directory).is_empty(), "closed with it");

    let spool = Spool::builder().temp_dir(directory).spill_at(3).build().unwrap();
    spool.writer().unwrap().write_all(b"three and more").unwrap();
    assert_eq!(modes_of_open_files(directory), [0o600]);
    drop(spool);

    let spool = Spool::builder().temp_dir(directory).mode(0o640).temp_file().unwrap();
    assert_eq!(modes_of_open_files(directory), [0o640]);
    drop(spool);

    assert_eq!(fs::read_dir(directory).unwrap().count(), 0);
    let path = directory.join("named");
    let spool = Spool::builder().mode(0o640).create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    spool.remove().unwrap();
}

#[test]
fn a_temporary_file_is_private_whatever_the_umask_and_its_directory_can_be_chosen() {
    let directory = tempfile::tempdir().unwrap();
    run("umask 0;", "private", directory.path());
}

#[test]
fn descriptors_of_a_spool_are_not_passed_on_to_children() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stream");
    let spool = Spool::create(&path).unwrap();
    let mut child = Kills(Command::new("sleep").arg("30").spawn().unwrap());
    drop(spool);
    // Its lock would outlive us otherwise. Another thread may be about to start a program.
    while Spool::builder().resume(&path).is_err() {
        assert!(child.0.try_wait().unwrap().is_none(), "the child has kept the lock to its end");
        thread::yield_now();
    }
}

struct Kills(Child);

impl Drop for Kills {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
