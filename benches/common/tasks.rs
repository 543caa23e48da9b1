//! The parties of `parties.rs` as tasks: the same loops, which the language does not let be written
//! once for both.

use super::Seen;
use super::parties::Letter;
use super::team::{Orders, Task};
use overfall::{StrongReader, StrongWriter, WeakReader};
use std::hint::black_box;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A party of [`Team::tasks`](super::team::Team::tasks).
pub(crate) type Party = Box<dyn FnOnce(Orders) -> Task>;

/// [`write`](super::parties::write) as a task.
pub(crate) fn write(mut letter: Letter, mut to: StrongWriter) -> Party {
    Box::new(move |mut orders| {
        Box::pin(async move {
            while let Some(round) = orders.next().await {
                for number in 0..letter.begin(round) {
                    put(&mut to, letter.next(round, number)).await;
                }
                orders.done();
            }
        })
    })
}

/// [`read`](super::parties::read) as a task.
pub(crate) fn read(size: usize, writers: usize, from: StrongReader) -> Party {
    read_with_taps(size, writers, Vec::new(), from, || {})
}

/// [`read_with_taps`](super::parties::read_with_taps) as a task, with something to do after each
/// message.
pub(crate) fn read_with_taps(
    size: usize,
    writers: usize,
    mut taps: Vec<WeakReader>,
    mut from: StrongReader,
    mut then: impl FnMut() + Send + 'static,
) -> Party {
    Box::new(move |mut orders| {
        Box::pin(async move {
            let mut buffer = vec![0; size];
            while let Some(round) = orders.next().await {
                let mut seen = Seen::new(round, size, writers);
                let mut tapped: Vec<Seen> = taps.iter().map(|_| seen.clone()).collect();
                for _ in 0..round.messages {
                    for (tap, seen) in taps.iter_mut().zip(&mut tapped) {
                        take(tap, &mut buffer).await;
                        seen.message(&buffer);
                    }
                    take(&mut from, &mut buffer).await;
                    seen.message(&buffer);
                    then();
                }
                orders.done();
                tapped.into_iter().chain([seen]).for_each(Seen::finish);
            }
        })
    })
}

/// [`ask`](super::parties::ask) as a task.
pub(crate) fn ask(size: usize, mut to: StrongWriter, mut from: StrongReader) -> Party {
    Box::new(move |mut orders| {
        Box::pin(async move {
            let (mut letter, mut buffer) = (Letter::new(size, 0, 1), vec![0; size]);
            while let Some(round) = orders.next().await {
                let mut seen = Seen::new(round, size, 1);
                for number in 0..letter.begin(round) {
                    put(&mut to, letter.next(round, number)).await;
                    take(&mut from, &mut buffer).await;
                    seen.message(&buffer);
                }
                orders.done();
                seen.finish();
            }
        })
    })
}

/// [`answer`](super::parties::answer) as a task.
pub(crate) fn answer(size: usize, mut to: StrongWriter, mut from: StrongReader) -> Party {
    Box::new(move |mut orders| {
        Box::pin(async move {
            let mut buffer = vec![0; size];
            while let Some(round) = orders.next().await {
                for _ in 0..round.messages {
                    take(&mut from, &mut buffer).await;
                    put(&mut to, black_box(&buffer)).await;
                }
                orders.done();
            }
        })
    })
}

/// Writes a message, waiting if need be.
pub(crate) async fn put(to: &mut (impl AsyncWrite + Unpin), message: &[u8]) {
    assert_eq!(to.write(message).await.expect("a write"), message.len());
}

/// Reads a message, waiting if need be.
pub(crate) async fn take(from: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) {
    assert_eq!(from.read(buffer).await.expect("a read"), buffer.len());
}
