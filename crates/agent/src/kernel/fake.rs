//! A kernel in memory. Any operation can be made to fail, or to be the last before the process is killed; after each one it
//! is checked that no interface was left without its program.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    io,
    rc::Rc,
};

use abi::Direction;
use engine::Mode;
use policy::{Cidr, Contents, PrefixTable};

use super::{Attached, ClassifierFacts, Kernel, LinkFacts, Maps, Table};
use crate::{desired::Program, error::Error};

type Values = Rc<RefCell<BTreeMap<Cidr, u32>>>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pin {
    Directory,
    Symlink(String),
    Map(u32),
    Program(u32),
    Link(u32),
    Classifier,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    ifindex: u32,
    program: u32,
}

/// What happens to the next operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fate {
    #[default]
    Works,
    /// The operation with this number, from 1, fails.
    FailsAt(usize),
    /// The process is killed after so many operations.
    KilledAfter(usize),
}

#[derive(Debug, Default)]
pub struct Fake {
    /// Interfaces by name.
    pub interfaces: BTreeMap<String, u32>,
    /// The maps that the data path names.
    pub map_names: Vec<String>,
    pub fate: Fate,
    pub operations: usize,
    pins: BTreeMap<String, Pin>,
    pub files: BTreeMap<String, Vec<u8>>,
    next_id: u32,
    maps: BTreeMap<u32, (String, Values)>,
    /// What each program was told, and the maps it reads.
    programs: BTreeMap<u32, (String, Vec<u32>)>,
    links: BTreeMap<u32, Link>,
    /// Programs that do their work with others beside them.
    needing: BTreeSet<(Direction, u32)>,
    /// Those others, by their pins.
    classifiers: BTreeMap<String, (Direction, Link)>,
    /// Interfaces that must not be without a program at any moment.
    pub guarded: BTreeSet<u32>,
    zeroed: Vec<u32>,
}

/// A map's name and what is in it.
type MapContents = (String, BTreeMap<Cidr, u32>);

/// What packets and successors can see.
#[derive(Debug, PartialEq, Eq)]
pub struct Visible {
    pins: BTreeMap<String, String>,
    files: BTreeMap<String, Vec<u8>>,
    /// By interface: what its program was told, and the contents of the maps it reads.
    hooks: BTreeMap<u32, (String, Vec<MapContents>)>,
    /// The same of the programs beside it.
    classifiers: BTreeMap<(Direction, u32), (String, Vec<MapContents>)>,
}

impl Visible {
    /// Whether frames of one of these interfaces meet what they meet there.
    pub fn meets(&self, there: &Self, interfaces: &BTreeSet<u32>) -> bool {
        interfaces.iter().any(|interface| {
            self.hooks.get(interface).is_some_and(|hook| there.hooks.get(interface) == Some(hook))
        })
    }
}

impl Fake {
    pub fn with(interfaces: &[&str], map_names: &[&str]) -> Self {
        let map_names = map_names.iter().map(|name| (*name).into()).collect();
        Self {
            map_names,
            interfaces: interfaces.iter().map(|name| (*name).into()).zip(1..).collect(),
            ..Self::default()
        }
    }

    /// The process ends: what is not pinned is gone. Its successor's operations work.
    pub fn restart(&mut self) {
        let pinned: BTreeSet<u32> = self
            .pins
            .values()
            .filter_map(|pin| if let Pin::Link(id) = pin { Some(*id) } else { None })
            .collect();
        self.links.retain(|id, _| pinned.contains(id));
        self.fate = Fate::Works;
        self.operations = 0;
    }

    pub fn visible(&self) -> Visible {
        let told = |program: u32| {
            let (told, maps) = &self.programs[&program];
            let contents = |id: &u32| {
                let (name, values) = &self.maps[id];
                (name.clone(), values.borrow().clone())
            };
            (told.clone(), maps.iter().map(contents).collect())
        };
        let pins = self.pins.iter().map(|(path, pin)| {
            let what = match pin {
                Pin::Directory => "directory".into(),
                Pin::Symlink(target) => format!("-> {target}"),
                Pin::Map(id) => format!("map {}", self.maps[id].0),
                Pin::Program(id) => format!("program {}", self.programs[id].0),
                Pin::Link(id) => format!("link of {}", self.links[id].ifindex),
                Pin::Classifier => "classifier".into(),
            };
            (path.clone(), what)
        });
        Visible {
            pins: pins.collect(),
            files: self.files.clone(),
            hooks: self.links.values().map(|link| (link.ifindex, told(link.program))).collect(),
            classifiers: self
                .classifiers
                .values()
                .map(|(direction, link)| ((*direction, link.ifindex), told(link.program)))
                .collect(),
        }
    }

    /// Generations that have pins.
    pub fn generations(&self) -> BTreeSet<String> {
        self.pins
            .keys()
            .filter_map(|path| path.split('/').next())
            .filter(|name| name.starts_with("generation"))
            .map(Into::into)
            .collect()
    }

    fn begin(&mut self, what: &str) -> Result<(), Error> {
        self.operations += 1;
        let fails = match self.fate {
            Fate::Works => false,
            Fate::FailsAt(at) => self.operations == at,
            Fate::KilledAfter(after) => self.operations > after,
        };
        if fails {
            Err(Error::io(format!("{what} (operation {})", self.operations))(io::ErrorKind::Other.into()))
        } else {
            Ok(())
        }
    }

    fn check(&self) {
        for (direction, program) in &self.needing {
            for link in self.links.values().filter(|link| link.program == *program) {
                let mut others = self.classifiers.values();
                let has = others.any(|(known, other)| known == direction && other.ifindex == link.ifindex);
                assert!(has, "interface {}: its program needs one on {}", link.ifindex, direction.name());
            }
        }
        for ifindex in &self.guarded {
            let hooked = self.links.values().filter(|link| link.ifindex == *ifindex).count();
            assert_eq!(
                hooked, 1,
                "interface {ifindex} has {hooked} programs after operation {}",
                self.operations
            );
        }
    }

    fn id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    fn pin(&mut self, path: &str, pin: Pin) -> Result<(), Error> {
        let parent = path.rsplit_once('/').map(|(parent, _)| parent);
        assert!(
            parent.is_none_or(|parent| self.pins.get(parent) == Some(&Pin::Directory)),
            "no directory for {path}"
        );
        if self.pins.contains_key(path) {
            return Err(Error::io(format!("pin {path}"))(io::ErrorKind::AlreadyExists.into()));
        }
        self.pins.insert(path.into(), pin);
        Ok(())
    }
}

impl Kernel for Fake {
    type Map = u32;
    type Program = u32;
    type Link = u32;
    type Table = FakeTable;

    fn create_maps(
        &mut self,
        sizes: &BTreeMap<String, u32>,
        shared: &Maps<Self>,
    ) -> Result<Maps<Self>, Error> {
        self.begin("create maps")?;
        let mut maps = shared.clone();
        let missing: Vec<String> =
            self.map_names.iter().filter(|name| !maps.contains_key(*name)).cloned().collect();
        assert!(sizes.keys().all(|name| missing.contains(name)), "{sizes:?}");
        for name in &missing {
            let id = self.id();
            self.maps.insert(id, (name.clone(), Values::default()));
            maps.insert(name.clone(), id);
        }
        Ok(maps)
    }

    fn fill(
        &mut self,
        maps: &Maps<Self>,
        name: &str,
        contents: &Contents,
    ) -> Result<Option<FakeTable>, Error> {
        self.begin("fill")?;
        let Contents::Prefixes(table) = contents else { return Ok(None) };
        let values = self.maps[&maps[name]].1.clone();
        values.borrow_mut().extend(list(table));
        Ok(Some(FakeTable(values)))
    }

    fn adopt(&mut self, maps: &Maps<Self>, name: &str, _: &Contents) -> Result<FakeTable, Error> {
        Ok(FakeTable(self.maps[&maps[name]].1.clone()))
    }

    fn zero(&mut self, map: &u32, _: &[u32]) -> Result<(), Error> {
        self.begin("zero")?;
        self.zeroed.push(*map);
        Ok(())
    }

    fn load(&mut self, program: &Program, _: bool, maps: &Maps<Self>) -> Result<u32, Error> {
        self.begin("load")?;
        let id = self.id();
        self.programs.insert(id, (program.digest(), maps.values().copied().collect()));
        self.needing.extend(
            Direction::ALL
                .into_iter()
                .filter(|direction| program.knob.needs(*direction))
                .map(|direction| (direction, id)),
        );
        Ok(id)
    }

    fn load_classifier(
        &mut self,
        program: &Program,
        direction: Direction,
        maps: &Maps<Self>,
    ) -> Result<u32, Error> {
        self.begin("load a classifier")?;
        let id = self.id();
        let told = format!("{} of {}", direction.name(), program.digest());
        self.programs.insert(id, (told, maps.values().copied().collect()));
        Ok(id)
    }

    fn attach_classifier(
        &mut self,
        program: &u32,
        direction: Direction,
        ifindex: u32,
        path: &str,
    ) -> Result<(), Error> {
        self.begin("attach a classifier")?;
        self.pin(path, Pin::Classifier)?;
        self.classifiers.insert(path.into(), (direction, Link { ifindex, program: *program }));
        Ok(())
    }

    fn switch_classifier(&mut self, path: &str, direction: Direction, program: &u32) -> Result<(), Error> {
        self.begin("switch a classifier")?;
        let (known, link) = self.classifiers.get_mut(path).expect("a pin that was looked at");
        assert_eq!(*known, direction, "{path}");
        link.program = *program;
        Ok(())
    }

    fn classifier_facts(&mut self, direction: Direction, path: &str) -> Option<ClassifierFacts> {
        let (known, Link { ifindex, program }) = *self.classifiers.get(path)?;
        assert_eq!(known, direction, "{path}");
        let exists = self.interfaces.values().any(|known| *known == ifindex);
        Some(ClassifierFacts { ifindex: if exists { ifindex } else { 0 }, program_id: program })
    }

    fn program_id(&self, program: &u32) -> Result<u32, Error> {
        Ok(*program)
    }

    fn attach(
        &mut self,
        program: &Program,
        loaded: &mut u32,
        _: &Maps<Self>,
    ) -> Result<Attached<u32>, Error> {
        self.begin("attach")?;
        let ifindex = self.interfaces[&program.interface];
        assert!(!self.links.values().any(|link| link.ifindex == ifindex), "attached twice");
        let id = self.id();
        self.links.insert(id, Link { ifindex, program: *loaded });
        self.check();
        Ok(Attached { link: id, mode: Mode::Native, fallback: None, frags: false })
    }

    fn switch(&mut self, link: &u32, program: &u32) -> Result<(), Error> {
        self.begin("switch")?;
        self.links.get_mut(link).expect("a link that was opened").program = *program;
        self.check();
        Ok(())
    }

    fn link_facts(&self, link: &u32) -> Option<LinkFacts> {
        let Link { ifindex, program } = *self.links.get(link)?;
        let exists = self.interfaces.values().any(|known| *known == ifindex);
        Some(LinkFacts { id: *link, ifindex: if exists { ifindex } else { 0 }, program_id: program })
    }

    fn ifindex(&mut self, interface: &str) -> Result<Option<u32>, Error> {
        Ok(self.interfaces.get(interface).copied())
    }

    fn pin_map(&mut self, map: &u32, path: &str) -> Result<(), Error> {
        self.begin("pin a map")?;
        self.pin(path, Pin::Map(*map))
    }

    fn pin_program(&mut self, program: &u32, path: &str) -> Result<(), Error> {
        self.begin("pin a program")?;
        self.pin(path, Pin::Program(*program))
    }

    fn pin_link(&mut self, link: u32, path: &str) -> Result<u32, Error> {
        // The value is dropped with the error, and so the link ends.
        self.begin("pin a link").inspect_err(|_| {
            self.links.remove(&link);
        })?;
        self.pin(path, Pin::Link(link))?;
        Ok(link)
    }

    fn open_map(&mut self, path: &str) -> Result<Option<u32>, Error> {
        self.begin("open a map")?;
        Ok(self.pins.get(path).and_then(|pin| if let Pin::Map(id) = pin { Some(*id) } else { None }))
    }

    fn open_program(&mut self, path: &str) -> Result<Option<u32>, Error> {
        self.begin("open a program")?;
        Ok(self.pins.get(path).and_then(|pin| if let Pin::Program(id) = pin { Some(*id) } else { None }))
    }

    fn open_link(&mut self, path: &str) -> Result<Option<u32>, Error> {
        Ok(self.pins.get(path).and_then(|pin| if let Pin::Link(id) = pin { Some(*id) } else { None }))
    }

    fn make_directory(&mut self, path: &str) -> Result<(), Error> {
        self.begin("make a directory")?;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            self.pins.entry(path[..end].into()).or_insert(Pin::Directory);
        }
        Ok(())
    }

    fn list(&mut self, path: &str) -> Result<Vec<String>, Error> {
        let inside = |name: &&String| match path {
            "" => !name.contains('/'),
            _ => {
                name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/') && !rest[1..].contains('/'))
            }
        };
        Ok(self
            .pins
            .keys()
            .filter(inside)
            .map(|name| name.rsplit('/').next().unwrap_or(name).into())
            .collect())
    }

    fn remove(&mut self, path: &str) -> Result<(), Error> {
        self.begin("remove")?;
        let below = format!("{path}/");
        let gone: Vec<String> =
            self.pins.keys().filter(|name| *name == path || name.starts_with(&below)).cloned().collect();
        for name in gone {
            match self.pins.remove(&name) {
                Some(Pin::Link(id)) => drop(self.links.remove(&id)),
                Some(Pin::Classifier) => drop(self.classifiers.remove(&name)),
                _ => {}
            }
        }
        self.check();
        Ok(())
    }

    fn point(&mut self, name: &str, target: &str) -> Result<(), Error> {
        self.begin("point")?;
        self.pins.insert(name.into(), Pin::Symlink(target.into()));
        Ok(())
    }

    fn pointed(&mut self, name: &str) -> Result<Option<String>, Error> {
        Ok(self
            .pins
            .get(name)
            .and_then(|pin| if let Pin::Symlink(target) = pin { Some(target.clone()) } else { None }))
    }

    fn write_file(&mut self, name: &str, contents: &[u8]) -> Result<(), Error> {
        self.begin("write a file")?;
        self.files.insert(name.into(), contents.to_vec());
        Ok(())
    }

    fn read_file(&mut self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.files.get(name).cloned())
    }

    fn remove_file(&mut self, name: &str) -> Result<(), Error> {
        self.begin("remove a file")?;
        self.files.remove(name);
        Ok(())
    }
}

fn list(table: &PrefixTable) -> Vec<(Cidr, u32)> {
    match table {
        PrefixTable::V4 { list, .. } => {
            list.iter().map(|(prefix, value)| (Cidr::V4(*prefix), *value)).collect()
        }
        PrefixTable::V6 { list, .. } => {
            list.iter().map(|(prefix, value)| (Cidr::V6(*prefix), *value)).collect()
        }
    }
}

pub struct FakeTable(Values);

impl Table for FakeTable {
    fn set(&mut self, prefix: Cidr, value: Option<u32>) -> Result<bool, Error> {
        match value {
            Some(value) => self.0.borrow_mut().insert(prefix, value),
            None => self.0.borrow_mut().remove(&prefix),
        };
        Ok(true)
    }

    fn get(&self, prefix: Cidr) -> Option<u32> {
        self.0.borrow().get(&prefix).copied()
    }

    fn answers(&self, contents: &Contents) -> bool {
        let Contents::Prefixes(table) = contents else { return false };
        list(table).into_iter().collect::<BTreeMap<Cidr, u32>>() == *self.0.borrow()
    }

    fn refresh(&mut self, _: Cidr) -> Result<bool, Error> {
        Ok(true)
    }

    fn quiesce(&mut self) {}
}
