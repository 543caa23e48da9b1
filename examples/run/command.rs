//! The command: how it is started, what it is waited for, and how it has ended.

use crate::Args;
use crate::view::View;
use overfall::lines::OwnedLine;
use overfall::process::{
    Capture, Child, Collect, Collected, Command, Consumer, Forward, Forwarded, Outcome, Output,
    ShutDown, Signal, SpawnError, Start, Status, Took,
};
use std::fs::File;
use std::io;
use std::pin::Pin;
use std::process::{ExitCode, exit};
use std::thread;
use std::time::{Duration, Instant};
use thiserror::Error;
#[cfg(unix)]
use tokio::signal::unix::{self, SignalKind};
#[cfg(windows)]
use tokio::signal::windows;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// So long after SIGTERM a command is killed.
const GRACE: Duration = Duration::from_secs(5);
/// As many bytes are shown again at most.
const TAIL: usize = 64 * 1024;

/// Why the command was not run.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("{0}: {1}")]
    Log(String, io::Error),
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Error {
    /// As shells have it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Spawn(SpawnError::Program { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                127
            }
            Self::Spawn(_) => 126,
            _ => 1,
        }
    }
}

/// Runs the command to its end. Tells the exit status.
pub(crate) async fn run(args: &Args) -> Result<ExitCode, Error> {
    let log = match &args.log {
        Some(path) => {
            let log = File::create(path);
            Some(log.map_err(|error| Error::Log(path.display().to_string(), error))?)
        }
        None => None,
    };
    let mut signals = Signals::new()?;
    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]).merged(Capture::default());
    let child = command.spawn()?;
    let Some(output) = child.output() else { unreachable!("its outputs are merged") };
    let consumers = Consumers::start(args, output, log)?;

    let policy = ShutDown::terminate(GRACE);
    let timeout = args.timeout.unwrap_or(Duration::MAX);
    let mut end: Pin<Box<dyn Future<Output = Outcome>>> =
        Box::pin(child.wait_or_shut_down(timeout, &policy));
    let mut is_interrupted = false;
    let outcome = loop {
        tokio::select! {
            outcome = &mut end => break outcome,
            signal = signals.next() => {
                if is_interrupted {
                    end = Box::pin(child.kill());
                } else {
                    eprintln!("run: passed on {signal:?}; the next one kills");
                    child.signal(signal)?;
                    is_interrupted = true;
                }
            }
        }
    };
    // What still writes has left the group, and is not waited for any more.
    output.close();
    let ended = tokio::select! {
        ended = consumers.end() => ended,
        // Somebody does not take what we show.
        _ = signals.next() => exit(130),
    };
    Ok(ExitCode::from(conclude(&child, &outcome, ended)))
}

/// Tells how it went.
fn conclude(child: &Child, outcome: &Outcome, ended: Ended) -> u8 {
    let name = child.name();
    for output in outcome.outputs().filter(|output| !output.ended) {
        let open_in =
            output.open_in.iter().map(|process| format!("{} ({})", process.id, process.name));
        let open_in = open_in.collect::<Vec<_>>().join(", ");
        eprintln!("run: {name} has ended, and its outputs were still open in {open_in}");
    }
    for left in &outcome.survivors {
        eprintln!("run: {} ({}) could not be killed", left.id, left.name);
    }
    let mut code = exit_code(outcome.status);
    if let Some(took) = outcome.shut_down {
        let how = if took == Took::Kill { "was killed" } else { "was shut down" };
        eprintln!("run: {name} {how} after {:.1?}", outcome.ran);
        code = if code == 0 { 124 } else { code };
    }
    let mut is_broken = false;
    if let Err(error) = ended.view {
        is_broken = error.kind() == io::ErrorKind::BrokenPipe;
        if !is_broken {
            eprintln!("run: the view: {error}");
            code = code.max(1);
        }
    }
    if let Some(error) = ended.log.and_then(|log| log.error) {
        eprintln!("run: the log: {error}");
        code = code.max(1);
    }
    if !outcome.success() && !is_broken {
        eprintln!("run: {name} has failed: {}", outcome.status);
        let Collected { kept, left_out, .. } = ended.tail;
        if !kept.is_empty() {
            eprintln!(
                "run: the last {} of its {} lines:",
                kept.len(),
                kept.len() as u64 + left_out.lines
            );
        }
        for line in &kept {
            eprintln!("| {}", line.text());
        }
    }
    code
}

fn exit_code(status: Status) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| code.try_into().ok()).unwrap_or(125)
}

/// Who gets what the command writes.
struct Consumers {
    view: oneshot::Receiver<io::Result<()>>,
    log: Option<Consumer<Forwarded<File>>>,
    tail: Consumer<Collected<Vec<OwnedLine>>>,
    ready: Option<JoinHandle<()>>,
}

/// What became of these.
struct Ended {
    view: io::Result<()>,
    log: Option<Forwarded<File>>,
    tail: Collected<Vec<OwnedLine>>,
}

impl Consumers {
    fn start(args: &Args, output: &Output, log: Option<File>) -> io::Result<Self> {
        let reader = |name| {
            let reader = output.strong_reader(Start::Oldest)?;
            reader.set_name(name);
            io::Result::Ok(reader)
        };
        let log = log.map(|file| Forward::new().into_write(reader("log")?, file)).transpose()?;
        let tail = Collect::last(TAIL).at_most_lines(args.tail).lines_of(reader("tail")?)?;
        Ok(Self { view: show(output)?, log, tail, ready: tell_when_ready(args, output) })
    }

    async fn end(self) -> Ended {
        let tail = self.tail.wait().await;
        let log = match self.log {
            Some(log) => Some(log.wait().await),
            None => None,
        };
        if let Some(ready) = self.ready {
            // It fails by a panic alone, which has told itself.
            let _ = ready.await;
        }
        let view = self.view.await.unwrap_or_else(|_| Err(io::Error::other("its thread panicked")));
        Ended { view, log, tail }
    }
}

/// Shows what the command writes. When nobody takes it, the command's outputs are closed, as in a pipe.
fn show(output: &Output) -> io::Result<oneshot::Receiver<io::Result<()>>> {
    let (done, result) = oneshot::channel();
    let (view, output) = (View::new(output)?, output.clone());
    thread::Builder::new().name("view".into()).spawn(move || {
        let shown = view.run();
        if shown.is_err() {
            output.close();
        }
        let _unless_nobody_waits = done.send(shown);
    })?;
    Ok(result)
}

/// Tells when the command is ready, or that it was never.
fn tell_when_ready(args: &Args, output: &Output) -> Option<JoinHandle<()>> {
    let (regex, output, started) = (args.ready.clone()?, output.clone(), Instant::now());
    Some(tokio::spawn(async move {
        match output.wait_for_line(Duration::MAX, |line| regex.is_match(line)).await {
            Ok(ready) => {
                eprintln!("run: ready after {:.1?}: {}", started.elapsed(), ready.line.text());
            }
            Err(error) => eprintln!("run: never ready: {error}"),
        }
    }))
}

/// The signals by which we are asked to end.
#[cfg(unix)]
struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
            hang_up: unix::signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hang_up.recv() => Signal::HangUp,
        }
    }
}

/// What is pressed, or closed, to have us end. Each becomes Ctrl-Break for the command.
#[cfg(windows)]
struct Signals {
    interrupt: windows::CtrlC,
    terminate: windows::CtrlBreak,
    hang_up: windows::CtrlClose,
}

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: windows::ctrl_c()?,
            terminate: windows::ctrl_break()?,
            hang_up: windows::ctrl_close()?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hang_up.recv() => Signal::Terminate,
        }
    }
}
