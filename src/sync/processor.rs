//! What is known of the processor that the program runs on.

/// Whether lines that a reader has stored to come back to their writer faster than lines that it has only
/// read (`ring/exclusive.rs`): the vendor, and the families, for which that was measured. A new processor is
/// measured by `cargo bench --bench hand_back`.
#[cfg(all(target_arch = "x86_64", not(any(overfall_loom, miri))))]
const LIKED: &[(&[u8; 12], u32)] = &[
    // EPYC, family 25, model 17, Linux in a virtual machine, November 2026. A writer and a reader of copied
    // slices that poll, on near cores: 1 KiB 153 -> 96 ns, 4 KiB 498 -> 183, 16 KiB 1951 -> 498. Far ones:
    // 592 -> 365, 1936 -> 636, 7648 -> 1200.
    (b"AuthenticAMD", 25),
    // No Intel: on one the writer's next lap was a quarter to a third slower.
];

/// Those that copy 2 KiB and more faster by a string move than by moves of 32 bytes (`ring/copy.rs`): vendor,
/// family and model. A new processor is measured by `cargo bench --bench copy`, and for two threads, where it
/// matters what becomes of the lines, by the case `bytes` of the comparison.
#[cfg(all(target_arch = "x86_64", not(any(overfall_portable, overfall_loom, miri))))]
const STRINGS: &[(&[u8; 12], u32, u32)] = &[
    // Xeon, Linux in a virtual machine, November 2026. A write and a read on one thread, 4 KiB 133 -> 133 ns, 16 KiB
    // 800 -> 580; of buffers that are not aligned 168 -> 132, 970 -> 590. A writer and a reader that poll: 3000 bytes
    // 462 -> 389, 4 KiB 575 -> 490, 16 KiB 2100 -> 1640. At 1 KiB it is slower by a quarter.
    (b"GenuineIntel", 6, 207),
    // No AMD: on an EPYC (family 25, model 1) 4 KiB on one thread 197 -> 238 ns, 16 KiB 775 -> 860.
    // No older Intel: on one the writer's next lap was a third slower from 2 KiB on, and one thread not faster.
];

#[cfg(all(target_arch = "x86_64", not(any(overfall_loom, miri))))]
#[allow(unsafe_code)]
mod imp {
    use super::LIKED;
    use crate::sync::OnceLock;
    use std::arch::x86_64::__cpuid;

    /// Asked once in each process: in a virtual machine the instruction takes microseconds.
    pub(crate) fn likes_lines_back() -> bool {
        static ANSWER: OnceLock<bool> = OnceLock::new();
        *ANSWER
            .get_or_init(|| LIKED.iter().any(|&liked| liked == (&vendor(), family_and_model().0)))
    }

    /// Whether a string move is the fastest copy of what is long.
    #[cfg(not(overfall_portable))]
    #[inline]
    pub(crate) fn moves_strings_fast() -> bool {
        static ANSWER: OnceLock<bool> = OnceLock::new();
        *ANSWER.get_or_init(|| {
            let (family, model) = family_and_model();
            super::STRINGS.iter().any(|&fast| fast == (&vendor(), family, model))
        })
    }

    /// Whether it has the instructions of the section that stores back.
    pub(crate) fn can_store_back() -> bool {
        std::arch::is_x86_feature_detected!("avx")
    }

    fn vendor() -> [u8; 12] {
        // SAFETY: every processor of this architecture has the instruction.
        #[allow(unused_unsafe, reason = "it is safe in newer versions of Rust")]
        let found = unsafe { __cpuid(0) };
        let mut vendor = [0; 12];
        for (part, word) in vendor.chunks_exact_mut(4).zip([found.ebx, found.edx, found.ecx]) {
            part.copy_from_slice(&word.to_le_bytes());
        }
        vendor
    }

    fn family_and_model() -> (u32, u32) {
        // SAFETY: as above; every such processor has this leaf.
        #[allow(unused_unsafe, reason = "it is safe in newer versions of Rust")]
        let signature = unsafe { __cpuid(1) }.eax;
        let (base, extended) = (signature >> 8 & 0xF, signature >> 20 & 0xFF);
        let (low, high) = (signature >> 4 & 0xF, signature >> 16 & 0xF);
        (if base == 0xF { base + extended } else { base }, high << 4 | low)
    }
}

#[cfg(not(all(target_arch = "x86_64", not(any(overfall_loom, miri)))))]
mod imp {
    pub(crate) fn likes_lines_back() -> bool {
        can_store_back()
    }

    #[cfg(not(overfall_loom))]
    pub(crate) fn can_store_back() -> bool {
        false
    }

    /// Only in the models that are about it.
    #[cfg(overfall_loom)]
    pub(crate) fn can_store_back() -> bool {
        STORES_BACK.get()
    }

    #[cfg(overfall_loom)]
    std::thread_local! {
        pub(crate) static STORES_BACK: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
}

#[cfg(overfall_loom)]
pub(crate) use imp::STORES_BACK;
#[cfg(all(target_arch = "x86_64", not(any(overfall_portable, overfall_loom, miri))))]
pub(crate) use imp::moves_strings_fast;
pub(crate) use imp::{can_store_back, likes_lines_back};
