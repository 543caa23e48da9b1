//! The local writers: one for each writer of the other side.

use crate::count::Count;
use crate::error::InletError;
use overfall::Writer;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Locals {
    /// All others are clones of it. It keeps the channel open, and sends nothing.
    template: Writer,
    writers: HashMap<u32, Writer>,
    /// Those of the other side; of some there is no local writer yet.
    names: HashMap<u32, Arc<str>>,
}

impl Locals {
    pub(crate) fn new(template: Writer) -> Self {
        Self { template, writers: HashMap::new(), names: HashMap::new() }
    }

    pub(crate) fn template(&self) -> &Writer {
        &self.template
    }

    pub(crate) fn of(&mut self, foreign: u32) -> &mut Writer {
        self.writers.entry(foreign).or_insert_with(|| {
            let writer = self.template.clone();
            if let Some(name) = self.names.get(&foreign) {
                writer.set_name(Arc::clone(name));
            }
            writer
        })
    }

    /// This writer has this name.
    pub(crate) fn name(&mut self, foreign: u32, name: Arc<str>) {
        if self.names.get(&foreign) == Some(&name) {
            return;
        }
        if let Some(writer) = self.writers.get(&foreign) {
            writer.set_name(Arc::clone(&name));
        }
        self.names.insert(foreign, name);
    }

    /// So much of this writer is missing on the way here.
    pub(crate) fn missed(&mut self, foreign: u32, count: Count) -> Result<(), InletError> {
        let reported = self.of(foreign).report_missed(count.messages, count.bytes);
        reported.map_err(InletError::Missed)
    }

    pub(crate) fn forget(&mut self, foreign: u32) {
        self.writers.remove(&foreign);
        self.names.remove(&foreign);
    }

    /// A new epoch has new writers.
    pub(crate) fn forget_all(&mut self) {
        self.writers.clear();
        self.names.clear();
    }
}
