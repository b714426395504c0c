//! What the verifier says, the end first: its last line is the reason, everything above is the way to it.

use std::io;

use super::{Diagnosis, exit, permission};

const CONTEXT_LINES: usize = 5;

pub fn explain(name: &str, source: &io::Error, log: &str) -> Diagnosis {
    let lines: Vec<&str> = log.lines().filter(|line| is_meaningful(line)).collect();
    let errno = source.raw_os_error();
    let Some((reason, way)) = lines.split_last() else {
        return without_log(name, source);
    };
    if errno == Some(libc::EPERM) {
        return permission::explain(&format!("program `{name}` does not load: {reason}"));
    }
    let shown = &way[way.len().saturating_sub(CONTEXT_LINES)..];
    let mut remedy = String::new();
    if !shown.is_empty() {
        remedy += "the verifier came to this by:\n";
        for line in shown {
            remedy += &format!("  {}\n", line.trim_end());
        }
    }
    remedy += "the whole log: `senko load … --verifier-log FILE`";
    let exit_code = if errno == Some(libc::EOPNOTSUPP) { exit::NOT_SUPPORTED } else { exit::FAILED };
    Diagnosis::new(exit_code, format!("the verifier refuses program `{name}`: {}", reason.trim()), remedy)
}

/// Statistics and the marks of abandoned paths explain nothing.
fn is_meaningful(line: &str) -> bool {
    const NOISE: [&str; 4] = ["processed ", "verification time ", "stack depth ", "mark_precise: "];
    let line = line.trim();
    !line.is_empty() && !NOISE.iter().any(|noise| line.starts_with(noise))
}

fn without_log(name: &str, source: &io::Error) -> Diagnosis {
    let refused = format!("program `{name}` does not load");
    match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => permission::explain(&refused),
        Some(libc::EINVAL | libc::EOPNOTSUPP) => Diagnosis::new(
            exit::NOT_SUPPORTED,
            format!("{refused}: this kernel does not take programs of its type or with its flags"),
            "frames of several buffers need Linux 5.18, offload needs a card that runs programs; see `senko doctor`",
        ),
        Some(libc::E2BIG) => Diagnosis::new(
            exit::FAILED,
            format!("{refused}: it is larger than this kernel allows"),
            "without CAP_BPF the limit is 4096 instructions, with it a million",
        ),
        _ => Diagnosis { cause: format!("{refused}: {source}"), remedy: None, exit_code: exit::FAILED },
    }
}
