//! `cargo xtask demo`: hosts in network namespaces, real traffic between them, and senko at work on it.
//!
//! Every scene checks what it shows; the exit code is 0 only if all held.

mod scenes;
mod stage;
mod tool;

use std::{process::ExitCode, time::Instant};

use anyhow::Result;

use crate::stage::Stage;

fn main() -> ExitCode {
    let Some(senko) = std::env::args_os().nth(1) else {
        eprintln!("usage: senko-demo PATH-TO-SENKO");
        return ExitCode::from(2);
    };
    let begun = Instant::now();
    let result = Stage::set(senko.into()).and_then(|stage| play(&stage));
    stage::clear();
    match result {
        Ok(checks) => {
            println!(
                "\nall {checks} checks held, in {:.1} s; nothing is left behind",
                begun.elapsed().as_secs_f64()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\nFAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(stage: &Stage) -> Result<u32> {
    scenes::count(stage)?;
    scenes::dump(stage)?;
    scenes::firewall(stage)?;
    scenes::gateway(stage)?;
    scenes::reflect(stage)?;
    scenes::cross_connect(stage)?;
    Ok(stage.checks())
}
