//! Compiling a configuration with the live edits, and taking over what a live generation has in the kernel.

use std::{collections::BTreeMap, net::IpAddr};

use firewall::ruled::{BUCKET_SEED, MARK_KEY};
use policy::{Contents, Slots, Tables};

use super::{Gateway, slots_of};
use crate::{
    config::{self, Config},
    desired::{self, Desired},
    edits::Edits,
    error::Error,
    executor::map_path,
    kernel::{HostTable, Kernel as _, Maps, Real, Table as _},
    record::Record,
    secret,
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
    let mut desired = desired::compile(&sections, &world, blocks, slots);
    desired.set_everywhere(BUCKET_SEED, secret::of_this_boot());
    desired.set_everywhere(MARK_KEY, secret::of_this_gateway());
    desired
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
            if !matches!(contents, Contents::Prefixes(_)) {
                continue;
            }
            match self.take_over(&maps, name, contents) {
                Some(table) => {
                    tables.insert(name.clone(), table);
                }
                // Whatever it holds: the next change makes it anew.
                None => {
                    if let Some(record) = &mut self.record {
                        record.maps.insert(name.clone(), UNKNOWN.into());
                    }
                }
            }
        }
        self.live = Some(Live { config, maps, tables, slots: desired.slots });
        Ok(())
    }

    /// A table that was filled earlier, with the changes completed that a killed process had begun. `None`: it holds
    /// something else than it should.
    fn take_over(&mut self, maps: &Maps<Real>, name: &str, contents: &Contents) -> Option<HostTable> {
        let mut table = self.kernel.adopt(maps, name, contents).ok()?;
        for prefix in &self.edits.pending {
            table.refresh(*prefix).ok().filter(|fits| *fits)?;
        }
        table.answers(contents).then_some(table)
    }

    /// Completes what a killed process had begun to change. The edits stay pending until it is done.
    pub fn finish_pending(&mut self) -> Result<(), Error> {
        if self.edits.pending.is_empty() || self.record.is_none() {
            return Ok(());
        }
        self.load()?;
        // Also for tables that could not be taken over, or that the change wanted and that are not there yet.
        self.reapply("a change that was interrupted")?;
        self.edits.pending.clear();
        self.write_edits()
    }
}

/// The digest of a table that nobody knows the contents of.
const UNKNOWN: &str = "unknown";
