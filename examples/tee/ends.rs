//! Inputs and outputs: how they are opened, and what their threads do.

use crate::{Args, demo};
use overfall::{Blocking, StrongReader, StrongWriter};
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How much an input reads at a time, unless the ring is smaller or a line longer.
const CHUNK: usize = 64 * 1024;

pub(crate) type Source = Box<dyn Read + Send>;
pub(crate) type Sink = Box<dyn Write + Send>;

/// The name of an input or output, and how its thread gets hold of it.
pub(crate) type End<T> = (String, Box<dyn FnOnce() -> io::Result<T> + Send>);

pub(crate) struct Ends {
    pub(crate) inputs: Vec<End<Source>>,
    pub(crate) outputs: Vec<End<Sink>>,
}

/// Opens everything that can be opened without waiting, so that nothing is moved if that fails.
pub(crate) fn open_all(args: &Args) -> Result<Ends, String> {
    let inputs = if args.makes_inputs() {
        demo::inputs(args.generate)
    } else {
        let paths = or_standard(&args.inputs);
        paths.iter().map(|path| open(path, open_source)).collect::<Result<_, _>>()?
    };
    let outputs = if args.makes_outputs() {
        demo::outputs()
    } else {
        let mut taken: Vec<PathBuf> = args.inputs.iter().filter_map(|path| file(path)).collect();
        let mut outputs = Vec::new();
        for path in or_standard(&args.outputs) {
            if file(&path).is_some_and(|file| taken.contains(&file)) {
                return Err(format!("{}: is given twice", path.display()));
            }
            outputs.push(open(&path, open_sink)?);
            taken.extend(file(&path));
        }
        outputs
    };
    Ok(Ends { inputs, outputs })
}

fn or_standard(paths: &[PathBuf]) -> Vec<PathBuf> {
    if paths.is_empty() { vec![PathBuf::from("-")] } else { paths.to_vec() }
}

/// The one name of a regular file, which must not be read and written, or written twice, at once.
fn file(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|path| path.is_file())
}

/// Opens `path`; in its thread if it is a FIFO, where that waits for the other side.
fn open<T: Send + 'static>(
    path: &Path,
    open: fn(&Path) -> io::Result<T>,
) -> Result<End<T>, String> {
    let (path, name) = (path.to_owned(), path.display().to_string());
    if is_fifo(&path) {
        return Ok((name, Box::new(move || open(&path))));
    }
    let end = open(&path).map_err(|error| format!("{name}: {error}"))?;
    Ok((name, Box::new(|| Ok(end))))
}

fn open_source(path: &Path) -> io::Result<Source> {
    Ok(if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) })
}

fn open_sink(path: &Path) -> io::Result<Sink> {
    Ok(if path == Path::new("-") { Box::new(io::stdout()) } else { Box::new(File::create(path)?) })
}

#[cfg(unix)]
fn is_fifo(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_fifo(_: &Path) -> bool {
    false
}

/// Moves an input into the ring until it ends, or the channel takes no more. Each write is a slice,
/// and with `whole_lines` each slice is made of whole lines.
pub(crate) fn pump(
    mut input: Source,
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
        let before = filled;
        filled += read;
        if whole_lines && read == 0 && filled > 0 {
            buffer[filled] = b'\n';
            filled += 1;
        }
        let mut ready = filled;
        if whole_lines {
            let newline = buffer[before..filled].iter().rposition(|&byte| byte == b'\n');
            ready = newline.map_or(0, |newline| before + newline + 1);
        }
        // It is refused once Ctrl-C has drained the channel, or the last output has gone.
        if writer.write_all(&buffer[..ready]).is_err() || read == 0 {
            return Ok(());
        }
        buffer.copy_within(ready..filled, 0);
        filled -= ready;
        if filled == max_slice {
            let error = format!("a line is longer than {max_slice} bytes: use a larger --size");
            return Err(io::Error::other(error));
        }
        if filled == buffer.len() {
            buffer.resize((2 * filled).min(max_slice), 0);
        }
    }
}

/// Writes an output, from where the bytes lie in the ring, until the channel ends. Tells the
/// checksum of it all, unless the channel was terminated.
pub(crate) fn pour(
    mut reader: Blocking<StrongReader>,
    mut output: Sink,
    written: &AtomicU64,
) -> io::Result<Option<u32>> {
    let mut checksum = crc32fast::Hasher::new();
    loop {
        let Ok(bytes) = reader.fill_buf() else { return Ok(None) };
        if bytes.is_empty() {
            return Ok(Some(checksum.finalize()));
        }
        output.write_all(bytes)?;
        // Standard output keeps the rest of a line back otherwise.
        output.flush()?;
        checksum.update(bytes);
        let length = bytes.len();
        reader.consume(length);
        written.fetch_add(length as u64, Ordering::Relaxed);
    }
}
