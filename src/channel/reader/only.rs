//! A channel that has one reader at a time, beside one that was there before and reads nothing: for
//! `overfall::process`.
//!
//! A second reader that comes by a clone, or by a handle of the channel, cannot be refused by an error of that
//! call. It is there, but as one that was terminated, and its reads fail with the error that names the first.

use super::{Core, Read, WeakReader};
use crate::error::Failure;
use crate::error::second_consumer::SecondConsumer;
use std::sync::Arc;

impl WeakReader {
    /// From now on there may be one reader beside this one.
    pub(crate) fn allow_one_beside(&self) {
        let core = Read::core(self);
        let _it_is_the_first = core.shared().one_beside.set(core.id());
    }
}

impl Core {
    /// The error with which it was refused.
    pub(crate) fn refusal(&self) -> Option<&SecondConsumer> {
        self.refused().and_then(|failure| failure.get_ref().downcast_ref())
    }

    /// The error of this reader, if there may be only one and another came before it.
    fn second(&self) -> Option<SecondConsumer> {
        let shared = self.shared();
        let beside = *shared.one_beside.get()?;
        if self.has_terminated() {
            return None;
        }
        let readers = shared.stats().readers;
        // Of two that come at once, the first is the one with the lower number.
        let first =
            readers.into_iter().find(|reader| reader.id != beside && reader.id < self.id())?;
        let output = shared.name.as_deref().unwrap_or_default().into();
        Some(SecondConsumer::new(output, name_of(first.id, first.name)))
    }
}

/// What a consumer is called in errors.
pub(crate) fn name_of(id: u32, name: Option<Arc<str>>) -> Arc<str> {
    name.unwrap_or_else(|| format!("consumer {id}").into())
}

/// The reader, which is refused if it is a second one and there may be only one.
pub(crate) fn unless_second<R: Read>(mut reader: R) -> R {
    if let Some(second) = reader.core().second() {
        reader.end();
        reader.core_mut().refuse(Failure::new(second));
    }
    reader
}
