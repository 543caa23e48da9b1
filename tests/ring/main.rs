//! The ring: what readers get of what was written, and how far each may go.

mod alone;
mod backpressure;
mod clones;
mod crowd;
mod in_vain;
mod lagging;
mod ordering;
mod owned_slices;
mod positions;
mod refused;
mod slices;
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
mod unregistered;
