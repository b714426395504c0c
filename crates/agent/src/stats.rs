//! What a gateway has counted, as documents: `senko stats --json`, the API and metrics are made of them. Names are stable.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::health::Health;

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Seconds since 1970.
    pub time: f64,
    pub generation: u64,
    /// When the generation was made live, seconds since 1970.
    pub applied_at: f64,
    /// Seconds since then.
    pub age: f64,
    pub health: Health,
    pub interfaces: Vec<InterfaceStats>,
    pub rules: Vec<RuleStats>,
    pub sets: Vec<SetStats>,
    pub blocks: Vec<BlockStats>,
    pub protocols: Vec<SeriesStats>,
    pub maps: Vec<MapStats>,
}

/// What came in by an interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InterfaceStats {
    pub interface: String,
    pub slot: u32,
    /// The program is on it now.
    pub attached: bool,
    /// `native`, `generic` or `offload`; `None`: it is not attached.
    pub mode: Option<String>,
    /// As configured: `auto` is one more.
    pub wanted_mode: String,
    /// Why it is not native, where that was wanted.
    pub fallback: Option<String>,
    /// In the order in which packets meet them.
    pub stages: Vec<String>,
    pub packets: u64,
    pub bytes: u64,
    /// Those of `packets` that were dropped.
    pub drops: u64,
    /// All reasons that the stages can give.
    pub reasons: Vec<ReasonStats>,
}

/// Packets of an interface that were judged for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonStats {
    pub reason: String,
    /// They were dropped.
    pub drop: bool,
    pub packets: u64,
    pub bytes: u64,
}

/// What a rule decided, over all interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStats {
    /// As written, without its list: `198.51.100.7`.
    pub rule: String,
    /// The list: `drop`.
    pub action: String,
    pub section: String,
    pub packets: u64,
    pub bytes: u64,
    pub file: PathBuf,
    pub line: usize,
}

/// What a set decided where a rule names it, over all interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetStats {
    /// As written: `@blocklist`.
    pub set: String,
    /// Without the sign.
    pub name: String,
    pub action: String,
    pub section: String,
    /// Prefixes in it now.
    pub elements: usize,
    pub packets: u64,
    pub bytes: u64,
    pub file: PathBuf,
    pub line: usize,
}

/// A live block and what it dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockStats {
    pub prefix: String,
    /// Seconds since 1970.
    pub since: f64,
    /// When it ends; `None`: when it is unblocked.
    pub until: Option<f64>,
    pub why: Option<String>,
    pub packets: u64,
    pub bytes: u64,
}

/// What a section counts besides rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesStats {
    /// What is told apart: `protocol`, `interface`, `icmp_type`, `malformed`.
    pub by: String,
    #[serde(flatten)]
    pub labels: Labels,
    pub packets: u64,
    pub bytes: u64,
}

/// Names and values in the function's order.
pub type Labels = serde_json::Map<String, serde_json::Value>;

/// How full a map is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapStats {
    pub map: String,
    pub entries: u64,
    pub max_entries: u64,
}

impl Stats {
    /// Sums over all interfaces: packets, bytes, drops.
    pub fn totals(&self) -> (u64, u64, u64) {
        self.interfaces.iter().fold((0, 0, 0), |(packets, bytes, drops), interface| {
            (packets + interface.packets, bytes + interface.bytes, drops + interface.drops)
        })
    }
}
