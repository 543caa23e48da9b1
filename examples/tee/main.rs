//! Joins any number of inputs, copies them to any number of outputs, and shows how it goes:
//!
//! ```text
//! cargo run --release --example tee                              inputs of its own, ten seconds
//! cargo run --release --example tee -- --help
//! cargo run --release --example tee -- big.log -o copy1 -o copy2
//! ```
//!
//! How it hangs together: on one channel, each input is a thread with a strong writer, each output a
//! thread with a strong reader (`ends.rs`). So nothing is lost, and the slowest output sets the
//! pace. The main thread waits for what they and Ctrl-C tell it ([`Event`]), and between two events
//! it looks at what goes by through a weak reader, the tap (`monitor.rs`), which misses what it
//! cannot keep up with, and holds up nobody. It touches no input or output itself and joins no
//! thread: when the last output is done, so is the process, whatever an input still waits for.
//! `demo.rs` has the inputs and outputs that are made up when there are none.

#[path = "../bytes.rs"]
mod bytes;
mod demo;
mod ends;
mod monitor;

use bytes::parse_bytes;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use ends::Ends;
use monitor::Monitor;
use overfall::Channel;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

/// Joins inputs and copies them to every output
///
/// With one input, its bytes come out exactly as they went in. With several, lines stay whole: a
/// line that is longer than the ring is an error and ends its input, and the last line of an input
/// gets a newline if it has none.
///
/// The slowest output sets the pace of all. Standard error shows what goes through, and how far behind
/// each output is. A tap on the ring makes that line. It holds up nobody, and the line also shows how
/// much the tap missed. At the end, standard error shows the CRC-32 of each output.
#[derive(Parser)]
#[command(
    name = "tee",
    after_help = "\
Ctrl-C ends the inputs, and what was taken from them goes to the outputs; a second Ctrl-C ends all \
at once.

An input or output that cannot be opened is an error, and nothing is moved. One that fails later is \
named on standard error, and the others go on. A broken pipe ends its output, which is no failure. \
When all outputs have ended, so has all.

Exit status: 0 if all went well, also after one Ctrl-C; 1 if an input or output failed; 2 if the \
arguments are wrong; 130 after a second Ctrl-C."
)]
struct Args {
    /// Files and FIFOs to read, all at once; `-` is standard input [default: -]
    ///
    /// With no outputs either, three inputs that go on for ten seconds and two outputs are made up;
    /// one of the outputs is slow for a while.
    #[arg(value_name = "FILE")]
    inputs: Vec<PathBuf>,

    /// File or FIFO to write, repeatable; `-` is standard output [default: -]
    #[arg(short, long = "output", value_name = "FILE")]
    outputs: Vec<PathBuf>,

    /// Size of the ring, rounded up to a power of two; K, M and G are understood
    #[arg(short, long, value_name = "BYTES", default_value = "1M", value_parser = parse_bytes::<usize>)]
    size: usize,

    /// Make up three inputs of so many bytes each, and two outputs if none is given
    #[arg(short, long, value_name = "BYTES", value_parser = parse_bytes::<usize>, conflicts_with = "inputs")]
    generate: Option<usize>,

    /// Write a line every second instead of a live one, as is done off a terminal
    #[arg(short, long)]
    plain: bool,
}

impl Args {
    fn makes_inputs(&self) -> bool {
        self.generate.is_some() || (self.inputs.is_empty() && self.outputs.is_empty())
    }

    fn makes_outputs(&self) -> bool {
        self.outputs.is_empty() && self.makes_inputs()
    }
}

/// What the main thread is told.
enum Event {
    /// The input of that number came to its end.
    InputEnded(usize, io::Result<()>),
    /// The output of that number did; its checksum, unless the channel was terminated.
    OutputEnded(usize, io::Result<Option<u32>>),
    /// Ctrl-C, or SIGTERM.
    Interrupted,
}

/// What the main thread knows of an output.
struct Output {
    name: String,
    /// Bytes written so far; its thread counts.
    written: Arc<AtomicU64>,
    is_running: bool,
    checksum: Option<u32>,
}

impl Output {
    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

/// What the main thread keeps.
struct Tee<'a> {
    channel: &'a Channel,
    monitor: Monitor,
    inputs: Vec<String>,
    inputs_left: usize,
    outputs: Vec<Output>,
    interrupted: bool,
    failed: bool,
}

impl<'a> Tee<'a> {
    /// Opens everything, and starts a thread for each input and output.
    fn start(args: &Args, channel: &'a Channel, events: &Sender<Event>) -> Result<Self, String> {
        let Ends { inputs, outputs } = ends::open_all(args)?;
        let monitor = Monitor::new(channel.new_weak_reader(), args);
        let (inputs_left, interrupted, failed) = (inputs.len(), false, false);
        let mut tee = Self {
            channel,
            monitor,
            inputs: Vec::new(),
            inputs_left,
            outputs: Vec::new(),
            interrupted,
            failed,
        };
        // Outputs first: a reader that came later could find the first bytes recycled.
        for (number, (name, open)) in outputs.into_iter().enumerate() {
            let reader = channel.new_strong_reader().blocking();
            let written = Arc::<AtomicU64>::default();
            tee.outputs.push(Output {
                name,
                written: written.clone(),
                is_running: true,
                checksum: None,
            });
            let event = move |result| Event::OutputEnded(number, result);
            spawn(events, event, move || ends::pour(reader, open()?, &written));
        }
        let (max_slice, whole_lines) = (channel.max_slice(), inputs.len() > 1);
        for (number, (name, open)) in inputs.into_iter().enumerate() {
            let writer = channel.new_strong_writer().blocking();
            tee.inputs.push(name);
            let event = move |result| Event::InputEnded(number, result);
            spawn(events, event, move || ends::pump(open()?, writer, max_slice, whole_lines));
        }
        Ok(tee)
    }

    /// Waits until the outputs have ended; tells the exit status.
    fn run(mut self, events: &Receiver<Event>) -> ExitCode {
        while self.outputs.iter().any(|output| output.is_running) {
            // Ctrl-C could always come, so that there is no other error than a timeout.
            match events.recv_timeout(monitor::TICK) {
                Ok(Event::Interrupted) if self.interrupted => {
                    self.channel.terminate();
                    self.monitor.say("tee: terminated");
                    return ExitCode::from(130);
                }
                Ok(event) => self.handle(event),
                Err(_) => {}
            }
            self.monitor.show(self.channel.stats().payload_bytes, &self.outputs);
        }
        self.drain();
        let agree = self.monitor.conclude(self.channel.stats().payload_bytes, &self.outputs);
        if self.failed || !agree { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::InputEnded(number, result) => {
                if let Err(error) = result {
                    self.monitor.say(&format!("tee: {}: {error}", self.inputs[number]));
                    self.failed = true;
                }
                self.inputs_left -= 1;
                if self.inputs_left == 0 {
                    self.drain();
                }
            }
            Event::OutputEnded(number, result) => {
                let output = &mut self.outputs[number];
                output.is_running = false;
                match result {
                    Ok(checksum) => output.checksum = checksum,
                    Err(error) => {
                        self.monitor.say(&format!("tee: {}: {error}", output.name));
                        self.failed |= error.kind() != io::ErrorKind::BrokenPipe;
                    }
                }
            }
            Event::Interrupted => {
                self.interrupted = true;
                self.monitor.say("tee: no more input; Ctrl-C again ends it without the rest");
                self.drain();
            }
        }
    }

    /// Lets the outputs come to their end.
    fn drain(&self) {
        // It fails after `terminate` alone, after which nobody is here any more.
        let _ = self.channel.drain();
    }
}

/// Does `work` in a thread, which tells how it ended, by a panic, too: nobody must wait in vain.
fn spawn<T: 'static>(
    events: &Sender<Event>,
    event: impl FnOnce(io::Result<T>) -> Event + Send + 'static,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) {
    let events = events.clone();
    thread::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(work));
        let result = result.unwrap_or_else(|_| Err(io::Error::other("its thread panicked")));
        // Nobody listens when the process is about to end.
        let _ = events.send(event(result));
    });
}

fn main() -> ExitCode {
    let args = Args::parse();
    let channel = match Channel::builder().size(args.size).build() {
        Ok(channel) => channel,
        Err(error) => {
            let error = format!("--size {}: {error}", args.size);
            Args::command().error(ErrorKind::ValueValidation, error).exit()
        }
    };
    let (events, incoming) = mpsc::channel();
    let interrupts = events.clone();
    ctrlc::set_handler(move || drop(interrupts.send(Event::Interrupted)))
        .map_err(|error| format!("Ctrl-C: {error}"))
        .and_then(|()| Tee::start(&args, &channel, &events))
        .map_or_else(
            |error| {
                eprintln!("tee: {error}");
                ExitCode::FAILURE
            },
            |tee| tee.run(&incoming),
        )
}
