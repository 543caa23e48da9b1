//! What a child that is dropped has to tell.
#![cfg(feature = "tracing")]

use crate::support::{gone, shell, until};
use overfall::process::ShutDown;
use overfall_tests::block_on;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps the warnings of this crate.
#[derive(Clone, Default)]
struct Warnings {
    told: Arc<Mutex<Vec<String>>>,
    panics: bool,
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "overfall" && *metadata.level() == Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{field}={value:?} ");
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.told.lock().unwrap().push(text.0);
        assert!(!self.panics, "a subscriber that panics");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn told(panics: bool, work: impl FnOnce()) -> Vec<String> {
    let warnings = Warnings { panics, ..Warnings::default() };
    tracing::subscriber::with_default(warnings.clone(), work);
    let told = warnings.told.lock().unwrap();
    told.clone()
}

#[test]
fn a_child_that_is_dropped_and_killed_is_told_by_name() {
    let mut id = 0;
    let warnings = told(false, || {
        let mut command = shell("exec sleep 60 # a secret");
        let child = command.name("sleeper").spawn().unwrap();
        id = child.id();
        drop(child);
    });
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("sleeper") && warnings[0].contains("killed"), "{warnings:?}");
    assert!(!warnings[0].contains("secret"));
    gone(id);
    let warnings = told(false, || {
        let mut command = shell("exec sleep 60");
        drop(
            command
                .shut_down_on_drop(ShutDown::terminate(Duration::from_secs(30)))
                .spawn()
                .unwrap(),
        );
    });
    assert!(warnings.len() == 1 && warnings[0].contains("shut down"), "{warnings:?}");
}

#[test]
fn a_child_that_was_waited_for_or_let_go_or_has_left_nobody_is_dropped_in_silence() {
    let warnings = told(false, || {
        let child = shell("exit 0").spawn().unwrap();
        block_on(child.wait());
        drop(child);
        let child = shell("exec sleep 60").spawn().unwrap();
        block_on(child.kill());
        drop(child);
        shell("exit 0").spawn().unwrap().detach();
        let child = shell("exit 0").spawn().unwrap();
        until("it has exited", || child.status().is_some());
        drop(child);
    });
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_subscriber_that_panics_does_not_panic_in_a_destructor() {
    let mut id = 0;
    let warnings = told(true, || {
        let child = shell("exec sleep 60").spawn().unwrap();
        id = child.id();
        drop(child);
    });
    assert_eq!(warnings.len(), 1);
    gone(id);
}
