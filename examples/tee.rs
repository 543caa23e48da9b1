//! Joins any number of inputs, copies them to any number of outputs, and shows how it goes:
//!
//! ```text
//! cargo run --release --example tee                              its own inputs, for ten seconds
//! cargo run --release --example tee -- --help
//! cargo run --release --example tee -- big.log -o copy1 -o copy2
//! ```
//!
//! How it hangs together: on one channel, each input is a thread with a strong writer ([`pump`]),
//! each output a thread with a strong reader ([`pour`]). So nothing is lost, and the slowest output
//! sets the pace. The main thread waits for what they and Ctrl-C tell it ([`Event`]), and between
//! two events it looks through a weak reader, the tap ([`Monitor`]), which misses what it cannot
//! keep up with, and slows down nobody. It never touches an input or an output and joins no thread:
//! when the last output is done, so is the process, whatever an input still waits for.

use clap::{CommandFactory, Parser, error::ErrorKind};
use indicatif::{BinaryBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use overfall::{Blocking, Channel, StrongReader, StrongWriter, WeakReader};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How much an input reads at a time, if the ring is not small and lines are not long.
const CHUNK: usize = 64 * 1024;
/// How often the live line changes, and how often it is written with `--plain`.
const TICK: Duration = Duration::from_millis(100);
const PLAIN_TICK: Duration = Duration::from_secs(1);
/// How long made-up inputs go on, and when the slow one of the made-up outputs is slow.
const DEMO: Duration = Duration::from_secs(10);
const SLOW_FROM: Duration = Duration::from_secs(3);
const SLOW_UNTIL: Duration = Duration::from_secs(6);

/// Joins inputs line by line and copies them to every output
///
/// With one input, its bytes come out exactly as they went in. With several, lines are kept whole:
/// a line that is longer than the ring is an error, and ends that input; the last line of an input
/// gets a newline if it has none.
///
/// The slowest output sets the pace of the inputs. Standard error shows what goes through, how far
/// each output is behind, and how much the tap, which makes the live line and holds up nobody, had
/// to miss; at the end, the CRC-32 of each output.
#[derive(Parser)]
#[command(
    name = "tee",
    after_help = "\
Ctrl-C ends the inputs, and what was read goes to the outputs; a second one ends it all at once.

An input or output that fails is named on standard error, and the others go on. A broken pipe ends \
its output and is no failure; without outputs there is an end to it.

Exit status: 0 if all went well, also after one Ctrl-C; 1 if an input or output failed; 2 if the \
arguments were wrong; 130 after a second Ctrl-C."
)]
struct Args {
    /// Files and FIFOs to read, all at once; `-` is standard input, and so is nothing
    ///
    /// With no outputs either, three inputs and two outputs are made up, one of the outputs slow
    /// for a while.
    #[arg(value_name = "FILE")]
    inputs: Vec<PathBuf>,

    /// File or FIFO to write, any number of times; `-` is standard output, and so is nothing
    #[arg(short, long = "output", value_name = "FILE")]
    outputs: Vec<PathBuf>,

    /// Size of the ring, rounded up to a power of two; K, M and G are understood
    #[arg(short, long, value_name = "BYTES", default_value = "1M", value_parser = parse_bytes)]
    size: usize,

    /// Make up three inputs of that many bytes each, instead of reading any
    #[arg(short, long, value_name = "BYTES", value_parser = parse_bytes, conflicts_with = "inputs")]
    generate: Option<usize>,

    /// Write a line every second, instead of a live one
    #[arg(short, long)]
    plain: bool,
}

impl Args {
    /// Whether the inputs are made up.
    fn makes_inputs(&self) -> bool {
        self.generate.is_some() || (self.inputs.is_empty() && self.outputs.is_empty())
    }
}

fn parse_bytes(text: &str) -> Result<usize, String> {
    let units = [("K", 10), ("M", 20), ("G", 30)];
    let unit = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
    let (digits, shift) = unit.unwrap_or((text, 0));
    let number: usize = digits.parse().map_err(|error| format!("{error}"))?;
    number.checked_mul(1 << shift).ok_or_else(|| "more than there can be".to_string())
}

/// What the main thread is told.
enum Event {
    /// The input of that number came to its end.
    InputEnded(usize, io::Result<()>),
    /// The output of that number did; its checksum, unless it was cut short.
    OutputEnded(usize, io::Result<Option<u32>>),
    /// Ctrl-C, or a polite signal.
    Interrupted,
}

type Events = mpsc::Sender<Event>;

/// Opens an input or output, in its own thread, since to open a FIFO waits for its other side.
type Open<T> = Box<dyn FnOnce() -> io::Result<Box<T>> + Send>;

struct Input {
    name: String,
    open: Open<dyn Read>,
}

struct Output {
    name: String,
    open: Option<Open<dyn Write>>,
    /// Bytes written so far.
    written: Arc<AtomicU64>,
    running: bool,
    checksum: Option<u32>,
}

impl Output {
    fn new(name: impl Into<String>, open: Open<dyn Write>) -> Self {
        let (name, open) = (name.into(), Some(open));
        Self { name, open, written: Arc::default(), running: true, checksum: None }
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

fn is_fifo(path: &Path) -> bool {
    #[cfg(unix)]
    return path
        .metadata()
        .is_ok_and(|metadata| std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type()));
    #[cfg(not(unix))]
    return false;
}

/// Names `path` in an error about it.
fn named<T>(path: &Path, result: io::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{}: {error}", path.display()))
}

/// Opens what can be opened without waiting, so that nothing is moved if one input is missing.
fn find_inputs(args: &Args) -> Result<Vec<Input>, String> {
    if args.makes_inputs() {
        let bytes = args.generate.map_or(u64::MAX, |bytes| bytes as u64);
        let until = args.generate.is_none().then(|| Instant::now() + DEMO);
        let made_up = (1..=3).map(|number| {
            let source = MadeUp { number, until, lines: 0, line: Vec::new(), taken: 0 }.take(bytes);
            Input { name: format!("input {number}"), open: Box::new(|| Ok(Box::new(source))) }
        });
        return Ok(made_up.collect());
    }
    let stdin = [PathBuf::from("-")];
    let paths = if args.inputs.is_empty() { &stdin[..] } else { &args.inputs };
    let open = |path: &PathBuf| {
        let (path, mut name) = (path.clone(), path.display().to_string());
        let open: Open<dyn Read> = if name == "-" {
            name = "standard input".to_string();
            Box::new(|| Ok(Box::new(io::stdin())))
        } else if is_fifo(&path) {
            Box::new(|| Ok(Box::new(File::open(path)?)))
        } else {
            let file = named(&path, File::open(&path))?;
            Box::new(|| Ok(Box::new(file)))
        };
        Ok(Input { name, open })
    };
    paths.iter().map(open).collect()
}

fn find_outputs(args: &Args) -> Result<Vec<Output>, String> {
    if args.outputs.is_empty() && args.makes_inputs() {
        let slow = Slow { started: Instant::now() };
        return Ok(vec![
            Output::new("swift", Box::new(|| Ok(Box::new(io::sink())))),
            Output::new("slow", Box::new(|| Ok(Box::new(slow)))),
        ]);
    }
    let regular = |path: &PathBuf| path.canonicalize().ok().filter(|path| path.is_file());
    let mut taken: Vec<PathBuf> = args.inputs.iter().filter_map(regular).collect();
    let stdout = [PathBuf::from("-")];
    let paths = if args.outputs.is_empty() { &stdout[..] } else { &args.outputs };
    let mut open = |path: &PathBuf| {
        if path == Path::new("-") {
            let open: Open<dyn Write> = Box::new(|| Ok(Box::new(io::stdout())));
            return Ok(Output::new("standard output", open));
        }
        if regular(path).is_some_and(|path| taken.contains(&path)) {
            return Err(format!("{}: read or written already, by another name", path.display()));
        }
        let name = path.display().to_string();
        let open: Open<dyn Write> = if is_fifo(path) {
            let path = path.clone();
            Box::new(|| Ok(Box::new(File::options().write(true).open(path)?)))
        } else {
            let file = named(path, File::create(path))?;
            Box::new(|| Ok(Box::new(file)))
        };
        taken.extend(regular(path));
        Ok(Output::new(name, open))
    };
    paths.iter().map(&mut open).collect()
}

/// Lines without end, or until a certain moment.
struct MadeUp {
    number: u32,
    until: Option<Instant>,
    lines: u64,
    line: Vec<u8>,
    /// Bytes of `line` that have been read.
    taken: usize,
}

impl Read for MadeUp {
    fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len();
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return Ok(0);
        }
        while !buffer.is_empty() {
            if self.taken == self.line.len() {
                self.line.clear();
                self.taken = 0;
                self.lines += 1;
                writeln!(self.line, "line {} of made-up input {}", self.lines, self.number)?;
            }
            self.taken += buffer.write(&self.line[self.taken..])?;
        }
        Ok(length)
    }
}

/// Takes everything, and its time from [`SLOW_FROM`] to [`SLOW_UNTIL`].
struct Slow {
    started: Instant,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (SLOW_FROM..SLOW_UNTIL).contains(&self.started.elapsed()) {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Moves an input into the ring, each write one slice, until it ends or the channel takes no more.
fn pump(
    mut input: Box<dyn Read>,
    mut writer: Blocking<StrongWriter>,
    max_slice: usize,
    whole_lines: bool,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK.min(max_slice)];
    let mut filled = 0;
    loop {
        let read = match input.read(&mut buffer[filled..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let mut ready = filled + read;
        if whole_lines && read > 0 {
            let newline = buffer[filled..ready].iter().rposition(|&byte| byte == b'\n');
            ready = newline.map_or(0, |newline| filled + newline + 1);
        } else if whole_lines && ready > 0 {
            buffer[ready] = b'\n';
            ready += 1;
        }
        filled += read;
        // It is closed when Ctrl-C has drained it, or when the last output has gone.
        if writer.write_all(&buffer[..ready]).is_err() || read == 0 {
            return Ok(());
        }
        buffer.copy_within(ready..filled, 0);
        filled -= ready;
        if filled == max_slice {
            let error = format!("a line does not fit in {max_slice} bytes: use a larger --size");
            return Err(io::Error::other(error));
        }
        if filled == buffer.len() {
            buffer.resize((2 * filled).min(max_slice), 0);
        }
    }
}

/// Writes an output from where the bytes lie in the ring until the channel ends; tells the checksum
/// of what was written, unless the channel was terminated.
fn pour(
    mut reader: Blocking<StrongReader>,
    mut output: Box<dyn Write>,
    written: &AtomicU64,
) -> io::Result<Option<u32>> {
    let mut checksum = crc32fast::Hasher::new();
    loop {
        let Ok(bytes) = reader.fill_buf() else { return Ok(None) };
        if bytes.is_empty() {
            return Ok(Some(checksum.finalize()));
        }
        output.write_all(bytes)?;
        output.flush()?;
        checksum.update(bytes);
        let length = bytes.len();
        reader.consume(length);
        written.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// Runs `work` in a thread, which tells how it ended even if it was by a panic.
fn start<T: 'static>(
    events: &Events,
    event: impl FnOnce(io::Result<T>) -> Event + Send + 'static,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) {
    let events = events.clone();
    thread::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(work));
        let result = result.unwrap_or_else(|_| Err(io::Error::other("its thread panicked")));
        // Nobody listens once the process is about to end.
        let _ = events.send(event(result));
    });
}

/// What standard error shows while it runs, seen through the tap.
struct Monitor {
    tap: WeakReader,
    buffer: Vec<u8>,
    bar: ProgressBar,
    plain: bool,
    started: Instant,
    shown: Instant,
    /// Bytes that had gone through when it was last shown, and since then per second, smoothed.
    bytes: u64,
    rate: f64,
    /// What the tap has seen.
    seen: u64,
    lines: u64,
}

impl Monitor {
    fn new(mut tap: WeakReader, args: &Args) -> Self {
        tap.set_silent(true);
        let writes_stdout = args.outputs.is_empty() && !args.makes_inputs();
        let is_shared = writes_stdout || args.outputs.iter().any(|path| path == Path::new("-"));
        let hidden = args.plain || (is_shared && io::stdout().is_terminal());
        let target =
            if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        let (buffer, now) = (vec![0; CHUNK], Instant::now());
        let (started, shown, plain) = (now, now, args.plain);
        Self { tap, buffer, bar, plain, started, shown, bytes: 0, rate: 0.0, seen: 0, lines: 0 }
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Counts the lines in what the tap finds; 4 MiB of it are enough for one look.
    fn look(&mut self) {
        for _ in 0..64 {
            let Ok(read @ 1..) = self.tap.try_read(&mut self.buffer) else { return };
            self.seen += read as u64;
            self.lines += self.buffer[..read].iter().filter(|&&byte| byte == b'\n').count() as u64;
        }
    }

    /// Shows how it goes, if it is time to.
    fn show(&mut self, bytes: u64, outputs: &[Output]) {
        let elapsed = self.shown.elapsed();
        if elapsed < if self.plain { PLAIN_TICK } else { TICK } {
            return;
        }
        self.look();
        let now = (bytes - self.bytes) as f64 / elapsed.as_secs_f64();
        self.rate += (now - self.rate) * if self.plain { 1.0 } else { 0.3 };
        (self.bytes, self.shown) = (bytes, Instant::now());
        let lags = outputs.iter().filter(|output| output.running).map(|output| {
            format!("{} {}", output.name, BinaryBytes(bytes.saturating_sub(output.written())))
        });
        let line = format!(
            "{} {}/s {} lines/s; behind: {}; tap missed {}",
            BinaryBytes(bytes),
            BinaryBytes(self.rate as u64),
            HumanCount((self.rate * self.lines_per_byte()) as u64),
            lags.collect::<Vec<_>>().join(", "),
            BinaryBytes(self.tap.stats().skipped_bytes),
        );
        if self.plain {
            eprintln!("{line}");
        } else {
            self.bar.set_message(line);
            self.bar.tick();
        }
    }

    /// As far as the tap can tell.
    fn lines_per_byte(&self) -> f64 {
        self.lines as f64 / (self.seen as f64).max(1.0)
    }

    /// Tells how it went, and whether the outputs agree.
    fn conclude(&mut self, channel: &Channel, outputs: &[Output]) -> bool {
        self.look();
        self.bar.finish_and_clear();
        let (stats, seconds) = (channel.stats(), self.started.elapsed().as_secs_f64());
        eprintln!(
            "{} ({} bytes) in {seconds:.1} s, {}/s; the tap saw {} lines and missed {}",
            BinaryBytes(stats.payload_bytes),
            stats.payload_bytes,
            BinaryBytes((stats.payload_bytes as f64 / seconds) as u64),
            self.lines,
            BinaryBytes(self.tap.stats().skipped_bytes),
        );
        for Output { name, checksum, written, .. } in outputs {
            let checksum = checksum.map_or("cut short".to_string(), |crc| format!("{crc:08x}"));
            eprintln!("  {checksum}  {:>14} bytes  {name}", written.load(Ordering::Relaxed));
        }
        let mut checksums: Vec<u32> = outputs.iter().filter_map(|output| output.checksum).collect();
        checksums.sort_unstable();
        checksums.dedup();
        match checksums.len() {
            0 => {}
            1 => eprintln!("the checksums agree"),
            _ => eprintln!("THE CHECKSUMS DIFFER"),
        }
        checksums.len() <= 1
    }
}

/// Starts everything, and waits for the outputs to end.
fn run(args: &Args, channel: &Channel) -> Result<ExitCode, String> {
    let (events, incoming) = mpsc::channel();
    let interrupts = events.clone();
    let on_interrupt = move || drop(interrupts.send(Event::Interrupted));
    ctrlc::set_handler(on_interrupt).map_err(|error| format!("Ctrl-C: {error}"))?;
    let inputs = find_inputs(args)?;
    let mut outputs = find_outputs(args)?;
    let mut monitor = Monitor::new(channel.new_weak_reader(), args);

    // Readers first: what is written before a reader comes may be gone.
    for (number, output) in outputs.iter_mut().enumerate() {
        let (reader, written) = (channel.new_strong_reader().blocking(), output.written.clone());
        if let Some(open) = output.open.take() {
            let event = move |result| Event::OutputEnded(number, result);
            start(&events, event, move || pour(reader, open()?, &written));
        }
    }
    let (max_slice, whole_lines) = (channel.max_slice(), inputs.len() > 1);
    let mut names = Vec::new();
    for (number, Input { name, open }) in inputs.into_iter().enumerate() {
        let writer = channel.new_strong_writer().blocking();
        let event = move |result| Event::InputEnded(number, result);
        start(&events, event, move || pump(open()?, writer, max_slice, whole_lines));
        names.push(name);
    }

    let (mut inputs_left, mut interrupted, mut failed) = (names.len(), false, false);
    while outputs.iter().any(|output| output.running) {
        let event = incoming.recv_timeout(TICK);
        match event {
            Ok(Event::InputEnded(number, result)) => {
                if let Err(error) = result {
                    monitor.say(&format!("tee: {}: {error}", names[number]));
                    failed = true;
                }
                inputs_left -= 1;
            }
            Ok(Event::OutputEnded(number, result)) => {
                let output = &mut outputs[number];
                output.running = false;
                match result {
                    Ok(checksum) => output.checksum = checksum,
                    Err(error) => {
                        monitor.say(&format!("tee: {}: {error}", output.name));
                        failed |= error.kind() != io::ErrorKind::BrokenPipe;
                    }
                }
            }
            Ok(Event::Interrupted) if interrupted => {
                channel.terminate();
                monitor.say("tee: terminated");
                return Ok(ExitCode::from(130));
            }
            Ok(Event::Interrupted) => {
                monitor.say("tee: no more input; Ctrl-C again ends it without the rest");
                interrupted = true;
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if inputs_left == 0 || interrupted {
            // Draining again does nothing.
            let _ = channel.drain();
        }
        monitor.show(channel.stats().payload_bytes, &outputs);
    }
    let _ = channel.drain();
    let agree = monitor.conclude(channel, &outputs);
    Ok(if failed || !agree { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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
    run(&args, &channel).unwrap_or_else(|error| {
        eprintln!("tee: {error}");
        ExitCode::FAILURE
    })
}
