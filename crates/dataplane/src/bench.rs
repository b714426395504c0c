//! What `senko bench` compares the data path with: a bare redirect, and the firewall's own logic over random sources
//! with each kind of table.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod rivals;

/// Workspace-wide commands also build this crate for the host, where there is nothing to run.
#[cfg(not(target_arch = "bpf"))]
fn main() {
    eprintln!("bench is an eBPF object: crates/engine/build.rs builds it for bpfel-unknown-none");
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
