//! Leftovers of crashed processes, mentioned before any other `lab` command does its work.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::error::LabError;
use crate::leftovers::{Leftovers, find_leftovers, remove_leftovers};

/// In a terminal asks whether to remove them; otherwise names the command that does.
pub fn leftovers() -> Result<(), LabError> {
    let found = find_leftovers()?;
    if found.is_empty() {
        return Ok(());
    }
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "left behind by processes that are gone: {}", describe(&found));
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        let _ = write!(err, "remove them now? [y/N] ");
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map_err(LabError::Output)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            remove_leftovers(false)?;
            let _ = writeln!(err, "removed");
        }
    } else {
        let _ = writeln!(err, "remove them with: senko lab down --leftovers");
    }
    Ok(())
}

pub fn describe(leftovers: &Leftovers) -> String {
    let labs = leftovers.labs.iter().map(|n| format!("lab `{n}`"));
    let namespaces = leftovers.namespaces.iter().map(|n| format!("namespace `{n}`"));
    let files = leftovers.files.iter().map(|f| format!("file {}", f.display()));
    labs.chain(namespaces).chain(files).collect::<Vec<_>>().join(", ")
}
