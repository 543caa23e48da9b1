//! One writer, one reader, both tokio tasks.

use super::*;
use crate::rivals::io;

pub(super) const RUNS: Runs = &[(64, run), (1024, run), (16 * 1024, run)];

fn run(options: &Options, size: usize) {
    for workers in [1, 2] {
        let name = format!("{}, {}", count(workers, "worker"), length(size));
        let setup = Setup { workers, ..Setup::of(size) };
        let mut group = options.group(name, setup, tasks, ours::tasks);
        group
            .against("tokio duplex", tasks, io::duplex)
            .against("tokio simplex", tasks, io::simplex)
            .against("piper", tasks, io::piper)
            .best(if size == 64 { 1.1 } else { 1.0 })
            .against("sluice", tasks, io::sluice);
        #[cfg(feature = "selium")]
        group.against("selium-messaging", tasks, crate::rivals::selium::new);
    }
}
