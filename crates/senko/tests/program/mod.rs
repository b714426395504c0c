//! Programs that the tests load: C sources of `tests/objects`, compiled when a test wants them.

#![allow(dead_code, reason = "each test file that includes this uses another part of it")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Compiles `objects/SOURCE.c` with macros; each test names its own output.
pub fn compile(source: &str, name: &str, macros: &[&str]) -> PathBuf {
    let objects = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects");
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.o", std::process::id()));
    let headers = format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    let done = Command::new("clang")
        .args(["-O2", "-g", "-Wall", "-Werror", "-target", "bpf", &headers, "-c"])
        .args(macros)
        .arg(objects.join(format!("{source}.c")))
        .arg("-o")
        .arg(&output)
        .output()
        .unwrap_or_else(|error| panic!("clang does not start ({error}): run `cargo xtask setup`"));
    assert!(
        done.status.success(),
        "clang and libbpf's headers are needed (run `cargo xtask setup`): {}",
        String::from_utf8_lossy(&done.stderr)
    );
    output
}

/// Without macros.
pub fn object(source: &str) -> PathBuf {
    let thread = format!("{:?}", std::thread::current().id());
    let thread: String = thread.chars().filter(char::is_ascii_digit).collect();
    compile(source, &format!("{source}-{thread}"), &[])
}

/// As compilers before LLVM 9 wrote it: symbols without type and size, no BTF.
pub fn old_object(source: &str) -> PathBuf {
    let assembly = compile(source, &format!("{source}-old"), &["-g0", "-S"]);
    let text = std::fs::read_to_string(&assembly).expect("assembly");
    let text: Vec<&str> =
        text.lines().filter(|line| !line.contains(".type") && !line.contains(".size")).collect();
    let bare = assembly.with_extension("s");
    std::fs::write(&bare, text.join("\n") + "\n").expect("written");
    let output = bare.with_extension("bare.o");
    let done = Command::new("clang")
        .args(["-target", "bpf", "-c"])
        .arg(&bare)
        .arg("-o")
        .arg(&output)
        .status()
        .unwrap_or_else(|error| panic!("clang does not start ({error}): run `cargo xtask setup`"));
    assert!(done.success());
    output
}
