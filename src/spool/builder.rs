//! How a spool is made.

use super::Spool;
use super::error::BuildError;
use super::file::Disk;
use super::plan::{Growth, Plan};
use super::retain::{Bound, Retain};
use super::segment::Memory;
use super::shared::{MOST, Shared};
use super::window::Window;
use crate::sync::asymmetric;
use std::path::PathBuf;
use std::sync::Arc;

/// How a spool is made, from [`Spool::builder`].
///
/// ```
/// use overfall::spool::{Growth, Spool};
///
/// let spool = Spool::builder()
///     .growth(Growth::Constant { size: 4096 })
///     .expected_len(10_000)
///     .build()?;
/// assert_eq!(spool.len(), 0);
/// # Ok::<(), overfall::spool::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    growth: Option<Growth>,
    pub(super) retain: Retain,
    expected_len: Option<u64>,
    pub(super) known_len: Option<u64>,
    pub(super) spill_at: Option<u64>,
    pub(super) temp_dir: Option<PathBuf>,
    pub(super) mode: Option<u32>,
    release_dropped_writers: bool,
    membarrier: bool,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            growth: None,
            retain: Retain::All,
            expected_len: None,
            known_len: None,
            spill_at: None,
            temp_dir: None,
            mode: None,
            release_dropped_writers: false,
            membarrier: true,
        }
    }

    /// How large segments are. See [`Growth`]; its default, unless [`retain`](Self::retain) says otherwise.
    pub fn growth(mut self, growth: Growth) -> Self {
        self.growth = Some(growth);
        self
    }

    /// How much of the stream is kept: all of it by default.
    ///
    /// With [`Retain::Last`] memory is bounded: to the bytes that are to be retained and two segments, one
    /// segment more for each reader, and what `Bytes` keep. No segment may be larger than what is to be
    /// retained. Without [`growth`](Self::growth), each has a quarter of it, or all up to 4 KiB, and at
    /// most 1 MiB. [`expected_len`](Self::expected_len) counts for nothing then.
    ///
    /// In a file, a [temporary](Self::temp_file) one or one [with a name](Self::create), it is the disk that is
    /// bounded, and that on Linux alone. Spools that [spill](Self::spill_at) keep everything.
    pub fn retain(mut self, retain: Retain) -> Self {
        self.retain = retain;
        self
    }

    /// How many bytes are expected, as far as anybody knows.
    ///
    /// If it is right, the whole stream is one allocation, made with the first byte, and a finished
    /// stream is lent and [frozen](Spool::freeze) in one piece. If it is too small, segments follow as if
    /// it had not been told. If it is too large, or made up by the other side of a connection, it costs
    /// address space; and if the system does not give that, it counts for nothing.
    pub fn expected_len(mut self, bytes: u64) -> Self {
        self.expected_len = Some(bytes);
        self
    }

    /// Promises that the stream has exactly so many bytes.
    ///
    /// Once they are there, the stream has ended well, for every reader and for
    /// [`finished`](Spool::finished), whether or not the writer calls `finish`. Further bytes are refused.
    /// A writer that is dropped then, or fails, is the only one to know. A stream that ends earlier has
    /// failed. Seeking from the end never waits.
    ///
    /// It is [expected](Self::expected_len) as well, unless another length is.
    pub fn known_len(mut self, bytes: u64) -> Self {
        self.known_len = Some(bytes);
        self
    }

    /// Whether a writer that is dropped without `finish` is [released](super::SpoolWriter::release): the
    /// next writer goes on where it was, and readers wait meanwhile. Else the stream has failed then.
    ///
    /// For tasks that may be aborted, and then taken up again.
    pub fn release_dropped_writers(mut self, yes: bool) -> Self {
        self.release_dropped_writers = yes;
        self
    }

    /// Whether the spool may rely on the system call `membarrier`, where there is one, as
    /// [`Channel::builder`](crate::Builder::membarrier) tells. It may by default. A spool that is made
    /// before the process is registered for it ([`prepare`](crate::prepare())) does without: each read
    /// that looks for new bytes, or for the end, takes a full fence then.
    pub fn membarrier(mut self, yes: bool) -> Self {
        self.membarrier = yes;
        self
    }

    /// Makes the spool. It takes memory for bytes when they come.
    ///
    /// # Errors
    ///
    /// If sizes make no sense, or do not fit what is to be retained, or the promised length is more than
    /// 2^61 - 1.
    pub fn build(self) -> Result<Spool, BuildError> {
        if self.spill_at.is_some() && self.retain != Retain::All {
            return Err(BuildError::RetainInBoth);
        }
        let in_memory = self.spill_at.unwrap_or(MOST).min(MOST);
        let disk = (in_memory < MOST).then(|| self.temporary(in_memory));
        self.make(in_memory, disk, 0)
    }

    /// From which byte on writes go to a disk.
    #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
    pub(crate) fn on_disk_from(&self) -> Option<u64> {
        self.spill_at
    }

    /// Whether the settings make sense: then this is how segments grow.
    pub(super) fn check(&self) -> Result<Plan, BuildError> {
        let growth = self.growth.unwrap_or_else(|| growth_to_retain(self.retain));
        let Some(plan) = Plan::new(growth) else { return Err(BuildError::Growth { growth }) };
        if let Some(known_len) = self.known_len.filter(|&known_len| known_len > MOST) {
            return Err(BuildError::TooLong { known_len, max: MOST });
        }
        match self.retain {
            Retain::All => Ok(plan),
            Retain::Last(bytes) => fits(&plan, bytes).map(|()| plan),
        }
    }

    /// Makes one that keeps at most so many bytes in memory, and what comes behind them on `disk`, and in
    /// which `length` bytes are there already.
    pub(super) fn make(
        self,
        in_memory: u64,
        disk: Option<Disk>,
        length: u64,
    ) -> Result<Spool, BuildError> {
        let plan = self.check()?;
        let expected = self.expected_len.or(self.known_len);
        let begin = disk.as_ref().map_or(0, Disk::kept_from);
        let (window, bound) = match self.retain {
            Retain::All if begin == 0 => (None, None),
            // What is left of a file that kept its last bytes alone.
            Retain::All => (None, Some(Bound::new(u64::MAX, begin))),
            Retain::Last(bytes) => {
                let in_memory = disk.is_none().then(|| window(&plan, bytes));
                (in_memory.transpose()?, Some(Bound::new(bytes, begin)))
            }
        };
        let most = self.known_len.unwrap_or(MOST).min(in_memory);
        let memory = Memory::new(plan, expected, most, length, window);
        let may_rely = self.membarrier && asymmetric::begin().heavy_fences;
        // Readers and who ends the stream must agree on their fences for as long as it lives.
        let has_heavy_fences = may_rely && asymmetric::has_heavy_fences();
        let fences = [may_rely, has_heavy_fences];
        let shared = Shared::new(memory, disk, self.known_len, bound, fences);
        Ok(Spool::new(Arc::new(shared), self.release_dropped_writers))
    }
}

/// How many segments a spool with a bound can have at a time.
const MOST_SEGMENTS: u64 = 1 << 20;

/// The sizes of segments where nobody has told them.
fn growth_to_retain(retain: Retain) -> Growth {
    match retain {
        Retain::All => Growth::default(),
        Retain::Last(bytes) => {
            let size = (bytes / 4).max(bytes.min(4 << 10)).clamp(1, 1 << 20);
            Growth::Constant { size: size as usize }
        }
    }
}

/// Whether the last `bytes` can be kept in segments of this plan.
fn fits(plan: &Plan, bytes: u64) -> Result<(), BuildError> {
    match plan.largest() {
        _ if bytes == 0 => Err(BuildError::RetainsNothing),
        size if size > bytes => Err(BuildError::SegmentsTooLarge { size, bytes }),
        _ => Ok(()),
    }
}

/// The directory for the last `bytes`, which fit.
fn window(plan: &Plan, bytes: u64) -> Result<Window, BuildError> {
    // One that is let go of in part, and those of the bytes behind it, which are the most where segments
    // are smallest: at the start.
    let segments = plan.locate(bytes - 1).index.saturating_add(2);
    let too_many = BuildError::TooManySegments { bytes, segments, max: MOST_SEGMENTS };
    if segments > MOST_SEGMENTS {
        return Err(too_many);
    }
    Window::new(segments as usize).ok_or(too_many)
}
