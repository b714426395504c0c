//! What `top` knows: the last two looks at the gateway, and the last minute of each interface.

use std::collections::{BTreeMap, VecDeque};

use agent::stats::{InterfaceStats, Stats};

/// Looks that are remembered.
pub const REMEMBERED: usize = 60;

pub struct Model {
    pub stats: Stats,
    before: Option<Stats>,
    /// Packets a second, by interface, the newest last.
    history: BTreeMap<String, VecDeque<u64>>,
    pub selected: usize,
    /// The picture stands still.
    pub paused: bool,
}

/// A second's worth of an interface.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    pub packets: f64,
    pub bits: f64,
    pub drops: f64,
}

/// A line of the list of rules: its text, its rate, what it counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    pub text: String,
    pub rate: f64,
    pub packets: u64,
}

impl Model {
    pub fn new(stats: Stats) -> Self {
        Self { stats, before: None, history: BTreeMap::new(), selected: 0, paused: false }
    }

    /// Takes another look in, unless the picture is to stand still.
    pub fn update(&mut self, stats: Stats) {
        if self.paused {
            return;
        }
        self.before = Some(std::mem::replace(&mut self.stats, stats));
        for interface in &self.stats.interfaces {
            let rate = self.rates(interface).packets.round() as u64;
            let history = self.history.entry(interface.interface.clone()).or_default();
            history.push_back(rate);
            while history.len() > REMEMBERED {
                history.pop_front();
            }
        }
        self.selected = self.selected.min(self.stats.interfaces.len().saturating_sub(1));
    }

    pub fn select(&mut self, step: isize) {
        let last = self.stats.interfaces.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(step).min(last);
    }

    pub fn chosen(&self) -> Option<&InterfaceStats> {
        self.stats.interfaces.get(self.selected)
    }

    /// Packets a second of the last minute, the newest last.
    pub fn history(&self, interface: &str) -> impl ExactSizeIterator<Item = u64> {
        self.history.get(interface).into_iter().flatten().copied().collect::<Vec<_>>().into_iter()
    }

    fn former(&self, interface: &str) -> Option<&InterfaceStats> {
        self.before.as_ref()?.interfaces.iter().find(|former| former.interface == interface)
    }

    /// A second's worth of what grew from one number to another.
    fn rate(&self, before: Option<u64>, now: u64) -> f64 {
        let (Some(before), Some(former)) = (before, &self.before) else { return 0.0 };
        let seconds = self.stats.time - former.time;
        if seconds <= 0.0 { 0.0 } else { now.saturating_sub(before) as f64 / seconds }
    }

    pub fn rates(&self, interface: &InterfaceStats) -> Rates {
        let former = self.former(&interface.interface);
        Rates {
            packets: self.rate(former.map(|former| former.packets), interface.packets),
            bits: self.rate(former.map(|former| former.bytes), interface.bytes) * 8.0,
            drops: self.rate(former.map(|former| former.drops), interface.drops),
        }
    }

    /// Reasons of an interface that were met: the name, whether they are drops, a second's worth, all packets.
    pub fn reasons(&self, interface: &InterfaceStats) -> Vec<(bool, Ranked)> {
        let former = self.former(&interface.interface);
        let before = |name: &str| {
            let reasons = former.map(|former| &former.reasons).into_iter().flatten();
            reasons.filter(|reason| reason.reason == name).map(|reason| reason.packets).next()
        };
        let met = interface.reasons.iter().filter(|reason| reason.packets > 0 || reason.drop);
        met.map(|reason| {
            let rate = self.rate(before(&reason.reason), reason.packets);
            (reason.drop, Ranked { text: reason.reason.clone(), rate, packets: reason.packets })
        })
        .collect()
    }

    /// Rules, sets and blocks, the busiest first.
    pub fn rules(&self) -> Vec<Ranked> {
        let before: BTreeMap<String, u64> = self.before.as_ref().map(counted).into_iter().flatten().collect();
        let mut ranked: Vec<Ranked> = counted(&self.stats)
            .map(|(text, packets)| {
                let rate = self.rate(before.get(&text).copied(), packets);
                Ranked { text, rate, packets }
            })
            .collect();
        ranked.sort_by(|a, b| b.rate.total_cmp(&a.rate).then(b.packets.cmp(&a.packets)));
        ranked
    }
}

fn counted(stats: &Stats) -> impl Iterator<Item = (String, u64)> {
    let sets = stats.sets.iter().map(|set| (format!("{} {}", set.action, set.set), set.packets));
    let rules = stats.rules.iter().map(|rule| (format!("{} {}", rule.action, rule.rule), rule.packets));
    let blocks = stats.blocks.iter().map(|block| (format!("block {}", block.prefix), block.packets));
    sets.chain(rules).chain(blocks)
}

#[cfg(test)]
pub mod tests {
    use agent::{
        health::{Health, State},
        stats::{BlockStats, ReasonStats, RuleStats},
    };

    use super::*;

    /// A gateway at a second, with packets and drops of its interfaces.
    pub fn stats(second: u64, interfaces: &[(&str, u64, u64)]) -> Stats {
        let reason = |name: &str, drop, packets| ReasonStats {
            reason: name.into(),
            drop,
            packets,
            bytes: packets * 100,
        };
        let interface = |(name, packets, drops): &(&str, u64, u64)| InterfaceStats {
            interface: (*name).into(),
            slot: 0,
            attached: true,
            mode: Some("native".into()),
            wanted_mode: "auto".into(),
            fallback: None,
            stages: vec!["counter".into(), "firewall".into()],
            packets: *packets,
            bytes: packets * 100,
            drops: *drops,
            reasons: vec![
                reason("unclaimed", false, packets - drops),
                reason("malformed", false, 0),
                reason("firewall_drop", true, *drops),
            ],
        };
        let rule = |text: &str, packets| RuleStats {
            rule: text.into(),
            action: "drop".into(),
            section: "firewall".into(),
            packets,
            bytes: packets * 100,
            file: "/etc/senko/senko.toml".into(),
            line: 1,
        };
        let drops = interfaces.iter().map(|(_, _, drops)| drops).sum();
        Stats {
            time: 1_764_000_000.0 + second as f64,
            generation: 12,
            applied_at: 1_764_000_000.0,
            age: second as f64,
            health: Health { state: State::Ok, why: Vec::new() },
            interfaces: interfaces.iter().map(interface).collect(),
            rules: vec![rule("192.0.2.1", 5), rule("198.51.100.7", drops)],
            sets: Vec::new(),
            blocks: vec![BlockStats {
                prefix: "203.0.113.0/24".into(),
                since: 1_764_000_000.0,
                until: None,
                why: None,
                packets: 0,
                bytes: 0,
            }],
            protocols: Vec::new(),
            maps: Vec::new(),
        }
    }

    #[test]
    fn rates_are_what_grew_by_the_time_between() {
        let mut model = Model::new(stats(0, &[("eth0", 1000, 10)]));
        assert_eq!(model.rates(model.chosen().expect("one")), Rates::default(), "one look is no rate");
        model.update(stats(2, &[("eth0", 3000, 20)]));
        let rates = model.rates(model.chosen().expect("one"));
        assert_eq!(rates, Rates { packets: 1000.0, bits: 800_000.0, drops: 5.0 });
        let rules: Vec<(String, f64)> =
            model.rules().into_iter().map(|rule| (rule.text, rule.rate)).collect();
        let wanted = [("drop 198.51.100.7", 5.0), ("drop 192.0.2.1", 0.0), ("block 203.0.113.0/24", 0.0)];
        assert_eq!(rules, wanted.map(|(text, rate)| (text.to_owned(), rate)));
        let reasons = model.reasons(model.chosen().expect("one"));
        assert_eq!(reasons.len(), 2, "what was never met and is no drop is left out");
        assert_eq!((reasons[1].0, reasons[1].1.rate), (true, 5.0));
    }

    #[test]
    fn a_minute_is_remembered_and_a_pause_is_none_of_it() {
        let mut model = Model::new(stats(0, &[("eth0", 0, 0)]));
        for second in 1..100 {
            model.update(stats(second, &[("eth0", second * second, 0)]));
        }
        let history: Vec<u64> = model.history("eth0").collect();
        assert_eq!((history.len(), history[0], history[59]), (60, 79, 197));
        model.paused = true;
        model.update(stats(200, &[("eth0", 1 << 40, 0)]));
        assert_eq!(model.stats.generation, 12);
        assert_eq!(model.history("eth0").last(), Some(197));
        // Interfaces that go take the choice with them.
        model.paused = false;
        model.select(5);
        model.update(stats(201, &[]));
        assert_eq!((model.selected, model.chosen()), (0, None));
    }
}
