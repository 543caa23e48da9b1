//! The bytes: segments, the directory in which they are found, and the length that is published.
//! What is unsafe in the spool stands here, and in `window.rs`, where shares of segments are counted.
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
//!
//! A spool that keeps its last bytes alone has another directory (`window.rs`), out of which the tail
//! takes segments again. One that nobody has a share of then becomes the next segment, if it has the size.
#![allow(unsafe_code)]

use super::plan::Plan;
use super::window::{Share, Window};
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
    /// The bytes of all segments of the stream that are there.
    alive: Arc<AtomicU64>,
    #[cfg(overfall_loom)]
    touched: crate::models::touched::Touched,
}

// SAFETY: the memory belongs to no thread. The head of the file says who may touch which byte.
unsafe impl Send for Segment {}
// SAFETY: as for Send.
unsafe impl Sync for Segment {}

impl Segment {
    /// `size` zeroed bytes, more than 0; `None` if there is no memory for them.
    fn new(begin: u64, size: u64, alive: &Arc<AtomicU64>) -> Option<Self> {
        let size = usize::try_from(size).ok()?;
        assert_ne!(size, 0, "a segment has bytes");
        // A larger alignment would make std write all the zeros itself.
        let layout = Layout::from_size_align(size, align_of::<usize>()).ok()?;
        // SAFETY: the layout has a size.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        // Relaxed, here and below: figures order nothing.
        alive.fetch_add(size as u64, Ordering::Relaxed);
        Some(Self {
            memory,
            layout,
            begin,
            alive: alive.clone(),
            #[cfg(overfall_loom)]
            touched: crate::models::touched::Touched::new(size),
        })
    }

    #[inline]
    fn size(&self) -> u64 {
        self.layout.size() as u64
    }

    #[inline]
    fn end(&self) -> u64 {
        self.begin + self.size()
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

    /// Bytes of it that are not published, by their numbers.
    ///
    /// # Safety
    ///
    /// `from <= to`, and both lie in the segment, or at its end. The caller is the tail, nothing from
    /// `from` on is published while this is borrowed, and nothing else of it is borrowed.
    #[allow(clippy::mut_from_ref, reason = "the contract says who may")]
    unsafe fn unpublished(&self, from: u64, to: u64) -> &mut [u8] {
        debug_assert!(self.begin <= from && from <= to && to <= self.end());
        let (offset, length) = ((from - self.begin) as usize, (to - from) as usize);
        #[cfg(overfall_loom)]
        self.touched.write(offset..offset + length);
        // SAFETY: by the contract it is inside, and nobody else has a way to it.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr().add(offset), length) }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        #[cfg(overfall_loom)]
        self.touched.write(0..self.layout.size());
        self.alive.fetch_sub(self.size(), Ordering::Relaxed);
        // SAFETY: allocated by `new` with this layout. A reader that was lent bytes of it holds a share
        // of it, or of the memory that does.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}

type Bucket = Box<[OnceLock<Share>]>;

/// What is kept of a stream.
#[derive(Debug)]
pub(super) struct Memory {
    /// How many bytes are published.
    length: CachePadded<AtomicU64>,
    /// The directory, if all is kept.
    buckets: [OnceLock<Bucket>; BUCKETS],
    /// The directory, if only the last bytes are.
    window: Option<Window>,
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
    /// Segments in the directory, and the bytes of these and of the spare one.
    segments: AtomicU64,
    bytes: AtomicU64,
    /// The bytes of all segments that are there, those among them that only readers and `Bytes` have.
    alive: Arc<AtomicU64>,
}

impl Memory {
    /// Of a stream of which `length` bytes are there, none of them here unless it is 0.
    pub(super) fn new(
        plan: Plan,
        expected: Option<u64>,
        most: u64,
        length: u64,
        window: Option<Window>,
    ) -> Self {
        let [length, lead, segments, bytes, alive] = [length, 0, 0, 0, 0].map(AtomicU64::new);
        Self {
            length: CachePadded::new(length),
            buckets: std::array::from_fn(|_| OnceLock::new()),
            plan,
            lead,
            // What was let go of comes back as the next segment: so they have the sizes of the plan.
            expected: expected.filter(|_| window.is_none()),
            // The first segment is the smallest.
            most: window
                .as_ref()
                .map_or(most, |window| most.min(window.most().saturating_mul(plan.size(0)))),
            window,
            is_claimed: AtomicBool::new(false),
            segments,
            bytes,
            alive: Arc::new(alive),
        }
    }

    /// How many bytes are published.
    #[inline]
    pub(super) fn length(&self) -> u64 {
        // ORD(publish:B) Acquire, pairs with ORD(publish:A): the bytes below it, and their segments.
        self.length.load(Ordering::Acquire)
    }

    /// How many segments there are; how many bytes of memory they take, with those that were let go of;
    /// and how many of these only readers and `Bytes` keep.
    pub(super) fn taken(&self) -> (u64, u64, u64) {
        // Relaxed: figures order nothing.
        let [segments, bytes, alive] = [&self.segments, &self.bytes, &*self.alive]
            .map(|figure| figure.load(Ordering::Relaxed));
        (segments, alive, alive.saturating_sub(bytes))
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

    /// Where the segment of the byte at `offset` begins, and where it ends, if it lies here; and by these steps
    /// what lies in a file is let go of.
    pub(super) fn extent(&self, offset: u64) -> (u64, u64) {
        // Relaxed: as for `index`.
        let lead = self.lead.load(Ordering::Relaxed);
        match offset.checked_sub(lead) {
            None => (0, lead),
            Some(rest) => {
                let extent = self.plan.locate(rest);
                let begin = lead + extent.begin;
                (begin, begin.saturating_add(extent.size))
            }
        }
    }

    /// The segment with the byte at `offset`, if it is there, and all is kept.
    fn segment(&self, offset: u64) -> Option<&Share> {
        let (bucket, place) = locate(self.index(offset));
        self.buckets.get(bucket)?.get()?[place].get()
    }

    /// A share of the segment with the byte at `offset`, which the caller has seen published; `None` if
    /// the spool has let go of it.
    fn share(&self, offset: u64) -> Option<Share> {
        match &self.window {
            Some(window) => window.enter(self.index(offset)),
            // The last one may be shorter than the plan says, and what is behind it lies elsewhere.
            None => self.segment(offset).filter(|segment| offset < segment.end()).cloned(),
        }
    }

    /// Copies what is published from `from` to below `to`, and does not lie elsewhere, as far as it fits into
    /// `buffer`, and tells how many bytes; `None` if the spool has let go of the first of them.
    pub(super) fn copy(&self, buffer: &mut [u8], from: u64, to: u64) -> Option<usize> {
        let to = to.min(self.length()).min(self.most);
        let mut copied = 0;
        while copied < buffer.len() && from + (copied as u64) < to {
            let offset = from + copied as u64;
            let share;
            let segment = match &self.window {
                None => self.segment(offset),
                Some(_) => {
                    share = self.share(offset);
                    share.as_ref()
                }
            };
            let Some(segment) = segment else { return Some(copied).filter(|&copied| copied > 0) };
            // SAFETY: `offset` lies in its segment, and we have just seen `to` published.
            let bytes = unsafe { segment.published(offset, to.min(segment.end())) };
            let length = bytes.len().min(buffer.len() - copied);
            buffer[copied..copied + length].copy_from_slice(&bytes[..length]);
            copied += length;
        }
        Some(copied)
    }

    /// Makes the caller the only one who writes, until the tail is dropped; `None` if there is another.
    pub(super) fn claim(self: &Arc<Self>) -> Option<Tail> {
        // ORD(claim:B) Acquire, pairs with ORD(claim:A): the length, and what the last tail wrote.
        let order = Ordering::Acquire;
        self.is_claimed.compare_exchange(false, true, order, Ordering::Relaxed).ok()?;
        // Relaxed: no other thread changes it any more.
        let length = self.length.load(Ordering::Relaxed);
        let limit = self.most;
        Some(Tail { memory: self.clone(), segment: None, length, end: length, limit, spare: None })
    }

    /// Whether there is a segment for the next byte, for the tail.
    fn is_made(&self, offset: u64) -> bool {
        match &self.window {
            Some(window) => self.index(offset) < window.range().1,
            None => self.segment(offset).is_some(),
        }
    }

    /// A segment for what comes from `offset` on, where there is none: `spare`, if it fits. It counts as
    /// the spare one until it is added, and has room in the directory.
    #[cold]
    fn prepare(&self, offset: u64, mut spare: Option<Segment>) -> Result<Segment, NoMemory> {
        if offset == 0 {
            // What is only expected may be wrong: if there is no memory for it, it counts for nothing.
            let expected = self.expected.map_or(0, |expected| expected.min(self.most));
            let first = match expected {
                0 => None,
                size => self.fit(0, size, &mut spare),
            };
            self.lead.store(first.as_ref().map_or(0, Segment::size), Ordering::Relaxed);
            if let Some(first) = first {
                return self.with_room(first);
            }
        }
        let lead = self.lead.load(Ordering::Relaxed);
        let extent = self.plan.locate(offset - lead);
        let size = extent.size.min(self.most - lead - extent.begin);
        let segment = self.fit(lead + extent.begin, size, &mut spare).ok_or(NoMemory(size))?;
        self.with_room(segment)
    }

    /// A segment of this size that begins there: the spare one, if it has the size. Else that is freed.
    fn fit(&self, begin: u64, size: u64, spare: &mut Option<Segment>) -> Option<Segment> {
        match spare.take() {
            Some(mut spare) if spare.size() == size => {
                self.bytes.fetch_sub(size, Ordering::Relaxed);
                spare.begin = begin;
                Some(spare)
            }
            spare => {
                self.forget(spare);
                Segment::new(begin, size, &self.alive)
            }
        }
    }

    /// The same, with room for it in the directory, as a spare one.
    fn with_room(&self, segment: Segment) -> Result<Segment, NoMemory> {
        if self.window.is_none() {
            self.row(locate(self.index(segment.begin)).0)?;
        }
        self.bytes.fetch_add(segment.size(), Ordering::Relaxed);
        Ok(segment)
    }

    /// Puts into the directory what was prepared for the byte at `offset`.
    #[cold]
    fn add(&self, offset: u64, prepared: Segment) -> Result<Share, NoMemory> {
        self.bytes.fetch_sub(prepared.size(), Ordering::Relaxed);
        self.put(self.index(offset), prepared)
    }

    /// Frees a spare segment.
    fn forget(&self, spare: Option<Segment>) {
        if let Some(spare) = spare {
            self.bytes.fetch_sub(spare.size(), Ordering::Relaxed);
        }
    }

    /// Takes out of the directory what lies below `begin` altogether. Tells which segment was free last.
    ///
    /// # Safety
    ///
    /// The caller is the tail.
    unsafe fn let_go(&self, begin: u64) -> Option<Segment> {
        let window = self.window.as_ref()?;
        let mut spare = None;
        loop {
            let (first, next) = window.range();
            if first == next || first >= self.index(begin) {
                return spare;
            }
            self.segments.fetch_sub(1, Ordering::Relaxed);
            let size = self.plan.size(first);
            // SAFETY: as promised.
            match unsafe { window.take() } {
                Some(free) => self.forget(spare.replace(free)),
                // It counts among those that others keep.
                None => drop(self.bytes.fetch_sub(size, Ordering::Relaxed)),
            }
        }
    }

    fn put(&self, index: u64, segment: Segment) -> Result<Share, NoMemory> {
        let size = segment.size();
        if let Some(window) = &self.window {
            let share = Share::new(segment);
            // SAFETY: the tail alone adds segments.
            unsafe { window.put(share.clone()) };
            self.segments.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(size, Ordering::Relaxed);
            return Ok(share);
        }
        let (bucket, place) = locate(index);
        let share = self.row(bucket)?[place].get_or_init(|| Share::new(segment));
        self.segments.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size, Ordering::Relaxed);
        Ok(share.clone())
    }

    /// A bucket of the directory, which is made if it is not there.
    fn row(&self, bucket: usize) -> Result<&Bucket, NoMemory> {
        let cells = FIRST << bucket;
        let no_memory = NoMemory(cells.saturating_mul(size_of::<OnceLock<Share>>() as u64));
        let bucket = self.buckets.get(bucket).ok_or(no_memory)?;
        if bucket.get().is_none() {
            let mut row = Vec::new();
            let length = usize::try_from(cells).map_err(|_| no_memory)?;
            row.try_reserve_exact(length).map_err(|_| no_memory)?;
            row.resize_with(length, OnceLock::new);
            let _one_tail_at_a_time = bucket.set(row.into_boxed_slice());
        }
        let Some(row) = bucket.get() else { unreachable!("it was set above") };
        Ok(row)
    }
}

/// The bucket of a segment, and its place in there.
fn locate(index: u64) -> (usize, usize) {
    let bucket = (index / FIRST + 1).ilog2();
    (bucket as usize, (index - FIRST * ((1 << bucket) - 1)) as usize)
}

/// What one reader sees: a length that was published some time ago, and the segment that it was in last.
#[derive(Clone, Debug)]
pub(super) struct View {
    memory: Arc<Memory>,
    /// The reader has seen so much published.
    known: u64,
    held: Option<Share>,
    /// Where the segment that it holds begins, and how many bytes of it it sees.
    begin: u64,
    length: u64,
}

impl View {
    pub(super) fn new(memory: Arc<Memory>) -> Self {
        Self { memory, known: 0, held: None, begin: 0, length: 0 }
    }

    /// Lets it see what is below `limit`, as far as that is published.
    pub(super) fn extend(&mut self, limit: u64) {
        self.known = self.known.max(limit.min(self.memory.length()));
        if let Some(segment) = &self.held {
            self.length = segment.end().min(self.known) - self.begin;
        }
    }

    /// Whether it knows of the byte at `position`.
    #[inline]
    pub(super) fn sees(&self, position: u64) -> bool {
        position < self.known
    }

    /// How many bytes it knows of from `position` on.
    #[inline]
    pub(super) fn seen_from(&self, position: u64) -> u64 {
        self.known.saturating_sub(position)
    }

    /// Whether it can lend the byte at `position`. It cannot if that lies elsewhere.
    #[inline]
    pub(super) fn has(&self, position: u64) -> bool {
        position.wrapping_sub(self.begin) < self.length
    }

    /// What it has from `position` on, in one piece; it may be nothing. This touches nothing that other
    /// threads write.
    #[inline]
    pub(super) fn lend(&self, position: u64) -> &[u8] {
        let Some(segment) = self.held.as_ref().filter(|_| self.has(position)) else { return &[] };
        // SAFETY: the position lies in the segment, and what it sees was published when `known` was written
        // (ORD(publish:B)).
        unsafe { segment.published(position, self.begin + self.length) }
    }

    /// Enters the segment of `position`, if it knows of that, and it was not let go of. It gives the last
    /// one back in any case then. Tells whether it can lend it.
    #[cold]
    pub(super) fn enter(&mut self, position: u64) -> bool {
        if !self.has(position) && self.sees(position) {
            (self.held, self.length) = (None, 0);
            if let Some(segment) = self.memory.share(position) {
                self.begin = segment.begin;
                self.length = segment.end().min(self.known) - self.begin;
                self.held = Some(segment);
            }
        }
        self.has(position)
    }

    /// The same as [`View::lend`], as a share of the segment.
    #[cfg(feature = "futures")]
    pub(super) fn share(&self, position: u64, most: usize) -> Shared {
        let length = self.lend(position).len().min(most) as u64;
        let segment = self.held.as_ref().filter(|_| length > 0).cloned();
        Shared { segment, begin: position, end: position + length }
    }
}

/// Published bytes of one segment, which live for as long as this does.
#[cfg(feature = "futures")]
#[derive(Debug)]
pub(super) struct Shared {
    segment: Option<Share>,
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
    segment: Option<Share>,
    /// What is published.
    length: u64,
    /// How far the segment goes, or the limit, if that comes first.
    end: u64,
    /// It may write up to here.
    limit: u64,
    /// A segment that nobody else has any more.
    spare: Option<Segment>,
}

impl Tail {
    #[inline]
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How far it may write.
    #[inline]
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Lets it write up to there, and not beyond what is published if it has written more.
    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit.max(self.length);
        let end = self.segment.as_ref().map_or(self.length, |segment| segment.end());
        self.end = end.max(self.length).min(self.limit);
    }

    /// Lets go of the segments that lie below `begin` altogether, which is below the next byte.
    pub(super) fn let_go(&mut self, begin: u64) {
        // SAFETY: we are the tail.
        let free = unsafe { self.memory.let_go(begin) };
        if free.is_some() {
            let replaced = std::mem::replace(&mut self.spare, free);
            self.memory.forget(replaced);
        }
    }

    /// The unpublished rest of the segment, or a new one if there is none. It is empty only if the stream
    /// has its full length, or goes on elsewhere, or the limit is reached.
    ///
    /// A new segment comes into the directory with its first byte. If there is none, it stays a spare one.
    #[inline]
    pub(super) fn rest(&mut self) -> Result<&mut [u8], NoMemory> {
        if self.length >= self.end {
            if self.length >= self.limit.min(self.memory.most) {
                return Ok(&mut []);
            }
            if !self.find()? {
                let Some(spare) = &self.spare else { unreachable!("there is one now") };
                let end = spare.end().min(self.limit);
                // SAFETY: it begins at the next byte, and nobody else has it. What is returned borrows us.
                return Ok(unsafe { spare.unpublished(self.length, end) });
            }
        }
        let Some(segment) = &self.segment else { unreachable!("there is one now") };
        // SAFETY: the segment is that of the next byte. We are the tail, of which there is one; what is
        // returned borrows it, and so nothing is published meanwhile.
        Ok(unsafe { segment.unpublished(self.length, self.end) })
    }

    /// Whether the last writer has left the segment of the next byte. If not, prepares one.
    #[cold]
    fn find(&mut self) -> Result<bool, NoMemory> {
        // Given back first: it may be the last share of it.
        self.segment = None;
        let left = match self.memory.is_made(self.length) {
            true => self.memory.share(self.length),
            false => None,
        };
        match left {
            Some(segment) => {
                self.enter(segment);
                Ok(true)
            }
            None => {
                self.spare = Some(self.memory.prepare(self.length, self.spare.take())?);
                Ok(false)
            }
        }
    }

    fn enter(&mut self, segment: Share) {
        self.end = segment.end().min(self.limit);
        self.segment = Some(segment);
    }

    /// Adds the segment that was lent.
    #[cold]
    fn add(&mut self) {
        assert!(self.length >= self.end, "more is to be published than was lent");
        let Some(prepared) = self.spare.take() else { unreachable!("it was lent") };
        match self.memory.add(self.length, prepared) {
            Ok(segment) => self.enter(segment),
            Err(NoMemory(_)) => unreachable!("it has room in the directory"),
        }
    }

    /// Frees a segment that it has in reserve.
    pub(super) fn forget_spare(&mut self) {
        self.memory.forget(self.spare.take());
    }

    /// Gives away the next `bytes` of what [`Tail::rest`] has lent. Panics if that was less.
    #[inline]
    pub(super) fn publish(&mut self, bytes: u64) {
        if bytes > self.end - self.length {
            self.add();
            let rest = self.end - self.length;
            assert!(bytes <= rest, "{bytes} bytes are to be published, of {rest}");
        }
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
        self.forget_spare();
        // ORD(claim:A) Release, pairs with ORD(claim:B).
        self.memory.is_claimed.store(false, Ordering::Release);
    }
}
