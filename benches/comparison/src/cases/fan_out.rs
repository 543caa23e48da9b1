//! Figure 4: one writer to several readers, all of which get everything.

use super::{Cell, Session, Sheet};
use crate::contestants::ours::Lending;
#[cfg(feature = "selium")]
use crate::contestants::selium;
use crate::contestants::{async_broadcast, bus, disruptor, io, ours};
use crate::pair::Cores;
use crate::parties::{self, Terms};
use crate::report::{self, Table, Target};
use crate::tasks;
use crate::team::Team;
use crate::transport::{AsyncReceiver, AsyncSender, ReceiveMany, Sender, Wait};
use std::sync::Arc;

const SIZES: [usize; 2] = [64, 1024];
const READERS: [usize; 4] = [1, 2, 4, 8];
const WORKERS: usize = 2;
const ABOUT: &str = "One writer and several readers (ours are strong ones), each of which copies every \
message. The time is that of one message until everybody has it. *Threads*, spread over the cores \
round robin: async-broadcast and bus with their waiting calls, against our blocking endpoints; the \
disruptor's pollers and ours poll and yield to others every 128 attempts, and the disruptor's take \
all events there are at a time. *Tasks*: on tokio's multi-threaded runtime with two workers, \
unconstrained. Records are passed by value, for 1 KiB also in an `Arc`. tokio's broadcast and outcry \
are left out here, since their readers lose messages. The target is for the best of each group.";

pub(super) fn run(session: &Session) -> Table {
    let title = "One writer, several readers that lose nothing";
    let mut sheet = Sheet::new(session, Cores::Several, "fan-out", title, ABOUT);
    for size in session.sizes(&SIZES) {
        for readers in READERS {
            match size {
                64 => cell::<64>(&mut sheet, readers),
                1024 => cell::<1024>(&mut sheet, readers),
                _ => {}
            }
        }
    }
    sheet.table
}

fn cell<const N: usize>(sheet: &mut Sheet<'_>, readers: usize) {
    let target = Target::Ratio(2.0);
    let is_long = N > 64;
    let first = sheet.rows();
    polled(sheet, N, "disruptor", disruptor::new::<N>(readers));
    waiting(sheet, N, "bus", bus::new::<[u8; N]>(N, readers));
    waiting(sheet, N, "async-broadcast", async_broadcast::threads::<[u8; N]>(N, readers));
    if is_long {
        waiting(sheet, N, "bus, Arc", bus::new::<Arc<[u8]>>(N, readers));
        let arcs = async_broadcast::threads::<Arc<[u8]>>(N, readers);
        waiting(sheet, N, "async-broadcast, Arc", arcs);
    }
    sheet.judge_best(first, target);
    let first = sheet.rows();
    as_tasks(sheet, N, "async-broadcast", async_broadcast::tasks::<[u8; N]>(N, readers));
    #[cfg(feature = "selium")]
    as_tasks(sheet, N, "selium-messaging", selium::to_many(readers));
    if is_long {
        let arcs = async_broadcast::tasks::<Arc<[u8]>>(N, readers);
        as_tasks(sheet, N, "async-broadcast, Arc", arcs);
    }
    sheet.judge_best(first, target);
}

fn name(kind: &str, size: usize, readers: usize) -> String {
    let plural = if readers == 1 { "" } else { "s" };
    format!("{kind}, {readers} reader{plural}, {}", report::bytes(size))
}

/// Against ours, polled.
fn polled<S: Sender, R: ReceiveMany>(
    sheet: &mut Sheet<'_>,
    size: usize,
    rival: &'static str,
    ends: (S, Vec<R>),
) {
    let ours = ours::one_to_many(ends.1.len());
    on_threads(sheet, size, ours, (rival, ends));
}

/// Against ours, waiting.
fn waiting<S: Sender, R: ReceiveMany>(
    sheet: &mut Sheet<'_>,
    size: usize,
    rival: &'static str,
    ends: (S, Vec<R>),
) {
    let (mut senders, receivers) = ours::many_blocking(1, ends.1.len());
    let ours = (senders.remove(0), receivers.into_iter().map(Lending).collect());
    on_threads(sheet, size, ours, (rival, ends));
}

fn on_threads(
    sheet: &mut Sheet<'_>,
    size: usize,
    ours: (impl Sender, Vec<impl ReceiveMany>),
    (rival, theirs): (&'static str, (impl Sender, Vec<impl ReceiveMany>)),
) {
    let name = name("threads", size, theirs.1.len());
    let cell = Cell { name, rival, size, target: None };
    sheet.row(cell, || threads("ours", size, ours), || threads(rival, size, theirs));
}

fn as_tasks<S: AsyncSender, R: AsyncReceiver>(
    sheet: &mut Sheet<'_>,
    size: usize,
    rival: &'static str,
    (sender, receivers): (S, Vec<R>),
) {
    let readers = receivers.len();
    let name = name("tasks", size, readers);
    let ours = || tasks("ours", size, io::ours_to_many(readers));
    let cell = Cell { name, rival, size, target: None };
    sheet.row(cell, ours, || tasks(rival, size, (sender, receivers)));
}

fn terms(name: &'static str, size: usize) -> Terms {
    Terms { name, size, writers: 1, wait: Wait::Yield }
}

fn threads<S: Sender, R: ReceiveMany>(
    name: &'static str,
    size: usize,
    (sender, receivers): (S, Vec<R>),
) -> Team {
    let terms = terms(name, size);
    let mut parties = vec![parties::write(terms, 0, sender)];
    parties.extend(receivers.into_iter().map(|receiver| parties::read(terms, receiver)));
    Team::threads(name, size, parties)
}

fn tasks<S: AsyncSender, R: AsyncReceiver>(
    name: &'static str,
    size: usize,
    (sender, receivers): (S, Vec<R>),
) -> Team {
    let terms = terms(name, size);
    let mut parties = vec![tasks::write(terms, sender)];
    parties.extend(receivers.into_iter().map(|receiver| tasks::read(terms, receiver)));
    Team::tasks(name, size, WORKERS, parties)
}
