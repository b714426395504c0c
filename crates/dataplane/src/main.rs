//! The one eBPF program. Read-only `STAGES` says which stages are on; the verifier deletes the others.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod classifiers;
#[cfg(target_arch = "bpf")]
mod pipeline;
#[cfg(target_arch = "bpf")]
mod tracepoints;

/// Workspace-wide commands (`cargo check --workspace`) also build this crate for the host, where there is nothing to run.
#[cfg(not(target_arch = "bpf"))]
fn main() {
    eprintln!("dataplane is an eBPF program: crates/engine/build.rs builds it for bpfel-unknown-none");
    std::process::exit(2);
}

/// No code path panics: a loop without end makes the verifier prove it.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
