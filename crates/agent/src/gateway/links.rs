//! Interfaces that come, go, are renamed or move to another namespace while the gateway is live.

use abi::Direction;
use policy::Contents;

use super::{Gateway, load};
use crate::{
    error::Error,
    executor::{self, Announcement},
    kernel::Kernel as _,
};

impl Gateway {
    /// Interfaces that are configured and not there.
    pub(super) fn missing(&mut self) -> Result<Vec<String>, Error> {
        let mut missing = Vec::new();
        for interface in self.record.iter().flat_map(|record| &record.interfaces) {
            if self.kernel.ifindex(&interface.name)?.is_none() {
                missing.push(interface.name.clone());
            }
        }
        Ok(missing)
    }

    /// Interfaces that are not ours any more are let go, and those that are there again get their program.
    pub fn reconcile(&mut self) -> Result<Vec<Announcement>, Error> {
        let Some(record) = self.record.clone() else { return Ok(Vec::new()) };
        executor::release(&mut self.kernel, &record)?;
        for interface in &record.interfaces {
            for direction in Direction::ALL.into_iter().filter(|direction| interface.needs(*direction)) {
                if executor::link_of(&mut self.kernel, &interface.name)?.is_some() {
                    let generation = record.generation;
                    executor::classifier::ensure(&mut self.kernel, generation, direction, &interface.name)?;
                }
            }
        }
        let mut missing = Vec::new();
        for interface in &record.interfaces {
            let exists = self.kernel.ifindex(&interface.name)?.is_some();
            if exists && executor::link_of(&mut self.kernel, &interface.name)?.is_none() {
                missing.push(interface.name.clone());
            }
        }
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        self.load()?;
        let live = self.live.as_mut().ok_or(Error::NoGateway)?;
        let addresses = engine::netlink::local_addresses()?;
        let desired = load::compile(&mut live.config, &self.edits, Some(&record), &addresses);
        // Ports of cables that lead there.
        for (name, contents) in &desired.maps {
            if matches!(contents, Contents::Ports { .. } | Contents::PortsByIndex { .. }) {
                self.kernel.fill(&live.maps, name, contents)?;
            }
        }
        let mut record = record;
        let mut announcements = Vec::new();
        for interface in missing {
            let Some(program) = desired.programs.iter().find(|program| program.interface == interface) else {
                continue;
            };
            match executor::attach_later(&mut self.kernel, program, &live.maps, &mut record) {
                Ok(announcement) => announcements.push(announcement),
                // Another program is there, or the interface has just gone: the others are served nevertheless.
                Err(error) => {
                    announcements.push(Announcement::Refused { interface, why: error.diagnose().sentence() })
                }
            }
        }
        self.kernel.write_file(&executor::record_file(record.generation), &record.to_bytes())?;
        self.record = Some(record);
        Ok(announcements)
    }
}
