//! Child processes: many consumers of one output.

mod capture;
mod child;
mod command;
mod drain;
mod driver;
mod group;
mod input;
mod job;
mod leader;
mod outcome;
mod output;
mod pipeline;
mod shut_down;
mod signal;
mod spawn;
mod spawn_error;
mod spooling;
mod status;
mod system;
mod trace;
mod wide;

pub use capture::Capture;
pub use child::Child;
pub use command::Command;
pub use group::Process;
pub use input::Input;
pub use outcome::{InputOutcome, Outcome, OutputOutcome};
pub use output::{Output, SecondConsumer, Start};
pub use pipeline::{Pipeline, PipelineOutcome, Running};
pub use shut_down::{ShutDown, Took};
pub use signal::Signal;
pub use spawn_error::SpawnError;
pub use status::Status;
