//! A child of the tests that run on every system: it does what its arguments say, one after the other.
//!
//! | argument | what it does |
//! |---|---|
//! | `say TEXT`, `complain TEXT` | writes a line to stdout, to stderr |
//! | `flood BYTES` | writes so many bytes to stdout, 8 KiB at a time |
//! | `copy` | writes to stdout what comes from stdin, until its end |
//! | `start ... end` | starts another one, which does what is in between, and does not wait for it |
//! | `start-alone ... end` | the same, with nothing for its outputs |
//! | `bound ... end` | starts another one that ends with this one, and has its outputs |
//! | `exit CODE` | exits |
//! | `pause MILLISECONDS` | sleeps |
//! | `linger` | sleeps, for longer than any test |
//! | `on-break CODE`, `no-break` | from now on Ctrl-Break makes it exit so, or nothing (Windows) |

use std::env;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio, exit};
use std::thread;
use std::time::Duration;

fn main() {
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if act(&argument, &mut arguments).is_err() {
            // Nobody reads its outputs.
            exit(3);
        }
    }
}

fn act(what: &str, rest: &mut impl Iterator<Item = String>) -> io::Result<()> {
    let mut value = || rest.next().expect("a value");
    match what {
        "say" => writeln!(io::stdout(), "{}", value())?,
        "complain" => writeln!(io::stderr(), "{}", value())?,
        "flood" => {
            let mut left: usize = value().parse().expect("a number");
            let block = [b'x'; 8 << 10];
            while left > 0 {
                io::stdout().write_all(&block[..left.min(block.len())])?;
                left = left.saturating_sub(block.len());
            }
            io::stdout().flush()?;
        }
        "copy" => {
            let mut buffer = [0; 8 << 10];
            loop {
                match io::stdin().read(&mut buffer)? {
                    0 => break,
                    read => io::stdout().write_all(&buffer[..read])?,
                }
                io::stdout().flush()?;
            }
        }
        "start" => drop(another(rest).spawn()?),
        "start-alone" => {
            let mut another = another(rest);
            drop(another.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        }
        "bound" => bound(rest),
        "exit" => exit(value().parse().expect("a number")),
        "pause" => {
            thread::sleep(Duration::from_millis(value().parse().expect("a number")));
        }
        "linger" => thread::sleep(Duration::from_secs(600)),
        "on-break" => on_break(Some(value().parse().expect("a number"))),
        "no-break" => on_break(None),
        _ => panic!("it cannot {what}"),
    }
    Ok(())
}

fn another(rest: &mut impl Iterator<Item = String>) -> Command {
    let mut depth = 1;
    let its = rest.take_while(|argument| {
        match &**argument {
            "end" => depth -= 1,
            "start" | "start-alone" | "bound" => depth += 1,
            _ => {}
        }
        depth > 0
    });
    let mut another = Command::new(env::current_exe().expect("a path"));
    another.args(its).stdin(Stdio::null());
    another
}

#[cfg(feature = "process")]
fn bound(rest: &mut impl Iterator<Item = String>) {
    use overfall::process::{Capture, Command};
    let mut bound = Command::from(another(rest));
    bound.stdout(Capture::inherit()).stderr(Capture::inherit());
    bound.ends_with_us().spawn().expect("a child").detach();
}

#[cfg(not(feature = "process"))]
fn bound(_: &mut impl Iterator<Item = String>) {}

#[cfg(all(windows, feature = "process"))]
fn on_break(code: Option<i32>) {
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut presses = tokio::signal::windows::ctrl_break().expect("a handler");
            ready.send(()).expect("somebody waits");
            while presses.recv().await.is_some() {
                if let Some(code) = code {
                    exit(code);
                }
            }
        });
    });
    is_ready.recv().expect("a handler");
}

#[cfg(not(all(windows, feature = "process")))]
fn on_break(_: Option<i32>) {}
