//! The gateway of a network namespace, for whoever may change it.

mod change;
mod links;
pub(crate) mod load;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use abi::Direction;
use policy::{Problems, Sources};

use self::load::Live;
pub use self::{change::SetChange, load::compile};
use crate::{
    config::{self, Config, Disk, Files},
    confirm::Awaited,
    desired::Desired,
    digest::ListDigest,
    edits::{self, Edits},
    error::Error,
    executor::{self, Announcement},
    kernel::{Kernel as _, Real},
    lines::{self, Change},
    place::{Lock, Place},
    plan::{self, MapSizes, Present},
    record::{Record, RecordedCounter, RecordedSet},
    snapshot::{Kept, Recording, Store, Watched},
};

/// A gateway and the right to change it.
pub struct Gateway {
    place: Place,
    kernel: Real,
    store: Store,
    record: Option<Record>,
    edits: Edits,
    /// What live edits need, once something needed it.
    live: Option<Live>,
    sizes: MapSizes,
    _lock: Lock,
}

/// What an apply came to.
pub struct Applied {
    pub generation: u64,
    /// What is live was what is wanted.
    pub unchanged: bool,
    pub changes: Vec<Change>,
    pub announcements: Vec<Announcement>,
    pub warnings: Problems,
    pub sources: Sources,
    pub took: Duration,
}

/// Why there is no new generation. The old one is live.
pub enum Refused {
    /// The configuration is wrong.
    Configuration {
        problems: Problems,
        sources: Sources,
    },
    Error(Error),
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl Gateway {
    /// Takes the lock and makes whole what a killed process may have left.
    pub fn open(place: Place, patience: Duration) -> Result<Self, Error> {
        let lock = place.lock(patience)?;
        let mut kernel = Real::new(&place)?;
        let record = executor::recover(&mut kernel).map_err(|error| match error {
            Error::Layout { found, .. } => Error::Layout { path: place.pins.clone(), found },
            other => other,
        })?;
        let edits = match kernel.read_file(edits::FILE)? {
            // Edits are of the gateway that is live; without one they are of the past.
            Some(bytes) if record.is_some() => Edits::from_bytes(&bytes)?,
            _ => Edits::default(),
        };
        let sizes = MapSizes { names: engine::data_path::map_specs()?.into_keys().collect() };
        let store = Store::of(&place);
        let mut this = Self { place, kernel, store, record, edits, live: None, sizes, _lock: lock };
        if this.finish_pending().is_err() {
            // The next generation has all tables anew, and until then the edits stay pending.
            if let Some(record) = &mut this.record {
                record.maps.clear();
            }
            this.live = None;
        }
        Ok(this)
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    pub fn edits(&self) -> &Edits {
        &self.edits
    }

    /// Makes what stands in the files live.
    pub fn apply(&mut self, main: &Path, by: &str) -> Result<Applied, Refused> {
        self.apply_files(&Disk, main, by)
    }

    /// Makes a generation's configuration live again, as its files were; live edits stay.
    pub fn rollback(&mut self) -> Result<Applied, Refused> {
        let former = self.former_record()?;
        let kept = Kept { files: &former.files, store: &self.store.clone() };
        let by = format!("rollback to {}", former.generation);
        self.apply_files(&kept, &former.main, &by)
    }

    /// Makes what stands in watched files live; the rest of the configuration stays as it was applied.
    pub fn apply_watched(&mut self) -> Result<Applied, Refused> {
        let record = self.record.clone().ok_or(Error::NoGateway)?;
        let kept = Kept { files: &record.files, store: &self.store.clone() };
        let watched = self.watched().to_vec();
        let files = Watched { kept, watched: &watched };
        self.apply_files(&files, &record.main, "watched file")
    }

    /// Files whose change is applied by itself.
    pub fn watched(&self) -> &[PathBuf] {
        self.live.as_ref().map_or(&[], |live| &live.config.watched)
    }

    /// Where metrics are asked for.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.live.as_ref()?.config.settings.metrics
    }

    /// Makes the live configuration's generation anew, with the live edits as they are.
    fn reapply(&mut self, by: &str) -> Result<Applied, Error> {
        let record = self.record.clone().ok_or(Error::NoGateway)?;
        let kept = Kept { files: &record.files, store: &self.store.clone() };
        self.apply_files(&kept, &record.main, by).map_err(|refused| match refused {
            Refused::Error(error) => error,
            Refused::Configuration { .. } => {
                Error::Record { generation: record.generation, why: "its files are not sound".into() }
            }
        })
    }

    fn apply_files(&mut self, files: &dyn Files, main: &Path, by: &str) -> Result<Applied, Refused> {
        let begun = Instant::now();
        let store = self.store.clone();
        let recording = Recording::new(files, &store);
        let outcome = config::read(&recording, main, config::functions());
        let read = recording.finish()?;
        let Some(mut config) = outcome.config else {
            self.sweep();
            return Err(Refused::Configuration { problems: outcome.problems, sources: outcome.sources });
        };
        let addresses = engine::netlink::local_addresses()?;
        let desired = compile(&mut config, &self.edits, self.record.as_ref(), &addresses);
        let generation = self.record.as_ref().map_or(1, |record| record.generation + 1);
        let mut record = describe(&desired, &config, &outcome.sources, generation, by);
        record.main = main.into();
        record.lines = lines::of(files, &config.files);
        record.files = read;
        record.former = self.record.as_ref().and_then(|live| {
            // The same configuration again, with other live edits, is no way back.
            if live.files == record.files { live.former } else { Some(live.generation) }
        });
        let changes = lines::changes(self.record.as_ref(), &record);
        let unchanged = self.record.as_ref().is_some_and(|live| plan::is_live(live, &desired));
        let mut announcements = if unchanged {
            // Comments and order may differ; they belong to the generation that is live.
            record.keep_from(self.record.as_ref());
            self.kernel.write_file(&executor::record_file(record.generation), &record.to_bytes())?;
            self.record = Some(record);
            if let Some(live) = &mut self.live {
                live.config = config;
            }
            Vec::new()
        } else {
            let announcements = self.execute(desired, record, config)?;
            if !self.edits.pending.is_empty() {
                self.edits.pending.clear();
                self.write_edits()?;
            }
            announcements
        };
        self.sweep();
        announcements.extend(self.reconcile()?);
        for interface in self.missing()? {
            let missing = Announcement::Missing { interface };
            if !announcements.contains(&missing) {
                announcements.push(missing);
            }
        }
        let generation = self.record.as_ref().map_or(generation, |record| record.generation);
        Ok(Applied {
            generation,
            unchanged,
            changes,
            announcements,
            warnings: outcome.problems,
            sources: outcome.sources,
            took: begun.elapsed(),
        })
    }

    fn execute(
        &mut self,
        desired: Desired,
        record: Record,
        config: Config,
    ) -> Result<Vec<Announcement>, Error> {
        let mut present = Present::default();
        let former = self.record.iter().flat_map(|record| &record.interfaces).map(|known| &known.name);
        let all: BTreeSet<&String> =
            former.chain(desired.programs.iter().map(|program| &program.interface)).collect();
        for interface in all {
            for direction in Direction::ALL {
                if executor::classifier::path_of(&mut self.kernel, direction, interface)?.is_some() {
                    present.classified.push((direction, interface.clone()));
                }
            }
        }
        for program in &desired.programs {
            if self.kernel.ifindex(&program.interface)?.is_some() {
                present.exists.push(program.interface.clone());
            }
            if executor::link_of(&mut self.kernel, &program.interface)?.is_some() {
                present.linked.push(program.interface.clone());
            }
        }
        let former = self.record.take();
        let plan = plan::plan(former.as_ref(), &desired, &self.sizes, &present);
        let done = executor::execute(&mut self.kernel, &plan, &desired, record, former.as_ref());
        let executed = match done {
            Ok(executed) => executed,
            Err(error) => {
                self.record = former;
                return Err(error);
            }
        };
        if let Some(live) = self.live.take() {
            // Tables of maps that are shared go on; the others ended with their generation.
            let tables = live.into_tables_of(&executed.maps, executed.tables);
            self.live = Some(Live { config, maps: executed.maps, tables, slots: desired.slots });
        }
        self.record = Some(executed.record);
        Ok(executed.announcements)
    }

    /// Removes records and files that neither the live generation nor the one before it needs.
    fn sweep(&mut self) {
        let Some(live) = &self.record else { return };
        let former = self.former_record().ok();
        let records = [Some(live), former.as_ref()];
        let wanted: BTreeSet<&str> = records
            .into_iter()
            .flatten()
            .flat_map(|record| record.files.iter().map(|(_, digest)| digest.as_str()))
            .collect();
        self.store.sweep(&wanted);
        let kept = [Some(live.generation), live.former];
        let names = std::fs::read_dir(&self.place.run).into_iter().flatten().flatten();
        for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
            let number = name.strip_prefix("generation-").and_then(|rest| rest.strip_suffix(".json"));
            let number = number.and_then(|number| number.parse::<u64>().ok());
            if number.is_some() && !kept.contains(&number) {
                // What cannot be removed now is removed next time.
                let _ = std::fs::remove_file(self.place.run.join(name));
            }
        }
    }

    /// The generation that a rollback leads to.
    pub fn former_record(&self) -> Result<Record, Error> {
        let live = self.record.as_ref().ok_or(Error::NoGateway)?;
        let none = || Error::Refused("there is no configuration before this one".into());
        read_record(&self.place, live.former.ok_or_else(none)?)
    }

    /// Takes the gateway off its interfaces, with all it had in the kernel.
    pub fn clear(&mut self) -> Result<Vec<Announcement>, Error> {
        let mut announcements = Vec::new();
        let interfaces = self.record.iter().flat_map(|record| &record.interfaces);
        for interface in interfaces.map(|interface| interface.name.clone()).collect::<Vec<_>>() {
            if executor::link_of(&mut self.kernel, &interface)?.is_some() {
                announcements.push(Announcement::Detached { interface });
            }
        }
        // What is to be live is forgotten first: a process killed here leaves pins that belong to nothing.
        self.kernel.remove(executor::CURRENT)?;
        // No program asks for what was sent any more before it is not remembered.
        self.kernel.remove(executor::LINKS)?;
        for name in self.kernel.list("")? {
            self.kernel.remove(&name)?;
        }
        (self.record, self.live, self.edits) = (None, None, Edits::default());
        self.kernel.remove_file(edits::FILE)?;
        Awaited::forget(&self.place)?;
        Ok(announcements)
    }

    /// Removes the directories of a gateway that was cleared.
    pub fn leave(self) {
        let place = self.place.clone();
        if self.record.is_none() {
            // Empty directories are no harm, and somebody may be making a new gateway in them.
            let _ = std::fs::remove_dir(&place.pins);
            let _ = std::fs::remove_dir_all(&place.run);
        }
    }
}

/// A record by its generation.
pub fn read_record(place: &Place, generation: u64) -> Result<Record, Error> {
    let path = place.run.join(executor::record_file(generation));
    let bytes = std::fs::read(&path).map_err(|error| Error::Record { generation, why: error.to_string() })?;
    Record::from_bytes(generation, &bytes)
}

/// The live generation's record, for whoever only looks. `None`: there is no gateway.
pub fn look(place: &Place) -> Result<Option<Record>, Error> {
    let layout = std::fs::read_link(place.pins.join("layout"));
    match layout {
        Ok(layout) if layout.as_os_str() == crate::record::LAYOUT => {}
        Ok(layout) => {
            let found = layout.display().to_string();
            return Err(Error::Layout { path: place.pins.clone(), found });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(format!("look into {}", place.pins.display()))(error)),
    }
    let Ok(current) = std::fs::read_link(place.pins.join(executor::CURRENT)) else { return Ok(None) };
    let number = current.to_str().and_then(|name| name.strip_prefix("generation-")?.parse().ok());
    number.map(|number| read_record(place, number)).transpose()
}

/// The live edits, for whoever only looks.
pub fn look_at_edits(place: &Place) -> Result<Edits, Error> {
    if look(place)?.is_none() {
        return Err(Error::NoGateway);
    }
    match std::fs::read(place.run.join(edits::FILE)) {
        Ok(bytes) => Edits::from_bytes(&bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Edits::default()),
        Err(error) => Err(Error::io("read the live edits")(error)),
    }
}

/// A live set with its edits, for whoever only looks.
pub fn look_at_set(place: &Place, name: &str) -> Result<policy::Set, Error> {
    let record = look(place)?.ok_or(Error::NoGateway)?;
    let store = Store::of(place);
    let kept = Kept { files: &record.files, store: &store };
    let config = config::read(&kept, &record.main, config::functions()).config;
    let unsound = || Error::Record { generation: record.generation, why: "its files are not sound".into() };
    let mut config = config.ok_or_else(unsound)?;
    look_at_edits(place)?.apply(&mut config.sets);
    let known: Vec<String> = config.sets.keys().cloned().collect();
    config.sets.remove(name).ok_or_else(|| {
        Error::Refused(match known.is_empty() {
            true => format!("there is no set `{name}`: the configuration has none"),
            false => format!("there is no set `{name}`; there is {}", known.join(", ")),
        })
    })
}

/// What would change: the new configuration's record against the live one.
pub fn preview(place: &Place, main: &Path) -> Result<Preview, Refused> {
    let live = look(place)?;
    let edits = if live.is_some() { look_at_edits(place)? } else { Edits::default() };
    let outcome = config::read(&Disk, main, config::functions());
    let Some(mut config) = outcome.config else {
        return Err(Refused::Configuration { problems: outcome.problems, sources: outcome.sources });
    };
    let addresses = engine::netlink::local_addresses()?;
    let desired = compile(&mut config, &edits, live.as_ref(), &addresses);
    let generation = live.as_ref().map_or(1, |record| record.generation + 1);
    let mut record = describe(&desired, &config, &outcome.sources, generation, "plan");
    record.lines = lines::of(&Disk, &config.files);
    let changes = lines::changes(live.as_ref(), &record);
    let unchanged = live.as_ref().is_some_and(|live| plan::is_live(live, &desired));
    Ok(Preview {
        from: live.map(|record| record.generation),
        generation,
        changes: if unchanged { Vec::new() } else { changes },
        unchanged,
        warnings: outcome.problems,
        sources: outcome.sources,
        desired,
        config,
        edits,
    })
}

/// What `plan` shows.
pub struct Preview {
    pub from: Option<u64>,
    pub generation: u64,
    pub unchanged: bool,
    pub changes: Vec<Change>,
    pub warnings: Problems,
    pub sources: Sources,
    pub desired: Desired,
    pub config: Config,
    /// Those that are live.
    pub edits: Edits,
}

/// A generation's record but for its files.
fn describe(desired: &Desired, config: &Config, sources: &Sources, generation: u64, by: &str) -> Record {
    let mut record = Record::of(desired, generation, now(), by);
    record.counted = desired
        .counted
        .iter()
        .map(|(section, counted)| {
            let (file, line) = counted
                .at
                .map_or_else(Default::default, |at| (sources.path(at).to_path_buf(), sources.line(at)));
            let set = match &counted.subject {
                policy::Subject::Set { set, .. } => Some(set.clone()),
                policy::Subject::Rule(_) => None,
            };
            RecordedCounter {
                section: section.clone(),
                map: counted.map.into(),
                slot: counted.slot,
                rule: counted.subject.rule().into(),
                set,
                file,
                line,
            }
        })
        .collect();
    record.sets = config.sets.iter().map(|(name, set)| (name.clone(), recorded_set(set))).collect();
    record
}

fn recorded_set(set: &policy::Set) -> RecordedSet {
    let mut digest = ListDigest::default();
    set.iter().for_each(|prefix| digest.add(prefix, 0));
    RecordedSet { elements: set.len(), digest: digest.text() }
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Slots that a record has, or none.
fn slots_of(record: Option<&Record>) -> BTreeMap<String, policy::Slots> {
    record.map(Record::slots).unwrap_or_default()
}
