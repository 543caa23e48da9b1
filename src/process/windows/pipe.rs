//! The ends of pipes that are ours. They are opened so that reads and writes go on while nobody waits for them:
//! those of outputs by the standard library, that of stdin by us.

use super::calls;
use super::operation::Operation;
use crate::channel::writer::slice::Slice;
use crate::process::drain::There;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::Arc;

/// Where an output comes from.
pub(in crate::process) struct Reading {
    pipe: Arc<OwnedHandle>,
    /// A read of no byte, which the system ends when there is one.
    arrival: Operation,
    /// Reads of what is there.
    reads: Operation,
    buffer: Vec<u8>,
}

impl Reading {
    pub(in crate::process) fn new(pipe: OwnedHandle) -> io::Result<Self> {
        let pipe = Arc::new(pipe);
        let (arrival, reads) = (Operation::new(pipe.clone())?, Operation::new(pipe.clone())?);
        Ok(Self { pipe, arrival, reads, buffer: Vec::new() })
    }

    /// Waits until something is there, or the end. It may find nothing all the same. Dropped, it has done nothing.
    pub(in crate::process) async fn wait(&mut self) -> io::Result<There> {
        if !self.arrival.goes_on() {
            match self.arrival.begin_read_of_nothing() {
                Err(error) if is_end(&error) => return self.look(),
                begun => begun?,
            }
        }
        self.arrival.ended().await?;
        match self.arrival.finish() {
            Err(error) if !is_end(&error) => Err(error),
            _ => self.look(),
        }
    }

    /// What is there now.
    pub(in crate::process) fn look(&mut self) -> io::Result<There> {
        match calls::there(&self.pipe) {
            Ok(0) => Ok(There::Nothing),
            Ok(there) => Ok(There::Bytes(there.into())),
            Err(error) if is_end(&error) => Ok(There::End),
            Err(error) => Err(error),
        }
    }

    /// Whether something is there: to be asked where [`look`](Self::look) costs more, which it does not here.
    pub(in crate::process) fn has_some(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// Reads as much as the slice has room for, and as is there: through a buffer.
    pub(in crate::process) fn fill(&mut self, slice: &mut Slice<'_>) -> io::Result<usize> {
        self.buffer.resize(slice.len(), 0);
        let read = self.reads.read_what_is_there(&mut self.buffer)?;
        slice.write_all(&self.buffer[..read])?;
        Ok(read)
    }

    /// The same, into a buffer of others.
    pub(in crate::process) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.read_what_is_there(buffer)
    }
}

/// Whether nobody has the other end any more.
fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// Where stdin is written.
pub(in crate::process) struct Writing {
    writes: Operation,
    /// A read of no byte, of which none ever comes: it ends with the other end.
    hang_up: Operation,
}

impl Writing {
    pub(in crate::process) fn new(pipe: OwnedHandle) -> io::Result<Self> {
        let pipe = Arc::new(pipe);
        Ok(Self { writes: Operation::new(pipe.clone())?, hang_up: Operation::new(pipe)? })
    }

    /// Waits until nobody reads it any more.
    pub(in crate::process) async fn closed(&mut self) {
        if self.hang_up.goes_on() || self.hang_up.begin_read_of_nothing().is_ok() {
            let _or_it_cannot_be_told = self.hang_up.ended().await;
        }
    }

    /// Writes some of these bytes. It is awaited to its end.
    pub(in crate::process) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        /// What one operation has a buffer for.
        const MOST: usize = 64 << 10;
        self.writes.begin_write(&bytes[..bytes.len().min(MOST)])?;
        self.writes.ended().await?;
        self.writes.finish()
    }
}
