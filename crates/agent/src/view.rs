//! A live gateway, for whoever only looks: no lock, and nothing that grows with the sets. A view follows the gateway from
//! generation to generation.

mod counters;

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use abi::{Judged, Reason, Stage};
use engine::{Map, MapKind, data_path::PinnedLink};
use firewall::flow_table;
use policy::{Function, Tally, Valid};

use self::counters::Counting;
use crate::{
    config::{self, Files},
    edits::{self, Edits},
    error::Error,
    executor::{CURRENT, map_path, record_file},
    gateway, health,
    place::Place,
    record::{Record, RecordedInterface},
    snapshot::{Kept, Store},
    stats::{BlockStats, InterfaceStats, MapStats, ReasonStats, RuleStats, SeriesStats, SetStats, Stats},
};

/// The maps and the record of the generation that is live.
pub struct View {
    place: Place,
    record: Record,
    /// Which record this is; another one is read when it changes.
    stamp: Stamp,
    maps: BTreeMap<String, Map>,
    sections: Sections,
    edits: (Option<Stamp>, Edits),
}

type Sections = Vec<(&'static dyn Function, Box<dyn Valid>)>;

/// A file as it was when it was read: it is replaced, never written in place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    name: PathBuf,
    inode: u64,
    modified: (i64, i64),
}

/// How often a view is begun anew when generations are exchanged under its hands.
const ATTEMPTS: usize = 10;

impl View {
    pub fn open(place: &Place) -> Result<Self, Error> {
        let mut attempt = 1;
        loop {
            let stamp = Stamp::of_record(place)?;
            match Self::open_once(place, stamp.clone()) {
                // Its pins were retired between two looks.
                Err(_) if attempt < ATTEMPTS && Stamp::of_record(place)? != stamp => attempt += 1,
                done => return done,
            }
        }
    }

    fn open_once(place: &Place, stamp: Stamp) -> Result<Self, Error> {
        let record = gateway::look(place)?.ok_or(Error::NoGateway)?;
        let mut maps = BTreeMap::new();
        for name in record.maps.keys() {
            let path = map_path(record.generation, name);
            // Memory is shown only to who may write it.
            let open = if name == FLOWS { Map::open_at } else { Map::open_to_read };
            let map = open(&place.pins.join(&path))?;
            let why =
                || Error::Record { generation: record.generation, why: format!("its pin {path} is missing") };
            maps.insert(name.clone(), map.ok_or_else(why)?);
        }
        let sections = sections(place, &record)?;
        Ok(Self { place: place.clone(), record, stamp, maps, sections, edits: (None, Edits::default()) })
    }

    /// As of the last [`read`](Self::read).
    pub fn record(&self) -> &Record {
        &self.record
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Goes on with the generation that is live now.
    fn follow(&mut self) -> Result<(), Error> {
        if Stamp::of_record(&self.place)? != self.stamp {
            let edits = std::mem::take(&mut self.edits);
            *self = Self { edits, ..Self::open(&self.place)? };
        }
        let path = self.place.run.join(edits::FILE);
        let stamp = Stamp::of(&path).map_err(Error::io(format!("look at {}", path.display())))?;
        if stamp != self.edits.0 {
            let edits = match &stamp {
                Some(_) => {
                    let read = fs::read(&path).map_err(Error::io(format!("read {}", path.display())))?;
                    Edits::from_bytes(&read)?
                }
                None => Edits::default(),
            };
            self.edits = (stamp, edits);
        }
        Ok(())
    }

    /// Everything that is counted now.
    pub fn read(&mut self) -> Result<Stats, Error> {
        self.follow()?;
        let mut counting = Counting::new(&self.maps);
        let interfaces = self
            .record
            .interfaces
            .iter()
            .map(|interface| self.interface(interface, &mut counting))
            .collect::<Result<Vec<_>, _>>()?;
        let (rules, sets) = self.rules(&mut counting);
        let blocks = self.blocks(&mut counting);
        let protocols = self.series(&mut counting);
        let maps = self.pressure()?;
        counting.finish()?;
        let time = gateway::now();
        Ok(Stats {
            time,
            generation: self.record.generation,
            applied_at: self.record.applied_at,
            age: (time - self.record.applied_at).max(0.0),
            health: health::of(&interfaces, &maps),
            interfaces,
            rules,
            sets,
            blocks,
            protocols,
            maps,
        })
    }

    fn interface(
        &self,
        interface: &RecordedInterface,
        counting: &mut Counting<'_>,
    ) -> Result<InterfaceStats, Error> {
        let has = |stage: Stage| interface.stages & stage.bit() != 0;
        let mut reasons = match self.maps.get("REASONS") {
            Some(map) => engine::reasons(map, interface.slot)?,
            None => BTreeMap::new(),
        };
        // A program that only counts leaves the reasons alone.
        if interface.stages == Stage::Counter.bit() {
            let (whole, malformed) = counter::control::seen(counting, interface.slot);
            reasons.insert(Reason::Malformed, judged(malformed));
            reasons.insert(Reason::Unclaimed, unclaimed(whole, &reasons));
        }
        let reasons: Vec<ReasonStats> = Reason::ALL
            .into_iter()
            .filter_map(|reason| {
                let judged = reasons.get(&reason).copied().unwrap_or(Judged { packets: 0, bytes: 0 });
                // What an earlier generation's stages counted stays in the sums.
                let is_shown = reason.stage().is_none_or(has) || judged.packets != 0;
                is_shown.then(|| ReasonStats {
                    reason: reason.name().into(),
                    drop: reason.is_drop(),
                    packets: judged.packets,
                    bytes: judged.bytes,
                })
            })
            .collect();
        let attached = interface.attached.as_ref().filter(|_| self.is_attached(&interface.name));
        Ok(InterfaceStats {
            interface: interface.name.clone(),
            slot: interface.slot,
            attached: attached.is_some(),
            mode: attached.map(|attached| attached.mode.clone()),
            wanted_mode: interface.mode.clone(),
            fallback: attached.and_then(|attached| attached.fallback.clone()),
            stages: Stage::ALL
                .into_iter()
                .filter(|stage| has(*stage) && *stage != Stage::Events)
                .map(|stage| stage.name().into())
                .collect(),
            packets: reasons.iter().map(|reason| reason.packets).sum(),
            bytes: reasons.iter().map(|reason| reason.bytes).sum(),
            drops: reasons.iter().filter(|reason| reason.drop).map(|reason| reason.packets).sum(),
            reasons,
        })
    }

    /// Whether the gateway's link holds the interface of this name.
    fn is_attached(&self, interface: &str) -> bool {
        let Ok(ifindex) = engine::ifindex(interface) else { return false };
        let pin = self.place.pins.join(format!("links/{ifindex}"));
        let link = PinnedLink::open(&pin).ok().flatten();
        link.and_then(|link| link.facts()).is_some_and(|facts| facts.ifindex == ifindex)
    }

    fn rules(&self, counting: &mut Counting<'_>) -> (Vec<RuleStats>, Vec<SetStats>) {
        let (mut rules, mut sets) = (Vec::new(), Vec::new());
        for counted in &self.record.counted {
            let tally = counting.element(&counted.map, counted.slot);
            let (action, rule) = counted.rule.split_once(' ').unwrap_or(("", &counted.rule));
            let (action, section) = (action.into(), counted.section.clone());
            let (file, line) = (counted.file.clone(), counted.line);
            let Tally { packets, bytes } = tally;
            match &counted.set {
                Some(name) => {
                    let elements = self.record.sets.get(name).map_or(0, |set| set.elements);
                    let (set, name) = (rule.into(), name.clone());
                    sets.push(SetStats { set, name, action, section, elements, packets, bytes, file, line });
                }
                None => {
                    let rule = rule.into();
                    rules.push(RuleStats { rule, action, section, packets, bytes, file, line });
                }
            }
        }
        (rules, sets)
    }

    fn blocks(&self, counting: &mut Counting<'_>) -> Vec<BlockStats> {
        let block = |(prefix, block): (&policy::Cidr, &edits::Block)| {
            let Tally { packets, bytes } = counting.element("BLOCK_HITS", block.slot);
            let (since, until, why) = (block.since, block.until, block.why.clone());
            BlockStats { prefix: prefix.to_string(), since, until, why, packets, bytes }
        };
        self.edits.1.blocks.iter().map(block).collect()
    }

    fn series(&self, counting: &mut Counting<'_>) -> Vec<SeriesStats> {
        let interfaces: Vec<(u32, &str)> =
            self.record.interfaces.iter().map(|known| (known.slot, known.name.as_str())).collect();
        let series = self.sections.iter().flat_map(|(_, valid)| valid.series(counting, &interfaces));
        series
            .map(|series| SeriesStats {
                by: series.name.into(),
                labels: series
                    .labels
                    .into_iter()
                    .map(|(name, text)| (name.into(), value(name, text)))
                    .collect(),
                packets: series.tally.packets,
                bytes: series.tally.bytes,
            })
            .collect()
    }

    /// Maps in which entries are used up while packets pass or blocks come. The hashes among them are small: of types, not
    /// of packets.
    fn pressure(&self) -> Result<Vec<MapStats>, Error> {
        let mut pressure = Vec::new();
        for (name, map) in &self.maps {
            let rules = self.record.counted.iter().filter(|counted| counted.map == *name).count() as u64;
            let entries = match map.spec().kind {
                _ if name == "BLOCK_HITS" => Some(self.edits.1.blocks.len() as u64),
                _ if name == FLOWS => Some(flows(map)?),
                MapKind::PERCPU_ARRAY => (rules > 0).then_some(rules),
                MapKind::PERCPU_HASH => engine::map_use(map.id()?).ok().and_then(|used| used.entries),
                _ => None,
            };
            let mut max_entries = u64::from(map.spec().max_entries);
            if name == FLOWS {
                max_entries *= u64::from(flow_table::FLOWS_PER_BUCKET);
            }
            pressure.extend(entries.map(|entries| MapStats { map: name.clone(), entries, max_entries }));
        }
        Ok(pressure)
    }
}

/// Flows that are remembered now.
fn flows(map: &Map) -> Result<u64, Error> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map(Duration::from);
    let now = flow_table::time(now.unwrap_or_default().as_nanos() as u64);
    Ok(map.look(|buckets: &[flow_table::Words]| flow_table::count(buckets, now))?)
}

/// A table of which each element is a bucket of several.
const FLOWS: &str = "FLOWS";

fn judged(tally: Tally) -> Judged {
    Judged { packets: tally.packets, bytes: tally.bytes }
}

/// Of all whole frames those that an earlier generation's stages did not claim.
fn unclaimed(whole: Tally, reasons: &BTreeMap<Reason, Judged>) -> Judged {
    let others = reasons.iter().filter(|(reason, _)| reason.stage().is_some());
    others.fold(judged(whole), |rest, (_, claimed)| Judged {
        packets: rest.packets.saturating_sub(claimed.packets),
        bytes: rest.bytes.saturating_sub(claimed.bytes),
    })
}

/// Words of labels that are numbers, or nothing, in documents.
fn value(label: &str, text: String) -> serde_json::Value {
    match (label, text.parse::<u64>()) {
        ("ip_version", Err(_)) => serde_json::Value::Null,
        ("ip_version" | "icmp_type", Ok(number)) => number.into(),
        _ => text.into(),
    }
}

impl Stamp {
    /// Of the live generation's record.
    fn of_record(place: &Place) -> Result<Self, Error> {
        for _ in 0..ATTEMPTS {
            let Ok(current) = fs::read_link(place.pins.join(CURRENT)) else { break };
            let number = current.to_str().and_then(|name| name.strip_prefix("generation-")?.parse().ok());
            let Some(number) = number else { break };
            let path = place.run.join(record_file(number));
            if let Some(stamp) = Self::of(&path).map_err(Error::io(format!("look at {}", path.display())))? {
                return Ok(stamp);
            }
        }
        // Says what is the matter, where something is.
        gateway::look(place)?;
        Err(Error::NoGateway)
    }

    /// `None`: there is no such file.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(facts) => Ok(Some(Self {
                name: path.into(),
                inode: facts.ino(),
                modified: (facts.mtime(), facts.mtime_nsec()),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The configuration's sections, as they were applied.
fn sections(place: &Place, record: &Record) -> Result<Sections, Error> {
    let store = Store::of(place);
    let files = WithoutSets { kept: Kept { files: &record.files, store: &store }, main: &record.main };
    let outcome = config::read(&files, &record.main, config::functions());
    let unsound = || Error::Record { generation: record.generation, why: "its files are not sound".into() };
    Ok(outcome.config.ok_or_else(unsound)?.sections)
}

/// A configuration whose files of sets are empty: what is counted does not depend on what is in them, and reading a
/// million lines takes long.
struct WithoutSets<'a> {
    kept: Kept<'a>,
    main: &'a Path,
}

impl Files for WithoutSets<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let fragments = self.main.parent().map(|directory| directory.join("conf.d"));
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        let is_document = path == self.main || (path.parent() == fragments.as_deref() && is_toml);
        if is_document { self.kept.read(path) } else { Ok(Vec::new()) }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.kept.list(dir)
    }
}
