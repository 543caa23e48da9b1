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

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody may write faster than we can read, and for ever.
    #[test]
    fn who_looks_is_answered_though_more_comes_than_is_read() {
        let mut looking = Looking::default();
        let mut ask = |waits, left| {
            let (asker, answer) = oneshot::channel();
            looking.add(asker, waits, left);
            answer
        };
        let mut answers = [ask(false, 100), ask(true, 100), ask(false, 50), ask(true, 0)];
        let mut answered = || answers.each_mut().map(|answer| answer.try_recv().is_ok());
        looking.has_read(60);
        assert_eq!(answered(), [false, false, true, true]);
        looking.has_no_room();
        assert_eq!(answered(), [true, false, false, false]);
        looking.has_read(60);
        assert_eq!(answered(), [false, true, false, false]);
        assert!(looking.is_empty());
    }
}
