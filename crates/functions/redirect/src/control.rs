//! From the section to modes and maps.

use std::net::IpAddr;

use abi::{Stage, layout::bytes_of};
use policy::{Contents, Interface, Knob, Slots, Stop, Tables, Valid, World};

use crate::{
    config::Ways,
    shared::{LOCAL_ADDRESSES, PORTS, mode},
};

impl Valid for Ways {
    fn tables(&self, world: &World<'_>, _slots: &mut Slots) -> Tables {
        let mut tables = Tables::default();
        let slot = |name: &str| {
            world.interfaces.iter().find(|interface: &&Interface| interface.name == name).map(|i| i.slot)
        };
        let mut peers = Vec::new();
        for [one, other] in &self.cables {
            for (from, to) in [(one, other), (other, one)] {
                peers.extend(slot(from).map(|slot| (bytes_of(&slot).to_vec(), to.clone())));
                tables.on.insert(from.clone(), knob(mode::CROSS));
            }
        }
        if !peers.is_empty() {
            let peers = Contents::Ports { max_entries: abi::interface::MAX, ports: peers };
            tables.maps.insert("PEER_PORT", peers);
        }
        if self.answering.is_empty() {
            return tables;
        }
        tables.on.extend(self.answering.iter().map(|name| (name.clone(), knob(mode::REFLECT))));
        let mut local: Vec<(Vec<u8>, Vec<u8>)> = world
            .addresses
            .iter()
            .map(|address| (bytes_of(&words(*address)).to_vec(), bytes_of(&1_u32).to_vec()))
            .collect();
        local.sort();
        local.dedup();
        local.truncate(LOCAL_ADDRESSES as usize);
        let local = Contents::Entries { max_entries: LOCAL_ADDRESSES, entries: local };
        let ports = Contents::PortsByIndex { max_entries: PORTS, names: self.free.clone() };
        tables.maps.extend([("LOCAL", local), ("REFLECT_PORTS", ports)]);
        tables
    }

    fn stops(&self, _world: &World<'_>, _frame: &[u8], interface: &str) -> Option<Stop> {
        let [one, other] = self.cables.iter().find(|ends| ends.iter().any(|end| end == interface))?;
        Some(Stop { what: format!("cables = [[\"{one}\", \"{other}\"]]"), at: None, until_sent: false })
    }
}

fn knob(mode: u8) -> Knob {
    let mut knob = Knob { stages: Stage::Redirect.bit(), ..Knob::default() };
    knob.global("REDIRECT_MODE", mode);
    knob
}

/// An address as the stage looks it up: four words in host order, IPv4 in the last.
fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(v4) => [0, 0, 0, v4.to_bits()],
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            [96, 64, 32, 0].map(|shift| (bits >> shift) as u32)
        }
    }
}
