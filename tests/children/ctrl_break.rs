//! Ctrl-Break. It needs a console, and Wine has none of it.

use crate::actor;
use crate::jobs::{shut_down, up};
use overfall::process::{ShutDown, Took};
use std::time::Duration;

#[test]
fn it_is_the_gentle_phase() {
    let child = actor("on-break 7 say up linger").spawn().unwrap();
    up(&child);
    let outcome = shut_down(child, ShutDown::terminate(Duration::MAX));
    assert_eq!(outcome.shut_down, Some(Took::Phase(0)));
    assert_eq!(outcome.status.code(), Some(7));
}

#[test]
fn a_shut_down_waits_for_the_last_member() {
    let child = actor("on-break 5 start on-break 6 say up linger end linger").spawn().unwrap();
    up(&child);
    let outcome = shut_down(child, ShutDown::terminate(Duration::MAX));
    assert_eq!((outcome.shut_down, outcome.status.code()), (Some(Took::Phase(0)), Some(5)));
    assert!(outcome.stdout.unwrap().ended);
}
