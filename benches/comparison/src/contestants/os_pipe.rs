//! The operating system's pipe, whose calls wait in the kernel. Its size is what the system gives
//! it, which on Linux is 64 KiB.

use crate::transport::{Receiver, Sender};
use std::io::{PipeReader, PipeWriter, Read, Write};

pub(crate) fn new() -> (PipeWriter, PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (writer, reader)
}

impl Sender for PipeWriter {
    fn send(&mut self, message: &[u8]) -> bool {
        self.write_all(message).expect("the pipe's other end is there");
        true
    }
}

impl Receiver for PipeReader {
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        self.read_exact(buffer).expect("the pipe's other end is there");
        true
    }
}
