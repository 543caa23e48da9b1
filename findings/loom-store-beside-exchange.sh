#!/usr/bin/env bash
# loom 0.7.2 lets a load read a value that a later one has overwritten, if the later one came by a plain
# store beside an exchange.
#
# Thread A exchanges a word from 0 to 1, relaxed. Thread B stores 2, relaxed, and then unlocks a mutex. If
# A's exchange has succeeded and A locks the mutex after B, then A has to read 2: an exchange reads what is
# right before it in the order of modification, so the 2 is not between 0 and 1, but behind them; and B's
# store happens before A's load. loom shows 1 all the same, in 4 of its executions. With a swap in
# place of the store it never does. So a model can fail that is right; write the store as a swap.
#
# Expected: "store 4 swap 0". Fails if that changes. Installs loom, pinned, in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'END'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
loom = "=0.7.2"
[workspace]
END
cat >"$folder/src/main.rs" <<'END'
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Mutex};
use std::sync::atomic::{AtomicUsize as Count, Ordering::SeqCst};

static OLD: Count = Count::new(0);

fn executions_with_an_old_value(swaps: bool) -> usize {
    OLD.store(0, SeqCst);
    loom::model(move || {
        let word = Arc::new(AtomicUsize::new(0));
        let has_stored = Arc::new(Mutex::new(false));
        let b = loom::thread::spawn({
            let (word, has_stored) = (word.clone(), has_stored.clone());
            move || {
                if swaps {
                    word.swap(2, Relaxed);
                } else {
                    word.store(2, Relaxed);
                }
                *has_stored.lock().unwrap() = true;
            }
        });
        let exchanged = word.compare_exchange(0, 1, Relaxed, Relaxed).is_ok();
        let is_behind = *has_stored.lock().unwrap();
        if exchanged && is_behind && word.load(Relaxed) == 1 {
            OLD.fetch_add(1, SeqCst);
        }
        b.join().unwrap();
    });
    OLD.load(SeqCst)
}

fn main() {
    let [store, swap] = [false, true].map(executions_with_an_old_value);
    println!("store {store} swap {swap}");
}
END
seen=$(cd "$folder" && cargo run --quiet --release)
echo "$seen"
[ "$seen" = "store 4 swap 0" ] || { echo "it is not as it was: expected 'store 4 swap 0'" >&2; exit 1; }
