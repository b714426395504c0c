//! Builds the eBPF objects that `senko` carries inside.

use std::{env, fs, path::PathBuf};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for sources in ["abi", "classify", "dataplane", "functions", "prefix", "toolchain", "wire"] {
        println!("cargo:rerun-if-changed={}", root.join(sources).display());
    }
    println!("cargo:rerun-if-env-changed=BPF_LINKER");

    let built = toolchain::find().map_err(|error| error.to_string()).and_then(|toolchain| {
        println!("cargo:rerun-if-changed={}", toolchain.linker.display());
        for bin in ["dataplane", "bench"] {
            let object = toolchain::Object {
                manifest_dir: &root.join("dataplane"),
                bin,
                features: &[],
                target_dir: &out.join("bpf"),
            };
            let path = toolchain::build(&toolchain, &object).map_err(|error| error.to_string())?;
            fs::copy(path, out.join(bin).with_extension("o")).map_err(|error| error.to_string())?;
        }
        Ok(())
    });
    if let Err(message) = built {
        // Cargo puts this last, and the last line is the one that people read.
        for line in message.lines() {
            println!("cargo::error={line}");
        }
    }
}
