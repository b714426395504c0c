//! The programs that see what interfaces send. Each lives by a pin of its own, and an interface whose packets are judged by what
//! was sent has one before and after it has the program that asks.

use std::collections::BTreeMap;

use super::{directory, missing};
use crate::{error::Error, kernel::Kernel, record::Record};

const EGRESS: &str = "egress";

/// The pin of a generation's program.
pub fn program_path(generation: u64) -> String {
    format!("{}/egress", directory(generation))
}

/// The pin by which an interface's lives.
pub fn path(ifindex: u32) -> String {
    format!("{EGRESS}/{ifindex}")
}

/// The same, if the interface is there and has one.
pub fn path_of<K: Kernel>(kernel: &mut K, interface: &str) -> Result<Option<String>, Error> {
    let Some(ifindex) = kernel.ifindex(interface)? else { return Ok(None) };
    let path = path(ifindex);
    Ok(kernel.egress_facts(&path).is_some_and(|facts| facts.ifindex == ifindex).then_some(path))
}

pub fn attach<K: Kernel>(kernel: &mut K, program: &K::Program, ifindex: u32) -> Result<(), Error> {
    kernel.make_directory(EGRESS)?;
    let path = path(ifindex);
    // Of an interface that is gone: its number was given away again.
    kernel.remove(&path)?;
    kernel.attach_egress(program, ifindex, &path)
}

/// Gives an interface its generation's program, if it has none.
pub fn ensure<K: Kernel>(kernel: &mut K, generation: u64, interface: &str) -> Result<(), Error> {
    let Some(ifindex) = kernel.ifindex(interface)? else { return Ok(()) };
    if path_of(kernel, interface)?.is_some() {
        return Ok(());
    }
    let pin = program_path(generation);
    let program = kernel.open_program(&pin)?.ok_or_else(|| missing(generation, &pin))?;
    attach(kernel, &program, ifindex)
}

pub fn detach<K: Kernel>(kernel: &mut K, ifindex: u32) -> Result<(), Error> {
    remove(kernel, &path(ifindex))
}

/// Ends what lives by a pin; with the last one the directory goes.
pub fn remove<K: Kernel>(kernel: &mut K, path: &str) -> Result<(), Error> {
    kernel.remove(path)?;
    if kernel.list(EGRESS)?.is_empty() { kernel.remove(EGRESS) } else { Ok(()) }
}

/// Part of making whole what a killed process left: what sees an interface that nobody judges by it is let go; where a change
/// was `interrupted`, the others get the current generation's program.
pub fn finish<K: Kernel>(
    kernel: &mut K,
    record: Option<&Record>,
    configured: &BTreeMap<u32, u32>,
    interrupted: bool,
) -> Result<(), Error> {
    let names = kernel.list(EGRESS)?;
    for ifindex in names.iter().filter_map(|name| name.parse::<u32>().ok()) {
        let path = path(ifindex);
        let slot = configured.get(&ifindex);
        let known = record.zip(slot).and_then(|(record, slot)| {
            let interface =
                record.interfaces.iter().find(|known| known.slot == *slot && known.watches_egress)?;
            Some((record.generation, interface))
        });
        let facts = kernel.egress_facts(&path).filter(|facts| facts.ifindex == ifindex);
        let (Some((generation, _)), Some(facts)) = (known, facts) else {
            kernel.remove(&path)?;
            continue;
        };
        if !interrupted {
            continue;
        }
        let pin = program_path(generation);
        let program = kernel.open_program(&pin)?.ok_or_else(|| missing(generation, &pin))?;
        if kernel.program_id(&program)? != facts.program_id {
            kernel.switch_egress(&path, &program)?;
        }
    }
    // Killed between the directory and what was to be in it, too.
    let is_there = kernel.list("")?.iter().any(|name| name == EGRESS);
    if is_there && kernel.list(EGRESS)?.is_empty() { kernel.remove(EGRESS) } else { Ok(()) }
}
