//! The models.
pub(crate) mod storage;
