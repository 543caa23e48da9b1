//! The bytes: segments, the directory in which they are found, and the length that is published.
//! All that is unsafe in the spool stands here.
//!
//! *Who may touch what.* A byte below `length` never changes again, and any thread may look at it. The
//! bytes from there on belong to the [`Tail`], of which there is one at a time ([`Memory::claim`]). The
//! tail fills bytes, and gives them away by one Release store (`publish:A`). A reader looks at no byte
//! before it has seen a length above it (`publish:B`). So no byte is written and read at a time.
//!
//! *Where it lies.* A [`Plan`] tells the number of a segment. The directory is a row of buckets, of
//! which each is twice as long as the one before. A bucket, and what stands in it, never moves and is
//! never replaced. The tail puts a segment there before it publishes the first byte of it, and so
//! readers find it there without a lock.
//!
//! Memory is zeroed by the allocator, and for large segments that means pages that nobody has touched:
//! so the rest of a segment can be lent as `&mut [u8]`, and holds bytes of nobody else.
#![allow(unsafe_code)]

use super::plan::Plan;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crossbeam_utils::CachePadded;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

/// Segments of the first bucket.
const FIRST: u64 = 8;
const BUCKETS: usize = 48;

/// There is no memory for so many bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoMemory(pub(super) u64);

/// A piece of the stream, in one piece of memory.
#[derive(Debug)]
pub(super) struct Segment {
    memory: NonNull<u8>,
    layout: Layout,
    /// The number of its first byte.
    begin: u64,
    #[cfg(overfall_loom)]
    touched: crate::models::touched::Touched,
}

// SAFETY: the memory belongs to no thread. The head of the file says who may touch which byte.
unsafe impl Send for Segment {}
// SAFETY: as for Send.
unsafe impl Sync for Segment {}

impl Segment {
    /// `size` zeroed bytes, more than 0; `None` if there is no memory for them.
    fn new(begin: u64, size: u64) -> Option<Self> {
        let size = usize::try_from(size).ok()?;
        assert_ne!(size, 0, "a segment has bytes");
        // A larger alignment would make std write all the zeros itself.
        let layout = Layout::from_size_align(size, align_of::<usize>()).ok()?;
        // SAFETY: the layout has a size.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self {
            memory,
            layout,
            begin,
            #[cfg(overfall_loom)]
            touched: crate::models::touched::Touched::new(size),
        })
    }

    fn end(&self) -> u64 {
        self.begin + self.layout.size() as u64
    }

    /// Bytes of it, by their numbers.
    ///
    /// # Safety
    ///
    /// `from <= to`, both lie in the segment, and the caller has seen `to`, or more, published.
    #[inline]
    unsafe fn published(&self, from: u64, to: u64) -> &[u8] {
        debug_assert!(self.begin <= from && from <= to && to <= self.end());
        let (offset, length) = ((from - self.begin) as usize, (to - from) as usize);
        #[cfg(overfall_loom)]
        self.touched.read(offset..offset + length);
        // SAFETY: by the contract it is inside, and nobody writes there any more. Zeroed memory is
        // initialised.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().add(offset), length) }
    }

    /// The bytes from `from` on.
    ///
    /// # Safety
    ///
    /// `from` lies in the segment, or at its end. The caller is the tail, nothing from there on is
    /// published while this is borrowed, and nothing else of it is borrowed.
    #[allow(clippy::mut_from_ref, reason = "the contract says who may")]
    unsafe fn unpublished(&self, from: u64) -> &mut [u8] {
        debug_assert!(self.begin <= from && from <= self.end());
        let offset = (from - self.begin) as usize;
        let length = self.layout.size() - offset;
        #[cfg(overfall_loom)]
        self.touched.write(offset..offset + length);
        // SAFETY: by the contract it is inside, and nobody else has a way to it.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr().add(offset), length) }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout. Whoever was lent bytes of it holds a share of it,
        // or of the memory that does.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}

type Bucket = Box<[OnceLock<Arc<Segment>>]>;

/// What is kept of a stream.
#[derive(Debug)]
pub(super) struct Memory {
    /// How many bytes are published.
    length: CachePadded<AtomicU64>,
    buckets: [OnceLock<Bucket>; BUCKETS],
    plan: Plan,
    /// The size of the first segment, if it was made as long as the stream was expected to be; else 0.
    /// The plan begins behind it.
    lead: AtomicU64,
    /// How long the stream is expected to be, if that is known.
    expected: Option<u64>,
    /// So many bytes lie here at most. Those behind them, if there are any, lie elsewhere.
    most: u64,
    /// Whether there is a tail.
    is_claimed: AtomicBool,
    segments: AtomicU64,
    bytes: AtomicU64,
}

impl Memory {
    /// Of a stream of which `length` bytes are there, none of them here unless it is 0.
    pub(super) fn new(plan: Plan, expected: Option<u64>, most: u64, length: u64) -> Self {
        let [length, lead, segments, bytes] = [length, 0, 0, 0].map(AtomicU64::new);
        Self {
            length: CachePadded::new(length),
            buckets: std::array::from_fn(|_| OnceLock::new()),
            plan,
            lead,
            expected,
            most,
            is_claimed: AtomicBool::new(false),
            segments,
            bytes,
        }
    }

    /// How many bytes are published.
    #[inline]
    pub(super) fn length(&self) -> u64 {
        // ORD(publish:B) Acquire, pairs with ORD(publish:A): the bytes below it, and their segments.
        self.length.load(Ordering::Acquire)
    }

    /// How many segments there are, and how many bytes of memory they take.
    pub(super) fn taken(&self) -> (u64, u64) {
        // Relaxed: figures order nothing.
        (self.segments.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// The number of the segment of a byte.
    fn index(&self, offset: u64) -> u64 {
        // Relaxed: the tail wrote it before it published the first byte.
        let lead = self.lead.load(Ordering::Relaxed);
        match offset.checked_sub(lead) {
            None => 0,
            Some(rest) => self.plan.locate(rest).index + u64::from(lead > 0),
        }
    }

    /// The segment with the byte at `offset`, if it is there.
    fn segment(&self, offset: u64) -> Option<&Arc<Segment>> {
        let (bucket, place) = locate(self.index(offset));
        self.buckets.get(bucket)?.get()?[place].get()
    }

    /// What is published from `from` to below `to`, or as much of it as lies in one segment; nothing if
    /// it lies elsewhere.
    pub(super) fn lend(&self, from: u64, to: u64) -> &[u8] {
        let to = to.min(self.length()).min(self.most);
        if from >= to {
            return &[];
        }
        let Some(segment) = self.segment(from) else {
            unreachable!("a published byte has no segment")
        };
        // SAFETY: `from` lies in its segment, and we have just seen `to` published.
        unsafe { segment.published(from, to.min(segment.end())) }
    }

    /// Makes the caller the only one who writes, until the tail is dropped; `None` if there is another.
    pub(super) fn claim(self: &Arc<Self>) -> Option<Tail> {
        // ORD(claim:B) Acquire, pairs with ORD(claim:A): the length, and what the last tail wrote.
        let order = Ordering::Acquire;
        self.is_claimed.compare_exchange(false, true, order, Ordering::Relaxed).ok()?;
        // Relaxed: no other thread changes it any more.
        let length = self.length.load(Ordering::Relaxed);
        Some(Tail { memory: self.clone(), segment: None, length })
    }

    /// A segment for what comes from `offset` on, where there is none.
    #[cold]
    fn add(&self, offset: u64) -> Result<&Arc<Segment>, NoMemory> {
        if offset == 0 {
            // What is only expected may be wrong: if there is no memory for it, it counts for nothing.
            let expected = self.expected.map(|expected| expected.min(self.most));
            if let Some(expected) = expected.filter(|&expected| expected > 0) {
                if let Some(segment) = Segment::new(0, expected) {
                    self.lead.store(expected, Ordering::Relaxed);
                    return self.put(0, segment);
                }
            }
        }
        let lead = self.lead.load(Ordering::Relaxed);
        let extent = self.plan.locate(offset - lead);
        let size = extent.size.min(self.most - lead - extent.begin);
        let segment = Segment::new(lead + extent.begin, size).ok_or(NoMemory(size))?;
        self.put(extent.index + u64::from(lead > 0), segment)
    }

    fn put(&self, index: u64, segment: Segment) -> Result<&Arc<Segment>, NoMemory> {
        let size = segment.layout.size() as u64;
        let (bucket, place) = locate(index);
        let cells = FIRST << bucket;
        let no_memory = NoMemory(cells.saturating_mul(size_of::<OnceLock<Arc<Segment>>>() as u64));
        let bucket = self.buckets.get(bucket).ok_or(no_memory)?;
        if bucket.get().is_none() {
            let mut row = Vec::new();
            let length = usize::try_from(cells).map_err(|_| no_memory)?;
            row.try_reserve_exact(length).map_err(|_| no_memory)?;
            row.resize_with(length, OnceLock::new);
            let _one_tail_at_a_time = bucket.set(row.into_boxed_slice());
        }
        let Some(row) = bucket.get() else { unreachable!("it was set above") };
        let segment = row[place].get_or_init(|| Arc::new(segment));
        self.segments.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size, Ordering::Relaxed);
        Ok(segment)
    }
}

/// The bucket of a segment, and its place in there.
fn locate(index: u64) -> (usize, usize) {
    let bucket = (index / FIRST + 1).ilog2();
    (bucket as usize, (index - FIRST * ((1 << bucket) - 1)) as usize)
}

/// A share of a segment, with its bounds at hand.
#[derive(Clone, Debug)]
struct Held {
    segment: Arc<Segment>,
    begin: u64,
    end: u64,
}

/// What one reader sees: a length that was published some time ago, and the segment that it was in last.
#[derive(Clone, Debug)]
pub(super) struct View {
    memory: Arc<Memory>,
    /// The reader has seen so much published.
    known: u64,
    held: Option<Held>,
}

impl View {
    pub(super) fn new(memory: Arc<Memory>) -> Self {
        Self { memory, known: 0, held: None }
    }

    /// Lets it see what is below `limit`, as far as that is published.
    pub(super) fn extend(&mut self, limit: u64) {
        self.known = self.known.max(limit.min(self.memory.length()));
    }

    /// Whether it sees the byte at `position`.
    #[inline]
    pub(super) fn sees(&self, position: u64) -> bool {
        position < self.known
    }

    /// How many bytes it sees from `position` on.
    #[inline]
    pub(super) fn seen_from(&self, position: u64) -> u64 {
        self.known.saturating_sub(position)
    }

    /// What it sees from `position` on, in one piece; nothing if it sees nothing there, or if that lies
    /// elsewhere. Within a segment this touches nothing that other threads write.
    #[inline]
    pub(super) fn lend(&mut self, position: u64) -> &[u8] {
        let is_held = |held: &Held| held.begin <= position && position < held.end;
        if !self.held.as_ref().is_some_and(is_held) && !self.enter(position) {
            return &[];
        }
        let Some(held) = &self.held else { return &[] };
        if position >= self.known {
            return &[];
        }
        // SAFETY: the position lies in the segment, and `known` was published when it was written
        // (ORD(publish:B)).
        unsafe { held.segment.published(position, self.known.min(held.end)) }
    }

    /// Takes a share of the segment of `position`, and gives the last one back.
    #[cold]
    fn enter(&mut self, position: u64) -> bool {
        if position >= self.known {
            return false;
        }
        let segment = self.memory.segment(position);
        // The last one may be shorter than the plan says, and what is behind it lies elsewhere.
        self.held = segment.filter(|segment| position < segment.end()).map(|segment| {
            let (segment, begin, end) = (segment.clone(), segment.begin, segment.end());
            Held { segment, begin, end }
        });
        self.held.is_some()
    }

    /// The same as [`View::lend`], as a share of the segment.
    #[cfg(feature = "futures")]
    pub(super) fn share(&mut self, position: u64, most: usize) -> Shared {
        let length = self.lend(position).len().min(most) as u64;
        let segment = self.held.as_ref().filter(|_| length > 0).map(|held| held.segment.clone());
        Shared { segment, begin: position, end: position + length }
    }
}

/// Published bytes of one segment, which live for as long as this does.
#[cfg(feature = "futures")]
#[derive(Debug)]
pub(super) struct Shared {
    segment: Option<Arc<Segment>>,
    begin: u64,
    end: u64,
}

#[cfg(feature = "futures")]
impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        let Some(segment) = &self.segment else { return &[] };
        // SAFETY: `View::share` makes it of what `View::lend` lends.
        unsafe { segment.published(self.begin, self.end) }
    }
}

/// The only one who writes.
#[derive(Debug)]
pub(super) struct Tail {
    memory: Arc<Memory>,
    /// The segment in which the next byte lies, once it was looked for.
    segment: Option<Arc<Segment>>,
    /// What is published.
    length: u64,
}

impl Tail {
    #[inline]
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The unpublished rest of the segment, or a new one if there is none. It is empty only if the stream
    /// has its full length, or goes on elsewhere.
    #[inline]
    pub(super) fn rest(&mut self) -> Result<&mut [u8], NoMemory> {
        let has_rest = |segment: &Arc<Segment>| self.length < segment.end();
        if !self.segment.as_ref().is_some_and(has_rest) {
            if self.length >= self.memory.most {
                return Ok(&mut []);
            }
            self.go_on()?;
        }
        let Some(segment) = &self.segment else { unreachable!("there is one now") };
        // SAFETY: the segment is that of the next byte. We are the tail, of which there is one; what is
        // returned borrows it, and so nothing is published meanwhile.
        Ok(unsafe { segment.unpublished(self.length) })
    }

    #[cold]
    fn go_on(&mut self) -> Result<(), NoMemory> {
        let segment = match self.memory.segment(self.length) {
            // The last writer has left it.
            Some(segment) => segment,
            None => self.memory.add(self.length)?,
        };
        self.segment = Some(segment.clone());
        Ok(())
    }

    /// Gives away the next `bytes` of what [`Tail::rest`] has lent. Panics if that was less.
    #[inline]
    pub(super) fn publish(&mut self, bytes: u64) {
        let rest = self.segment.as_ref().map_or(0, |segment| segment.end() - self.length);
        assert!(bytes <= rest, "{bytes} bytes are to be published, of {rest}");
        self.publish_elsewhere(bytes);
    }

    /// Gives away the next `bytes`, which lie elsewhere.
    #[inline]
    pub(super) fn publish_elsewhere(&mut self, bytes: u64) {
        self.length += bytes;
        // ORD(publish:A) Release, pairs with ORD(publish:B).
        self.memory.length.store(self.length, Ordering::Release);
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // ORD(claim:A) Release, pairs with ORD(claim:B).
        self.memory.is_claimed.store(false, Ordering::Release);
    }
}
