//! Starting a child: all that may fail, in an order in which nothing is left of a failure.

use super::capture::{Capture, Kind};
use super::child::{Child, Inner};
use super::command::{Command, Outputs};
use super::driver;
use super::output::{OfChild, Output};
use super::signal::Signal;
use super::spawn_error::SpawnError;
use super::system::{self, Descriptor};
use super::terminal::{self, Foreground};
use crate::sync::AtomicBool;
use std::io;
use std::path::Path;
use std::process::{self, Stdio};
use std::sync::Arc;
use std::time::Instant;

/// What is captured of a child.
#[derive(Debug, Default)]
pub(super) struct Captured {
    pub(super) stdout: Option<Captive>,
    pub(super) stderr: Option<Captive>,
    pub(super) merged: Option<Captive>,
}

/// An output, and the numbers of its pipes, by which those are found who have them open.
#[derive(Debug)]
pub(super) struct Captive {
    pub(super) output: Output,
    pub(super) pipes: Vec<u64>,
}

/// Starts `command`. In a pipeline its stdin is what the command before it writes.
pub(super) fn spawn(
    command: &mut Command,
    before: Option<Descriptor>,
) -> Result<Child, SpawnError> {
    let (child, _) = spawn_with(command, before, false)?;
    Ok(child)
}

/// As [`spawn`]. `gives`: hands out stdout, and does not capture it.
pub(super) fn spawn_with(
    command: &mut Command,
    before: Option<Descriptor>,
    gives: bool,
) -> Result<(Child, Option<Descriptor>), SpawnError> {
    let other = |command: &Command, error| SpawnError::other(&command.command, error);
    let handle = driver::handle().map_err(|error| other(command, error))?;
    let stdin = stdin(command, before).map_err(|error| other(command, error))?;
    let Stdin { stdio, foreground, written } = stdin;
    let stdin = stdio.ok_or(SpawnError::Terminal)?;
    let (stdout, stderr) = match &command.outputs {
        Outputs::Apart { stdout, stderr } => (stdout.stdio(), stderr.stdio()),
        Outputs::Merged(capture) => (capture.stdio(), capture.stdio()),
    };
    let mut given = None;
    let stdout = if gives {
        system::pipe().map(|(from, to)| {
            given = Some(from);
            Stdio::from(to)
        })
    } else {
        stdout
    };
    let stdout = stdout.map_err(|error| other(command, error))?;
    let stderr = stderr.map_err(|error| other(command, error))?;
    command.command.stdin(stdin).stdout(stdout).stderr(stderr);

    let started_at = Instant::now();
    let started = system::start(command, foreground, &handle);
    // No descriptor stays in the command: it would keep a pipe of a pipeline open.
    command.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let (mut started, leader) =
        started.map_err(|error| system::not_started(&command.command, error))?;

    // Pipes and pidfds are registered with the runtime that this thread enters.
    let guard = handle.enter();
    let name = command.name.clone().unwrap_or_else(|| name_of(&command.command));
    let made = captured(command, &mut started, &name)
        .and_then(|captured| Ok((captured, command.stdin.feed(written, &name)?)));
    let leader = Arc::new(leader);
    if made.is_err() {
        // It is reaped by the task that watches it.
        let _gone_if_not = leader.signal(Some(Signal::Kill));
        leader.release();
    }
    handle.spawn(leader.clone().watch());
    drop(guard);
    let (captured, stdin) = made.map_err(|error| other(command, error))?;
    let Captured { stdout, stderr, merged } = &captured;
    for captive in [stdout, stderr, merged].into_iter().flatten() {
        captive.output.belongs_to(OfChild { exit: leader.exit(), limits: command.drain });
    }
    let inner = Inner {
        name,
        leader,
        captured,
        stdin,
        started_at,
        drain: command.drain,
        is_done: AtomicBool::new(false),
    };
    Ok((Child::new(inner, command.on_drop.clone()), given))
}

/// What a child gets as stdin, and what we have of it.
struct Stdin {
    /// `None`: a terminal that would stop it.
    stdio: Option<Stdio>,
    /// That of our terminal, if it is handed on.
    foreground: Option<Foreground>,
    /// Our end of a pipe, if we write it.
    written: Option<Descriptor>,
}

fn stdin(command: &mut Command, before: Option<Descriptor>) -> io::Result<Stdin> {
    let is_terminal = before.is_none() && command.stdin.is_terminal();
    terminal::ask(&mut command.command, &mut command.asks, is_terminal);
    let (mut foreground, mut written) = (None, None);
    let stdio = match before {
        Some(before) => Some(Stdio::from(before)),
        None if is_terminal => Some(foreground.insert(Foreground::new()?).stdio()?),
        None if command.stdin.is_written() => {
            let (from, to) = system::input_pipe()?;
            written = Some(to);
            Some(Stdio::from(from))
        }
        None => command.stdin.stdio()?,
    };
    Ok(Stdin { stdio, foreground, written })
}

impl Capture {
    fn stdio(&self) -> io::Result<Stdio> {
        Ok(match &self.0 {
            Kind::Ring(_) => Stdio::piped(),
            Kind::Inherit => Stdio::inherit(),
            Kind::Null => Stdio::null(),
            Kind::File(file) => Stdio::from(file.try_clone()?),
        })
    }
}

fn captured(command: &Command, started: &mut process::Child, name: &str) -> io::Result<Captured> {
    let stdout = started.stdout.take().map(Descriptor::from);
    let stderr = started.stderr.take().map(Descriptor::from);
    let alone = |pipe: Option<Descriptor>, capture: &Capture, which: &str| match (pipe, &capture.0)
    {
        (Some(pipe), Kind::Ring(ring)) => {
            let pipes = vec![system::number_of(&pipe)?];
            let output = Output::drain(pipe, ring, &format!("{name}: {which}"))?;
            Ok::<_, io::Error>(Some(Captive { output, pipes }))
        }
        _ => Ok(None),
    };
    match &command.outputs {
        Outputs::Apart { stdout: of_stdout, stderr: of_stderr } => Ok(Captured {
            stdout: alone(stdout, of_stdout, "stdout")?,
            stderr: alone(stderr, of_stderr, "stderr")?,
            merged: None,
        }),
        Outputs::Merged(capture) => match (stdout, stderr, &capture.0) {
            (Some(stdout), Some(stderr), Kind::Ring(ring)) => {
                let pipes = vec![system::number_of(&stdout)?, system::number_of(&stderr)?];
                let output = Output::drain_merged(stdout, stderr, ring, name)?;
                Ok(Captured { merged: Some(Captive { output, pipes }), ..Captured::default() })
            }
            // Its stdout goes to the next of a pipeline.
            (None, stderr, _) => {
                Ok(Captured { stderr: alone(stderr, capture, "stderr")?, ..Captured::default() })
            }
            _ => Ok(Captured::default()),
        },
    }
}

/// The program's file name.
fn name_of(command: &process::Command) -> Arc<str> {
    let program = Path::new(command.get_program());
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into()
}
