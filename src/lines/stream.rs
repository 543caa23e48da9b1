//! Lines as a stream, for the combinators of futures.

use super::blocking::is_last;
use super::{LineError, Lines, OwnedLine, Source};
use futures_core::{FusedStream, Stream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Lines that own their bytes. A gap, and with [`utf8`](super::Builder::utf8) a line that is none, is an item,
/// `Err`, and the stream goes on behind it. It ends at the end, and behind an error in place of that.
///
/// ```
/// # futures::executor::block_on(async {
/// use futures::StreamExt;
///
/// let (mut writer, reader) = overfall::pipe(4096);
/// writer.send("one\ntwo\n").await?;
/// drop(writer);
/// let lines: Vec<_> = reader.into_lines().map(|line| line.unwrap().into_text()).collect().await;
/// assert_eq!(lines, ["one", "two"]);
/// # Ok::<(), overfall::error::SendError>(())
/// # }).unwrap();
/// ```
impl<R: Source + Unpin> Stream for Lines<R> {
    type Item = Result<OwnedLine, LineError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        let line = if let Some(place) = this.cut_whole() {
            this.lend_whole(place)
        } else {
            let found = match this.cut() {
                Some(piece) => Ok(Some(piece)),
                None => {
                    let mut budget = std::mem::take(&mut this.budget);
                    let found = budget.poll(context, |context| this.poll_find(context));
                    this.budget = budget;
                    ready!(found)
                }
            };
            this.give(found)
        };
        let item = line.map(|line| line.map(|line| line.to_owned())).transpose();
        this.is_over = is_last(&item);
        Poll::Ready(item)
    }
}

impl<R: Source + Unpin> FusedStream for Lines<R> {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}
