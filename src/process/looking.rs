//! Those who wait until a drain has read what was in its pipe when they asked.

use tokio::sync::oneshot;

#[derive(Default, Debug)]
pub(super) struct Looking(Vec<Look>);

#[derive(Debug)]
struct Look {
    asker: oneshot::Sender<()>,
    /// It waits for room, too.
    waits: bool,
    /// So many bytes are still to be read for it. What comes behind them is not looked for: it may go on for
    /// ever. If there were none, the drain is to find out whether that is the end.
    left: u64,
}

impl Looking {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, asker: oneshot::Sender<()>, waits: bool, left: u64) {
        self.0.push(Look { asker, waits, left });
    }

    /// So many more bytes were read.
    #[inline]
    pub(super) fn has_read(&mut self, bytes: usize) {
        if !self.is_empty() {
            self.0.iter_mut().for_each(|look| look.left = look.left.saturating_sub(bytes as u64));
            self.answer(|look| look.left == 0);
        }
    }

    /// The pipe is empty.
    pub(super) fn has_read_all(&mut self) {
        self.answer(|_| true);
    }

    /// There is no room for more.
    pub(super) fn has_no_room(&mut self) {
        self.answer(|look| !look.waits);
    }

    fn answer(&mut self, is_to_be: impl Fn(&Look) -> bool) {
        for index in (0..self.0.len()).rev() {
            if is_to_be(&self.0[index]) {
                let _may_have_gone = self.0.swap_remove(index).asker.send(());
            }
        }
    }
}
