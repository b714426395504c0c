//! The project's chores: `cargo xtask setup | demo | test | vm | fuzz | bench | package | build-bpf`.

mod bench;
mod build_bpf;
mod demo;
mod fuzz;
mod setup;
mod test;
mod vm;

use std::process::ExitCode;

use clap::Parser;
use xtask::package;

use self::setup::Purpose;

/// The project's chores
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Chore {
    /// Install what building and testing need, and say what was done
    Setup,
    /// Build, then show count, dump, firewall and redirect at work on real traffic in a lab
    Demo,
    /// Format check, clippy, and all tests
    Test(test::TestArgs),
    /// Run the kernel and lab tests inside Debian's kernels, emulated by QEMU
    Vm(vm::VmArgs),
    /// Look for inputs that break what reads them, and hold compiled rules against the list
    Fuzz(fuzz::FuzzArgs),
    /// Measure ns per packet against the bare floor
    Bench(bench::BenchArgs),
    /// Make the Debian package and print its path
    Package(package::PackageArgs),
    /// Build an eBPF crate of your own and print the object's path
    BuildBpf(build_bpf::BuildBpfArgs),
}

fn main() -> ExitCode {
    let result = match Chore::parse() {
        Chore::Setup => setup::run(Purpose::Tests),
        Chore::Demo => demo::run(),
        Chore::Test(args) => test::run(&args),
        Chore::Vm(args) => vm::run(&args),
        Chore::Fuzz(args) => fuzz::run(&args),
        Chore::Bench(args) => bench::run(&args),
        Chore::Package(args) => setup::run(Purpose::Build).and_then(|_| package::run(&args)),
        Chore::BuildBpf(args) => build_bpf::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
