//! What the stress tests have in common.
use overfall::{Channel, Reader, StartAt};
use overfall_tests::{LIMIT, Numbers};
use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

/// For how long to go on: so many seconds, or as many as `OVERFALL_STRESS_SECONDS` says.
pub(crate) fn time(seconds: u64) -> Duration {
    let asked = std::env::var("OVERFALL_STRESS_SECONDS");
    Duration::from_secs(asked.map_or(seconds, |text| text.parse().expect("a number of seconds")))
}

/// A new reader of either kind that starts anywhere, at most so many payload bytes back.
pub(crate) fn any_reader(channel: &Channel, back: usize, numbers: &mut Numbers) -> Reader {
    let at = match numbers.below(3) {
        0 => StartAt::Oldest,
        1 => StartAt::Now,
        _ => StartAt::Back(numbers.below(back) as u64),
    };
    match numbers.below(2) {
        0 => channel.new_strong_reader_at(at).into(),
        _ => channel.new_weak_reader_at(at).into(),
    }
}

/// The reader as a strong one, if it can be one.
pub(crate) fn strong_if_possible(reader: Reader) -> Reader {
    match reader.into_strong() {
        Ok(reader) => reader.into(),
        Err(error) => error.reader,
    }
}

/// The thread's result; if it hangs, a failure that shows the channel.
pub(crate) fn join<T>(channel: &Channel, what: &str, thread: thread::JoinHandle<T>) -> T {
    let began = Instant::now();
    while !thread.is_finished() {
        assert!(began.elapsed() < LIMIT, "a {what} hangs: {channel:#?}");
        thread::sleep(Duration::from_millis(1));
    }
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(feature = "tokio")]
pub(crate) mod tasks {
    use super::*;
    use std::pin::pin;
    use tokio::task::{JoinHandle, yield_now};
    use tokio::time::timeout;

    /// The task's result; if it hangs, a failure that shows the channel.
    pub(crate) async fn join<T>(channel: &Channel, what: &str, task: JoinHandle<T>) -> T {
        match timeout(LIMIT, task).await {
            Ok(result) => result.unwrap(),
            Err(_) => panic!("a {what} hangs: {channel:#?}"),
        }
    }

    /// Gives up on `operation` after a while, or sees it through. What is given up has done nothing.
    pub(crate) async fn perhaps<T>(
        operation: impl Future<Output = T>,
        numbers: &mut Numbers,
    ) -> Option<T> {
        let mut operation = pin!(operation);
        match numbers.below(8) {
            0 => {
                // As many polls as yields.
                for _ in 0..=numbers.below(3) {
                    tokio::select! {
                        biased;
                        value = &mut operation => return Some(value),
                        () = yield_now() => {}
                    }
                }
                None
            }
            1 => timeout(Duration::from_micros(numbers.below(2000) as u64), operation).await.ok(),
            _ => Some(operation.await),
        }
    }
}
