//! One word for how a gateway is, and why.

use serde::{Deserialize, Serialize};

use crate::stats::{InterfaceStats, MapStats};

/// How a gateway is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub state: State,
    /// What is not as it should be; for people.
    pub why: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Every interface has its program, in the mode that was wanted, and no table is full.
    Ok,
    /// Packets are judged, not all of them or not as fast as was wanted.
    Degraded,
    /// No packet is judged.
    Down,
}

impl State {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// Judges what was read.
pub fn of(interfaces: &[InterfaceStats], maps: &[MapStats]) -> Health {
    let mut why = Vec::new();
    for interface in interfaces {
        let name = &interface.interface;
        match &interface.fallback {
            _ if !interface.attached => why.push(format!("{name} is not attached")),
            Some(fallback) => why.push(format!("{name} is in generic mode: {fallback}")),
            None => {}
        }
    }
    for map in maps.iter().filter(|map| map.entries >= map.max_entries) {
        why.push(format!("table {} is full: {} entries", map.map, map.max_entries));
    }
    let state = match (interfaces.iter().any(|interface| interface.attached), why.is_empty()) {
        (false, _) => State::Down,
        (true, true) => State::Ok,
        (true, false) => State::Degraded,
    };
    if interfaces.is_empty() {
        why.push("the configuration names no interface".into());
    }
    Health { state, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, attached: bool, fallback: Option<&str>) -> InterfaceStats {
        InterfaceStats {
            interface: name.into(),
            slot: 0,
            attached,
            mode: attached.then(|| "native".into()),
            wanted_mode: "auto".into(),
            fallback: fallback.map(Into::into),
            stages: Vec::new(),
            packets: 0,
            bytes: 0,
            drops: 0,
            reasons: Vec::new(),
        }
    }

    #[test]
    fn a_word_for_every_state() {
        let health = |interfaces: &[InterfaceStats], maps: &[MapStats]| of(interfaces, maps);
        let whole = [interface("eth0", true, None)];
        assert_eq!(health(&whole, &[]), Health { state: State::Ok, why: Vec::new() });
        let slow = [interface("eth0", true, Some("no XDP in this driver"))];
        assert_eq!(
            health(&slow, &[]),
            Health {
                state: State::Degraded,
                why: vec!["eth0 is in generic mode: no XDP in this driver".into()]
            }
        );
        let half = [interface("eth0", true, None), interface("eth1", false, None)];
        assert_eq!(health(&half, &[]).state, State::Degraded);
        assert_eq!(health(&half[1..], &[]).state, State::Down);
        assert_eq!(health(&[], &[]).state, State::Down);
        let map = |entries| MapStats { map: "ETHERTYPE_COUNTS".into(), entries, max_entries: 8 };
        assert_eq!(health(&whole, &[map(7)]).state, State::Ok);
        assert_eq!(health(&whole, &[map(8)]).why, ["table ETHERTYPE_COUNTS is full: 8 entries"]);
    }
}
