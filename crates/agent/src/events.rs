//! The gateway's sampled drops, for the one who reads them.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::PathBuf,
    sync::Arc,
};

use abi::{Event, Stage};
use engine::{Map, Records as _, RingReader};
use nix::fcntl::{Flock, FlockArg};

use crate::{
    desired::EVENTS,
    error::Error,
    executor::{CURRENT, map_path},
    gateway,
    place::Place,
    record::Record,
};

/// The reader of a gateway's events. A ring has one: what one reads, another does not see.
pub struct Reader {
    place: Place,
    /// What `current` pointed to.
    current: PathBuf,
    id: u32,
    ring: RingReader,
    /// Interfaces by slot.
    names: BTreeMap<u32, String>,
    _turn: Flock<fs::File>,
}

impl Reader {
    /// Takes the place of the one reader, as long as it lives.
    pub fn open(place: &Place) -> Result<Self, Error> {
        let record = gateway::look(place)?.ok_or(Error::NoGateway)?;
        let turn = turn(place)?;
        let current = current(place)?;
        let (id, ring) = ring(place, &record)?;
        Ok(Self { place: place.clone(), current, id, ring, names: names(&record), _turn: turn })
    }

    /// Hands over every event that is there, with its interface's name. Never waits.
    pub fn drain(&mut self, mut each: impl FnMut(&Event, &str)) {
        let names = &self.names;
        self.ring.drain(&mut |bytes| {
            if let Some(event) = events::rows::event(bytes) {
                let name = names.get(&event.interface).map_or("unknown", String::as_str);
                each(&event, name);
            }
        });
    }

    /// Goes on with the generation that is live now. What the one before has left in a ring of its own is lost with it.
    pub fn follow(&mut self) -> Result<(), Error> {
        let current = current(&self.place)?;
        if current == self.current {
            return Ok(());
        }
        let record = gateway::look(&self.place)?.ok_or(Error::NoGateway)?;
        let (id, ring) = ring(&self.place, &record)?;
        if id != self.id {
            (self.id, self.ring) = (id, ring);
        }
        self.names = names(&record);
        self.current = current;
        Ok(())
    }
}

fn current(place: &Place) -> Result<PathBuf, Error> {
    fs::read_link(place.pins.join(CURRENT)).map_err(|_| Error::NoGateway)
}

fn names(record: &Record) -> BTreeMap<u32, String> {
    record.interfaces.iter().map(|interface| (interface.slot, interface.name.clone())).collect()
}

fn ring(place: &Place, record: &Record) -> Result<(u32, RingReader), Error> {
    if !record.interfaces.iter().any(|interface| interface.stages & Stage::Events.bit() != 0) {
        let none = "this gateway drops nothing, so there are no events: its configuration has no [firewall]";
        return Err(Error::Refused(none.into()));
    }
    let path = map_path(record.generation, EVENTS);
    let map = Map::open_at(&place.pins.join(&path))?;
    let why = || Error::Record { generation: record.generation, why: format!("its pin {path} is missing") };
    let map = Arc::new(map.ok_or_else(why)?);
    Ok((map.id()?, RingReader::new(map)?))
}

/// The right to read, which ends with the process.
fn turn(place: &Place) -> Result<Flock<fs::File>, Error> {
    let path = place.run.join("events.lock");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(Error::io(format!("open {}", path.display())))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut turn) => {
            let written = turn
                .set_len(0)
                .and_then(|()| turn.rewind())
                .and_then(|()| write!(turn, "{}", std::process::id()));
            written.map_err(Error::io(format!("write {}", path.display())))?;
            Ok(turn)
        }
        Err((mut file, _)) => {
            let mut pid = String::new();
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut pid));
            Err(Error::Refused(format!(
                "the events are being read already, by process {}: an event goes to one reader only",
                pid.trim()
            )))
        }
    }
}
