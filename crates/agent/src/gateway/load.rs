//! Compiling a configuration with the live edits, and taking over what a live generation has in the kernel.

use std::{collections::BTreeMap, net::IpAddr};

use policy::{Contents, Slots, Tables};

use super::{Gateway, recorded_set, slots_of};
use crate::{
    config::{self, Config},
    desired::{self, Desired},
    edits::Edits,
    error::Error,
    executor::{map_path, record_file},
    kernel::{HostTable, Kernel as _, Maps, Real, Table as _},
    record::Record,
    snapshot::Kept,
};

/// What live edits work on.
pub struct Live {
    /// With the edits in its sets.
    pub config: Config,
    pub maps: Maps<Real>,
    pub tables: BTreeMap<String, HostTable>,
    pub slots: BTreeMap<String, Slots>,
}

impl Live {
    /// The tables whose maps are still in use, and those that were filled anew.
    pub fn into_tables_of(
        self,
        maps: &Maps<Real>,
        fresh: BTreeMap<String, HostTable>,
    ) -> BTreeMap<String, HostTable> {
        let same = |name: &str| match (self.maps.get(name), maps.get(name)) {
            (Some(old), Some(new)) => matches!((old.id(), new.id()), (Ok(old), Ok(new)) if old == new),
            _ => false,
        };
        let mut tables: BTreeMap<String, HostTable> =
            self.tables.into_iter().filter(|(name, _)| same(name)).collect();
        tables.extend(fresh);
        tables
    }
}

/// What the configuration comes to beside what is live. The edits go into the sets, the live slots to the interfaces.
pub fn compile(config: &mut Config, edits: &Edits, live: Option<&Record>, addresses: &[IpAddr]) -> Desired {
    edits.apply(&mut config.sets);
    let mut slots = slots_of(live);
    desired::interface_slots(&mut config.interfaces, &mut slots);
    let blocks = if edits.blocks.is_empty() {
        Tables::default()
    } else {
        firewall::control::blocks(&edits.block_list())
    };
    let world = config.world(addresses);
    let sections: Vec<desired::Section<'_>> =
        config.sections.iter().map(|(function, valid)| (function.name(), valid.as_ref())).collect();
    desired::compile(&sections, &world, blocks, slots)
}

impl Gateway {
    /// Takes over the live generation's maps and tables, once.
    pub fn load(&mut self) -> Result<(), Error> {
        if self.live.is_some() {
            return Ok(());
        }
        let record = self.record.clone().ok_or(Error::NoGateway)?;
        let generation = record.generation;
        let wrong = |why: &str| Error::Record { generation, why: why.into() };
        let kept = Kept { files: &record.files, store: &self.store };
        let outcome = config::read(&kept, &record.main, config::functions());
        let mut config = outcome.config.ok_or_else(|| wrong("its files are not sound"))?;
        let addresses = engine::netlink::local_addresses()?;
        let desired = compile(&mut config, &self.edits, Some(&record), &addresses);
        let mut maps = Maps::<Real>::new();
        for name in &self.sizes.names {
            let path = map_path(generation, name);
            let map =
                self.kernel.open_map(&path)?.ok_or_else(|| wrong(&format!("its pin {path} is missing")))?;
            maps.insert(name.clone(), map);
        }
        // What the last writer replaced is free for this one once no packet is being looked up in it.
        engine::wait_for_packets()?;
        let mut tables = BTreeMap::new();
        for (name, contents) in &desired.maps {
            // One that the generation was made without comes with the next.
            if matches!(contents, Contents::Prefixes(_)) && record.maps.contains_key(name) {
                tables.insert(name.clone(), self.kernel.adopt(&maps, name, contents)?);
            }
        }
        self.live = Some(Live { config, maps, tables, slots: desired.slots });
        Ok(())
    }

    /// Completes changes of tables that a killed process had begun. Where that cannot be done in the tables that are live,
    /// a new generation has them.
    pub fn finish_pending(&mut self) -> Result<(), Error> {
        let Some(record) = self.record.clone().filter(|_| !self.edits.pending.is_empty()) else {
            return Ok(());
        };
        self.load()?;
        let mut is_whole = true;
        for prefix in self.edits.pending.clone() {
            for (name, prefix, value) in self.answers(prefix)? {
                let table = self.live.as_mut().and_then(|live| live.tables.get_mut(&name));
                let is_right = match table {
                    Some(table) => table.refresh(prefix)?,
                    None => value.is_none() && !record.maps.contains_key(&name),
                };
                if !is_right && let Some(record) = &mut self.record {
                    record.maps.remove(&name);
                }
                is_whole &= is_right;
            }
        }
        if is_whole { self.note_tables()? } else { drop(self.reapply("a change that was interrupted")?) }
        self.edits.pending.clear();
        self.write_edits()
    }

    /// Writes into the record that the tables hold what configuration and edits say.
    fn note_tables(&mut self) -> Result<(), Error> {
        let (Some(live), Some(record)) = (&mut self.live, &mut self.record) else { return Ok(()) };
        let desired = compile(&mut live.config, &self.edits, Some(record), &[]);
        for name in live.tables.keys() {
            if let Some(digest) = desired.digests.get(name) {
                record.maps.insert(name.clone(), digest.clone());
            }
        }
        record.sets = live.config.sets.iter().map(|(name, set)| (name.clone(), recorded_set(set))).collect();
        self.kernel.write_file(&record_file(record.generation), &record.to_bytes())
    }
}
