//! Targets of `fuzz/`: libFuzzer looks for inputs that reach more of the code, and the address sanitizer watches.

use std::{fs, path::Path, process::Command};

use anyhow::Result;
use xtask::command::{cargo, root, step};

use crate::setup;

pub const NAMES: [&str; 5] = ["packet", "object", "configuration", "filter", "pcapng"];

/// C programs whose objects the target `object` begins with.
const OBJECTS: [&str; 2] = ["examples/c-xdp/drop_icmp.c", "examples/c-xdp/no_check.c"];

/// Inputs longer than that find nothing that shorter ones do not.
const LONGEST: u32 = 16 << 10;

/// Tries each of these for so many seconds. What is found is kept in `target/fuzz/corpus`, and the next run begins with it.
pub fn run(names: &[&str], seed: u64, seconds: u64) -> Result<()> {
    let cargo_fuzz = setup::cargo_fuzz()?;
    let corpus = root().join("target/fuzz/corpus");
    step(
        "seeds",
        cargo(&["run", "--quiet", "--package", "invariants", "--example", "seeds", "--"]).arg(&corpus),
    )?;
    compile_objects(&corpus.join("object"))?;
    for name in names {
        let mut command = Command::new(&cargo_fuzz);
        command
            .current_dir(root())
            .args(["run", "--fuzz-dir", "fuzz", "--target-dir", "target/fuzz", name])
            .arg(corpus.join(name))
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-seed={}", seed as u32))
            .arg(format!("-max_len={LONGEST}"))
            .args(["-timeout=10", "-rss_limit_mb=4096", "-verbosity=0", "-print_final_stats=1"])
            // Coverage and sanitizers are unstable switches of the compiler, whichever it is.
            .env("RUSTC_BOOTSTRAP", "1");
        step(&format!("fuzz {name} for {seconds} s"), &mut command)?;
    }
    Ok(())
}

fn compile_objects(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for source in OBJECTS {
        let name = Path::new(source).with_extension("o");
        let out = folder.join(name.file_name().unwrap_or_default());
        let include = format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH);
        let mut clang = Command::new("clang");
        clang.current_dir(root()).args(["-O2", "-target", "bpf", &include, "-c", source, "-o"]).arg(out);
        step(&format!("compile {source}"), &mut clang)?;
    }
    Ok(())
}
