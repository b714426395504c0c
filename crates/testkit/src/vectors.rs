//! Golden vectors: `tests/vectors/*.toml` of a function. A file is one configuration and packets that meet it.
//!
//! ```toml
//! about = "what is shown, and by which RFC"
//! [config]                 # the function's own
//! [[packet]]
//! name = "a TCP segment"
//! in = "02.. .. 0800 45.."  # hex; white space, line breaks and # comments are free
//! verdict = "pass"          # abi::Action
//! reason = "unclaimed"      # abi::Reason, where the stage has one
//! out = "same"              # or hex
//! result = { … }            # what else the function promises
//! ```

use std::{fs, path::Path};

use abi::{Action, Reason};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    about: String,
    #[serde(default)]
    config: toml::Table,
    packet: Vec<RawPacket>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPacket {
    name: String,
    r#in: String,
    verdict: String,
    reason: String,
    out: String,
    #[serde(default)]
    result: toml::Table,
}

/// `[config]` of counter's vectors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CounterConfig {
    pub icmp_types: bool,
}

/// `result` of counter's vectors: the rows that count the packet, as `counter::model::label` writes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CounterResult {
    pub rows: Vec<String>,
}

/// `[config]` of capture's vectors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureConfig {
    /// As typed behind `senko dump IFACE`.
    pub filter: Vec<String>,
}

/// `result` of capture's vectors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureResult {
    pub captured: bool,
}

/// `result` of firewall's vectors. `[config]` is a `prefixes::Lists`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirewallResult {
    /// The prefix that counts the packet.
    pub hit: Option<String>,
    /// The block that does.
    pub block: Option<String>,
}

/// `result` where verdict, reason and bytes are all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoResult {}

/// One file, with the function's own types for configuration and result.
#[derive(Debug)]
pub struct Vectors<C, R> {
    /// File name, for messages.
    pub file: String,
    pub about: String,
    pub config: C,
    pub packets: Vec<Packet<R>>,
}

/// One packet and what becomes of it.
#[derive(Debug)]
pub struct Packet<R> {
    pub name: String,
    pub input: Vec<u8>,
    pub verdict: Action,
    pub reason: Reason,
    pub output: Vec<u8>,
    pub result: R,
}

/// All vector files of the function in crates/functions/`function`, by name.
///
/// # Panics
/// When a file is broken, or there is none: a test must not pass for lack of vectors.
pub fn load<C: DeserializeOwned, R: DeserializeOwned>(function: &str) -> Vec<Vectors<C, R>> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions").join(function).join("tests/vectors");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{}: no vectors", folder.display());
    paths.iter().map(|path| read(path)).collect()
}

fn read<C: DeserializeOwned, R: DeserializeOwned>(path: &Path) -> Vectors<C, R> {
    let name = path.display();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let raw: RawFile = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let config = raw.config.try_into().unwrap_or_else(|error| panic!("{name}: config: {error}"));
    let packets = raw.packet.into_iter().map(|packet| check(&path.display().to_string(), packet)).collect();
    Vectors { file: name.to_string(), about: raw.about, config, packets }
}

fn check<R: DeserializeOwned>(file: &str, raw: RawPacket) -> Packet<R> {
    let place = format!("{file}: {}", raw.name);
    let input = hex(&raw.r#in).unwrap_or_else(|wrong| panic!("{place}: in: {wrong}"));
    let output = match raw.out.as_str() {
        "same" => input.clone(),
        text => hex(text).unwrap_or_else(|wrong| panic!("{place}: out: {wrong}")),
    };
    let verdict = Action::ALL.into_iter().find(|action| action.name() == raw.verdict);
    let reason = Reason::ALL.into_iter().find(|reason| reason.name() == raw.reason);
    Packet {
        input,
        output,
        verdict: verdict.unwrap_or_else(|| panic!("{place}: no verdict is called {}", raw.verdict)),
        reason: reason.unwrap_or_else(|| panic!("{place}: no reason is called {}", raw.reason)),
        result: raw.result.try_into().unwrap_or_else(|error| panic!("{place}: result: {error}")),
        name: raw.name,
    }
}

/// Bytes of hex text; `#` begins a comment, white space is skipped.
pub fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().chars())
        .filter(|c| !c.is_whitespace())
        .collect();
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return Err(format!("{} digits", digits.len()));
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| {
            u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| format!("`{}`", &digits[at..at + 2]))
        })
        .collect()
}
