//! Executes a plan, step by step, and goes all the way back when a step fails. A process that is killed between two steps
//! leaves what [`recover`] makes whole: the old generation before `Commit`, the new one from there on.

pub mod classifier;

use std::collections::BTreeMap;

use abi::Direction;
use engine::Mode;

use crate::{
    desired::{Desired, Program},
    error::Error,
    kernel::{Kernel, Maps},
    plan::{Plan, Step},
    record::{LAYOUT, Record, RecordedAttachment},
};

/// What points to the generation that is to be live.
pub const CURRENT: &str = "current";

/// A generation in the kernel.
pub struct Executed<K: Kernel> {
    pub maps: Maps<K>,
    /// Prefix tables that were filled now; those of shared maps are the caller's already, or are adopted when needed.
    pub tables: BTreeMap<String, K::Table>,
    /// As it was written, with how the interfaces took their programs.
    pub record: Record,
    pub announcements: Vec<Announcement>,
}

/// Something to tell the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announcement {
    Attached {
        interface: String,
        mode: Mode,
        fallback: Option<String>,
    },
    /// It is in the configuration, and not there.
    Missing {
        interface: String,
    },
    Detached {
        interface: String,
    },
    /// It is there again, and did not take its program.
    Refused {
        interface: String,
        why: String,
    },
    /// The new generation is live, and something of the old one could not be removed.
    Left {
        what: String,
    },
}

/// How to take a step back.
enum Undo<K: Kernel> {
    Remove(String),
    RemoveFile(String),
    Point(Option<String>),
    SwitchBack { link: K::Link, program: K::Program },
    RemoveClassifier { direction: Direction, path: String },
    SwitchClassifierBack { direction: Direction, path: String, program: K::Program },
}

struct Executor<'a, K: Kernel> {
    kernel: &'a mut K,
    desired: &'a Desired,
    record: Record,
    former: Option<&'a Record>,
    generation: u64,
    shared: Maps<K>,
    maps: Maps<K>,
    tables: BTreeMap<String, K::Table>,
    programs: BTreeMap<String, K::Program>,
    /// Programs beside those.
    classifiers: BTreeMap<Direction, K::Program>,
    announcements: Vec<Announcement>,
    undo: Vec<Undo<K>>,
}

/// Does what the plan says. On error the kernel is as it was before.
pub fn execute<K: Kernel>(
    kernel: &mut K,
    plan: &Plan,
    desired: &Desired,
    record: Record,
    former: Option<&Record>,
) -> Result<Executed<K>, Error> {
    let mut executor = Executor {
        kernel,
        desired,
        record,
        former,
        generation: plan.generation,
        shared: Maps::<K>::new(),
        maps: Maps::<K>::new(),
        tables: BTreeMap::new(),
        programs: BTreeMap::new(),
        classifiers: BTreeMap::new(),
        announcements: Vec::new(),
        undo: Vec::new(),
    };
    let mut is_live = false;
    for step in &plan.steps {
        match executor.step(step) {
            Ok(()) => is_live |= *step == Step::ReadBack,
            // What is done from here on cannot be undone, and need not be.
            Err(error) if is_live => {
                executor.announcements.push(Announcement::Left { what: error.to_string() });
            }
            Err(error) => return Err(executor.go_back(error)),
        }
    }
    let Executor { maps, tables, announcements, record, .. } = executor;
    Ok(Executed { maps, tables, record, announcements })
}

/// The directory of a generation.
pub fn directory(generation: u64) -> String {
    format!("generation-{generation}")
}

pub fn map_path(generation: u64, map: &str) -> String {
    format!("generation-{generation}/maps/{map}")
}

fn program_path(generation: u64, slot: u32) -> String {
    format!("generation-{generation}/program-{slot}")
}

/// By index: names have dots, which a bpffs takes not, and change.
fn link_path(ifindex: u32) -> String {
    format!("{LINKS}/{ifindex}")
}

pub const LINKS: &str = "links";

/// The file of a generation's record.
pub fn record_file(generation: u64) -> String {
    format!("generation-{generation}.json")
}

impl<K: Kernel> Executor<'_, K> {
    fn step(&mut self, step: &Step) -> Result<(), Error> {
        let generation = self.generation;
        match step {
            Step::MakeDirectory => {
                self.kernel.point("layout", LAYOUT)?;
                self.kernel.make_directory(LINKS)?;
                self.undo.push(Undo::Remove(directory(generation)));
                self.kernel.make_directory(&format!("{}/maps", directory(generation)))
            }
            Step::Share { maps } => {
                let former = self.former.map_or(0, |record| record.generation);
                for map in maps {
                    let path = map_path(former, map);
                    let found = self.kernel.open_map(&path)?.ok_or_else(|| missing(former, &path))?;
                    self.shared.insert(map.clone(), found);
                }
                Ok(())
            }
            Step::CreateMaps { sizes } => {
                self.maps = self.kernel.create_maps(sizes, &self.shared)?;
                Ok(())
            }
            Step::Fill { map } => {
                let contents = &self.desired.maps[map];
                let table = self.kernel.fill(&self.maps, map, contents)?;
                self.tables.extend(table.map(|table| (map.clone(), table)));
                Ok(())
            }
            Step::PinMap { map } => self.kernel.pin_map(&self.maps[map], &map_path(generation, map)),
            Step::Zero { map, elements } => self.kernel.zero(&self.maps[map], elements),
            Step::Load { interface } => {
                let program = find(self.desired, interface);
                let former = self.former.and_then(|record| record.interface(interface)?.attached.clone());
                if let Some(recorded) = self.record.interface_mut(interface) {
                    recorded.attached = former;
                }
                let frags = self.former.is_some_and(|former| former.has_frags(interface));
                let loaded = self.kernel.load(program, frags, &self.maps)?;
                self.programs.insert(interface.clone(), loaded);
                Ok(())
            }
            Step::LoadClassifier { direction } => {
                let needs = |program: &&Program| program.knob.needs(*direction);
                let program = self.desired.programs.iter().find(needs).expect("the plan is made of it");
                let loaded = self.kernel.load_classifier(program, *direction, &self.maps)?;
                self.kernel.pin_program(&loaded, &classifier::program_path(generation, *direction))?;
                self.classifiers.insert(*direction, loaded);
                Ok(())
            }
            Step::AttachClassifier { direction, interface } => self.attach_classifier(*direction, interface),
            Step::SwitchClassifier { direction, interface } => self.switch_classifier(*direction, interface),
            Step::DetachClassifier { direction, interface } => {
                let is_served = self.desired.programs.iter().any(|program| program.interface == *interface);
                // What could not be detached goes on needing it.
                if !is_served && link_of(self.kernel, interface)?.is_some() {
                    return Ok(());
                }
                match self.kernel.ifindex(interface)? {
                    Some(ifindex) => classifier::detach(self.kernel, *direction, ifindex),
                    None => Ok(()),
                }
            }
            Step::Attach { interface } => self.attach(interface),
            Step::PinProgram { interface } => {
                let path = program_path(generation, find(self.desired, interface).slot);
                self.kernel.pin_program(&self.programs[interface], &path)
            }
            Step::WriteRecord => {
                let file = record_file(generation);
                self.undo.push(Undo::RemoveFile(file.clone()));
                self.kernel.write_file(&file, &self.record.to_bytes())
            }
            Step::Commit => {
                let before = self.kernel.pointed(CURRENT)?;
                self.undo.push(Undo::Point(before));
                self.kernel.point(CURRENT, &directory(generation))
            }
            Step::Switch { interface } => self.switch(interface),
            Step::ReadBack => self.read_back(),
            Step::Detach { interface } => {
                if let Some(path) = link_of(self.kernel, interface)? {
                    self.kernel.remove(&path)?;
                    self.announcements.push(Announcement::Detached { interface: interface.clone() });
                }
                Ok(())
            }
            Step::Retire { generation } => self.kernel.remove(&directory(*generation)),
        }
    }

    fn attach(&mut self, interface: &str) -> Result<(), Error> {
        let program = find(self.desired, interface);
        let Some(ifindex) = self.kernel.ifindex(interface)? else {
            self.announcements.push(Announcement::Missing { interface: interface.into() });
            return Ok(());
        };
        let path = link_path(ifindex);
        // Of an interface that is gone: its number was given away again.
        self.kernel.remove(&path)?;
        let loaded = self.programs.get_mut(interface).expect("it was loaded before");
        let attached = self.kernel.attach(program, loaded, &self.maps)?;
        self.undo.push(Undo::Remove(path.clone()));
        self.kernel.pin_link(attached.link, &path)?;
        let (mode, fallback) = (attached.mode, attached.fallback);
        if let Some(recorded) = self.record.interface_mut(interface) {
            let (mode, fallback) = (mode.name().into(), fallback.clone());
            recorded.attached = Some(RecordedAttachment { ifindex, mode, fallback, frags: attached.frags });
        }
        self.announcements.push(Announcement::Attached { interface: interface.into(), mode, fallback });
        Ok(())
    }

    fn switch(&mut self, interface: &str) -> Result<(), Error> {
        let Some(path) = link_of(self.kernel, interface)? else {
            self.announcements.push(Announcement::Missing { interface: interface.into() });
            return Ok(());
        };
        let Some(link) = self.kernel.open_link(&path)? else { return Ok(()) };
        let former = self.former.and_then(|record| {
            let slot = record.interfaces.iter().find(|known| known.name == interface)?.slot;
            Some(program_path(record.generation, slot))
        });
        let former = match former {
            Some(path) => self.kernel.open_program(&path)?,
            None => None,
        };
        self.kernel.switch(&link, &self.programs[interface])?;
        if let Some(program) = former {
            self.undo.push(Undo::SwitchBack { link, program });
        }
        Ok(())
    }

    fn attach_classifier(&mut self, direction: Direction, interface: &str) -> Result<(), Error> {
        // Where it has gone by now, its program's step says so.
        let Some(ifindex) = self.kernel.ifindex(interface)? else { return Ok(()) };
        let path = classifier::path(direction, ifindex);
        self.undo.push(Undo::RemoveClassifier { direction, path });
        classifier::attach(self.kernel, &self.classifiers[&direction], direction, ifindex)
    }

    fn switch_classifier(&mut self, direction: Direction, interface: &str) -> Result<(), Error> {
        let Some(path) = classifier::path_of(self.kernel, direction, interface)? else { return Ok(()) };
        let former = match self.former {
            Some(record) => {
                self.kernel.open_program(&classifier::program_path(record.generation, direction))?
            }
            None => None,
        };
        self.kernel.switch_classifier(&path, direction, &self.classifiers[&direction])?;
        self.undo.extend(former.map(|program| Undo::SwitchClassifierBack { direction, path, program }));
        Ok(())
    }

    /// Every interface that is there runs the program that was meant for it.
    fn read_back(&mut self) -> Result<(), Error> {
        for (interface, program) in &self.programs {
            let Some(path) = link_of(self.kernel, interface)? else { continue };
            let Some(link) = self.kernel.open_link(&path)? else { continue };
            let wanted = self.kernel.program_id(program)?;
            let found = self.kernel.link_facts(&link).map_or(0, |facts| facts.program_id);
            if found != wanted {
                return Err(Error::ReadBack { interface: interface.clone(), wanted, found });
            }
            let needed = find(self.desired, interface);
            for (direction, classifier) in &self.classifiers {
                if !needed.knob.needs(*direction) {
                    continue;
                }
                let wanted = self.kernel.program_id(classifier)?;
                let path = classifier::path_of(self.kernel, *direction, interface)?;
                let facts = path.and_then(|path| self.kernel.classifier_facts(*direction, &path));
                let found = facts.map_or(0, |facts| facts.program_id);
                if found != wanted {
                    return Err(Error::ReadBack { interface: interface.clone(), wanted, found });
                }
            }
        }
        Ok(())
    }

    fn go_back(mut self, error: Error) -> Error {
        let mut failures = Vec::new();
        while let Some(undo) = self.undo.pop() {
            let done = match undo {
                Undo::Remove(path) => self.kernel.remove(&path),
                Undo::RemoveFile(file) => self.kernel.remove_file(&file),
                Undo::Point(Some(target)) => self.kernel.point(CURRENT, &target),
                Undo::Point(None) => self.kernel.remove(CURRENT),
                Undo::SwitchBack { link, program } => self.kernel.switch(&link, &program),
                Undo::RemoveClassifier { direction, path } => {
                    classifier::remove(self.kernel, direction, &path)
                }
                Undo::SwitchClassifierBack { direction, path, program } => {
                    self.kernel.switch_classifier(&path, direction, &program)
                }
            };
            failures.extend(done.err().map(|error| error.to_string()));
        }
        if failures.is_empty() { error } else { Error::Undo { error: Box::new(error), undo: failures } }
    }
}

fn find<'a>(desired: &'a Desired, interface: &str) -> &'a Program {
    desired.programs.iter().find(|program| program.interface == interface).expect("the plan is made of it")
}

fn missing(generation: u64, path: &str) -> Error {
    Error::Record { generation, why: format!("its pin {path} is missing") }
}

/// Lets go of links that hold no interface of the record.
pub fn release<K: Kernel>(kernel: &mut K, record: &Record) -> Result<(), Error> {
    finish(kernel, Some(record), false)
}

/// Gives an interface its program that was not there when its generation was made.
pub fn attach_later<K: Kernel>(
    kernel: &mut K,
    program: &Program,
    maps: &Maps<K>,
    record: &mut Record,
) -> Result<Announcement, Error> {
    let interface = program.interface.clone();
    let Some(ifindex) = kernel.ifindex(&interface)? else { return Ok(Announcement::Missing { interface }) };
    let (pin, path) = (program_path(record.generation, program.slot), link_path(ifindex));
    let mut loaded = kernel.open_program(&pin)?.ok_or_else(|| missing(record.generation, &pin))?;
    kernel.remove(&path)?;
    for direction in Direction::ALL.into_iter().filter(|direction| program.knob.needs(*direction)) {
        classifier::ensure(kernel, record.generation, direction, &interface)?;
    }
    let attached = kernel.attach(program, &mut loaded, maps)?;
    kernel.pin_link(attached.link, &path)?;
    if attached.frags {
        // Another one than was pinned.
        kernel.remove(&pin)?;
        kernel.pin_program(&loaded, &pin)?;
    }
    let (mode, fallback) = (attached.mode, attached.fallback);
    if let Some(recorded) = record.interface_mut(&interface) {
        let (mode, fallback) = (mode.name().into(), fallback.clone());
        recorded.attached = Some(RecordedAttachment { ifindex, mode, fallback, frags: attached.frags });
    }
    Ok(Announcement::Attached { interface, mode, fallback })
}

/// The pin of an interface's link, if the interface is there and the link holds it.
pub fn link_of<K: Kernel>(kernel: &mut K, interface: &str) -> Result<Option<String>, Error> {
    let Some(ifindex) = kernel.ifindex(interface)? else { return Ok(None) };
    let path = link_path(ifindex);
    let Some(link) = kernel.open_link(&path)? else { return Ok(None) };
    Ok(kernel.link_facts(&link).is_some_and(|facts| facts.ifindex == ifindex).then_some(path))
}

/// The generation that is to be live.
pub fn current<K: Kernel>(kernel: &mut K) -> Result<Option<u64>, Error> {
    let target = kernel.pointed(CURRENT)?;
    Ok(target.and_then(|target| target.strip_prefix("generation-")?.parse().ok()))
}

/// Makes whole what a killed process left: what was not committed goes away, what was committed is finished. Returns what
/// is live.
pub fn recover<K: Kernel>(kernel: &mut K) -> Result<Option<Record>, Error> {
    match kernel.pointed("layout")? {
        Some(layout) if layout == LAYOUT => {}
        Some(found) => return Err(Error::Layout { path: "".into(), found }),
        None => return Ok(None),
    }
    let current = current(kernel)?;
    let record = match current {
        Some(generation) => {
            let bytes = kernel.read_file(&record_file(generation))?;
            let why = || Error::Record { generation, why: "it is not there".into() };
            Some(Record::from_bytes(generation, &bytes.ok_or_else(why)?)?)
        }
        None => None,
    };
    let number = |name: &String| name.strip_prefix("generation-").and_then(|rest| rest.parse::<u64>().ok());
    let others: Vec<String> = kernel
        .list("")?
        .into_iter()
        .filter(|name| number(name).is_some_and(|number| Some(number) != current))
        .collect();
    finish(kernel, record.as_ref(), !others.is_empty())?;
    for name in others {
        if number(&name) > current {
            kernel.remove_file(&record_file(number(&name).unwrap_or(0)))?;
        }
        kernel.remove(&name)?;
    }
    Ok(record)
}

/// Links that hold nothing, or an interface that is not configured, are let go. Where a change was `interrupted`, every
/// link gets the current generation's program; otherwise another one there is a capture's, which puts ours back.
fn finish<K: Kernel>(kernel: &mut K, record: Option<&Record>, interrupted: bool) -> Result<(), Error> {
    let mut configured = BTreeMap::new();
    for interface in record.iter().flat_map(|record| &record.interfaces) {
        if let Some(ifindex) = kernel.ifindex(&interface.name)? {
            configured.insert(ifindex, interface.slot);
        }
    }
    for name in kernel.list(LINKS)? {
        let path = format!("{LINKS}/{name}");
        let Some(link) = kernel.open_link(&path)? else { continue };
        let facts = kernel.link_facts(&link);
        let slot = facts.and_then(|facts| configured.get(&facts.ifindex));
        let (Some(record), Some(facts), Some(slot)) = (record, facts, slot) else {
            kernel.remove(&path)?;
            continue;
        };
        if !interrupted {
            continue;
        }
        let pin = program_path(record.generation, *slot);
        let program = kernel.open_program(&pin)?.ok_or_else(|| missing(record.generation, &pin))?;
        if kernel.program_id(&program)? != facts.program_id {
            kernel.switch(&link, &program)?;
        }
    }
    classifier::finish(kernel, record, &configured, interrupted)
}

#[cfg(test)]
mod tests;
