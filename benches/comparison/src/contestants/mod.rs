//! Ours, and the rivals, each at its best.

pub(crate) mod async_broadcast;
pub(crate) mod bbqueue;
pub(crate) mod bus;
pub(crate) mod channels;
pub(crate) mod disruptor;
pub(crate) mod events;
pub(crate) mod io;
pub(crate) mod kanal_tasks;
pub(crate) mod memcpys;
pub(crate) mod messages;
pub(crate) mod nexus;
pub(crate) mod os_pipe;
pub(crate) mod ours;
pub(crate) mod rtrb;
#[cfg(feature = "selium")]
pub(crate) mod selium;
pub(crate) mod taps;
pub(crate) mod thingbuf;
pub(crate) mod tokio_mpsc;
