//! The members of a child's job.
//!
//! One member after the other is waited for, until there is none. A member that starts another one does so before
//! it ends, so that the job is never empty in between.

use super::leader::Leader;
use super::{calls, wait};
use crate::process::outcome::Process;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait between two looks where there is nothing to wait for: a member is just going, or may not be
/// opened.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// Waits until the job of a leader has no member.
pub(in crate::process) async fn emptied(leader: &Leader) {
    loop {
        let first = match calls::members(leader.job()) {
            Ok(members) => match members.first() {
                Some(&first) => calls::member(leader.job(), first),
                None => break,
            },
            Err(_) => None,
        };
        match first {
            Some(process) if !calls::is_signalled(&process).unwrap_or(true) => {
                if wait::signalled(&Arc::new(process)).await.is_err() {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
    leader.exited().await;
}

/// The members.
pub(in crate::process) fn survivors(leader: &Leader) -> Vec<Process> {
    let members = calls::members(leader.job()).unwrap_or_default();
    let named = members.into_iter().filter_map(|id| {
        let process = calls::member(leader.job(), id)?;
        if calls::is_signalled(&process).unwrap_or(false) {
            return None;
        }
        Some(Process { id, name: calls::name(&process).unwrap_or_default() })
    });
    named.collect()
}
