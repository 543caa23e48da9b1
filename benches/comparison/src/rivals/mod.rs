//! The rivals, each at its best.

pub(crate) mod async_broadcast;
pub(crate) mod bbqueue;
pub(crate) mod bus;
pub(crate) mod crossbeam;
pub(crate) mod crossfire;
pub(crate) mod disruptor;
pub(crate) mod flume;
pub(crate) mod io;
pub(crate) mod kanal;
pub(crate) mod memcpys;
pub(crate) mod nexus;
pub(crate) mod os_pipe;
pub(crate) mod outcry;
pub(crate) mod rtrb;
#[cfg(feature = "selium")]
pub(crate) mod selium;
pub(crate) mod std_mpsc;
pub(crate) mod thingbuf;
pub(crate) mod tokio_broadcast;
pub(crate) mod tokio_mpsc;
