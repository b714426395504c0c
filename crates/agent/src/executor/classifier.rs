//! The programs beside XDP's: what sees what interfaces send, and what marks what comes in. Each lives by a pin of its own, and an
//! interface whose program does its work with one has it before and after it has the program.

use std::collections::BTreeMap;

use abi::Direction;

use super::{directory, missing};
use crate::{error::Error, kernel::Kernel, record::Record};

/// The pin of a generation's program.
pub fn program_path(generation: u64, direction: Direction) -> String {
    format!("{}/{}", directory(generation), direction.name())
}

/// The pin by which an interface's lives, in a directory named after the direction.
pub fn path(direction: Direction, ifindex: u32) -> String {
    format!("{}/{ifindex}", direction.name())
}

/// The same, if the interface is there and has one.
pub fn path_of<K: Kernel>(
    kernel: &mut K,
    direction: Direction,
    interface: &str,
) -> Result<Option<String>, Error> {
    let Some(ifindex) = kernel.ifindex(interface)? else { return Ok(None) };
    let path = path(direction, ifindex);
    let facts = kernel.classifier_facts(direction, &path);
    Ok(facts.is_some_and(|facts| facts.ifindex == ifindex).then_some(path))
}

pub fn attach<K: Kernel>(
    kernel: &mut K,
    program: &K::Program,
    direction: Direction,
    ifindex: u32,
) -> Result<(), Error> {
    kernel.make_directory(direction.name())?;
    let path = path(direction, ifindex);
    // Of an interface that is gone: its number was given away again.
    kernel.remove(&path)?;
    kernel.attach_classifier(program, direction, ifindex, &path)
}

/// Gives an interface its generation's program, if it has none.
pub fn ensure<K: Kernel>(
    kernel: &mut K,
    generation: u64,
    direction: Direction,
    interface: &str,
) -> Result<(), Error> {
    let Some(ifindex) = kernel.ifindex(interface)? else { return Ok(()) };
    if path_of(kernel, direction, interface)?.is_some() {
        return Ok(());
    }
    let pin = program_path(generation, direction);
    let program = kernel.open_program(&pin)?.ok_or_else(|| missing(generation, &pin))?;
    attach(kernel, &program, direction, ifindex)
}

pub fn detach<K: Kernel>(kernel: &mut K, direction: Direction, ifindex: u32) -> Result<(), Error> {
    remove(kernel, direction, &path(direction, ifindex))
}

/// Ends what lives by a pin; with the last one the directory goes.
pub fn remove<K: Kernel>(kernel: &mut K, direction: Direction, path: &str) -> Result<(), Error> {
    kernel.remove(path)?;
    if kernel.list(direction.name())?.is_empty() { kernel.remove(direction.name()) } else { Ok(()) }
}

/// Part of making whole what a killed process left: the program of an interface whose packets are judged without it is let go;
/// where a change was `interrupted`, the others get the current generation's program.
pub fn finish<K: Kernel>(
    kernel: &mut K,
    record: Option<&Record>,
    configured: &BTreeMap<u32, u32>,
    interrupted: bool,
) -> Result<(), Error> {
    Direction::ALL
        .into_iter()
        .try_for_each(|direction| finish_one(kernel, direction, record, configured, interrupted))
}

fn finish_one<K: Kernel>(
    kernel: &mut K,
    direction: Direction,
    record: Option<&Record>,
    configured: &BTreeMap<u32, u32>,
    interrupted: bool,
) -> Result<(), Error> {
    let names = kernel.list(direction.name())?;
    for ifindex in names.iter().filter_map(|name| name.parse::<u32>().ok()) {
        let path = path(direction, ifindex);
        let slot = configured.get(&ifindex);
        let known = record.zip(slot).and_then(|(record, slot)| {
            let is_it = |known: &&crate::record::RecordedInterface| known.slot == *slot;
            let interface = record.interfaces.iter().find(is_it)?;
            interface.needs(direction).then_some(record.generation)
        });
        let facts = kernel.classifier_facts(direction, &path).filter(|facts| facts.ifindex == ifindex);
        let (Some(generation), Some(facts)) = (known, facts) else {
            kernel.remove(&path)?;
            continue;
        };
        if !interrupted {
            continue;
        }
        let pin = program_path(generation, direction);
        let program = kernel.open_program(&pin)?.ok_or_else(|| missing(generation, &pin))?;
        if kernel.program_id(&program)? != facts.program_id {
            kernel.switch_classifier(&path, direction, &program)?;
        }
    }
    // Killed between the directory and what was to be in it, too.
    let is_there = kernel.list("")?.iter().any(|name| name == direction.name());
    if is_there && kernel.list(direction.name())?.is_empty() {
        kernel.remove(direction.name())
    } else {
        Ok(())
    }
}
