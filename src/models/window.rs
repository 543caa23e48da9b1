//! A strong reader that receives ahead of its hold, while the hold is taken.

use super::watch::shared;
use super::*;
use crate::channel::reader::{StrongReader, Window};
use crate::channel::terms::StartAt;
use crate::channel::writer::StrongWriter;
use crate::error::{ReadError, TryReadError};
use loom::future::block_on;
use loom::thread;

/// The number of the first reader of a channel.
const FIRST: u32 = 1;

fn send(writer: &mut StrongWriter, fill: Fill) -> bool {
    writer.try_send(&[fill; GRANULE as usize]).is_ok()
}

fn next(window: &mut Window<'_>) -> Result<Fill, TryReadError> {
    let message = window.try_recv()?.unwrap();
    assert!(message.iter().all(|&byte| byte == message[0]), "torn: {message:?}");
    Ok(message[0])
}

/// A window has received one message of two. `then` does something with it while the hold is taken and a writer
/// overwrites both. Whatever happens first, received and missed make up what was sent.
fn while_the_hold_is_taken(then: fn(&mut Window<'_>)) {
    let shared = shared(2);
    let mut reader = StrongReader::new(&shared, StartAt::Oldest);
    let mut writer = StrongWriter::new(&shared);
    (1..=2).for_each(|fill| assert!(send(&mut writer, fill)));
    let reading = thread::spawn(move || {
        let mut window = reader.window();
        match next(&mut window) {
            Ok(fill) => {
                assert_eq!(fill, 1);
                then(&mut window);
            }
            Err(error) => assert_eq!(error, TryReadError::HoldTaken),
        }
        reader
    });
    assert!(shared.take_hold(FIRST, false).is_some());
    (3..=4).for_each(|fill| _ = send(&mut writer, fill));
    let reader = reading.join().unwrap();
    // One of the two was to take it, and has: nobody is in the way any more.
    (5..=6).for_each(|fill| assert!(send(&mut writer, fill), "the hold is in the way"));
    let (sent, received) = (writer.stats().slices, reader.stats().payload_bytes / GRANULE);
    assert_eq!(received + reader.missed().messages, sent - 2);
}

/// Guards the mark of a message that is received ahead. Loom finds a race if the writer writes what is lent.
#[test]
fn what_is_received_ahead_is_whole_or_the_hold_was_taken() {
    model_of_heavy_fences(2, || {
        while_the_hold_is_taken(|window| match next(window) {
            Ok(fill) => assert_eq!(fill, 2),
            Err(error) => assert_eq!(error, TryReadError::HoldTaken),
        });
    });
}

/// Guards the mark while what is released is counted: a thread that takes the hold looks at what is unread.
#[test]
fn what_is_released_counts_as_received_before_the_hold_is_taken_or_after_that() {
    model_of_heavy_fences(2, || while_the_hold_is_taken(|window| window.release(1)));
}

/// Guards that a look ahead is trusted only while the hold is in effect. Without that a window that has found
/// nothing sleeps, though the thread that takes the hold has looked for it before.
#[test]
fn a_window_that_sleeps_ahead_learns_that_its_hold_was_taken() {
    model_of_heavy_fences(PREEMPTIONS, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        assert!(send(&mut writer, 1));
        let reading = thread::spawn(move || {
            let mut window = reader.window();
            if next(&mut window).is_ok() {
                assert_eq!(block_on(window.recv()).unwrap_err(), ReadError::HoldTaken);
            }
        });
        assert!(shared.take_hold(FIRST, false).is_some());
        reading.join().unwrap();
    });
}
