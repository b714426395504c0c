//! What each program costs in the kernel that runs this: instructions that the verifier walks, bytes of the translated and of
//! the native code, stack. Held against `budgets.toml`, in which each kernel of the guests and the developers' own has a
//! column.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use abi::{Direction, Stage};
use engine::{
    Error, Globals, LoadChoices, ObjectFile, PipelineBuilder, Program, RecordBuffer, data_path,
    pipeline_object,
};
use firewall::config::Firewall;
use policy::{Slots, Tables};
use redirect::shared::mode;
use serde::{Deserialize, Serialize};
use testkit::sections::Scene;

/// Half of what the verifier walks before it gives up.
const MOST: u64 = 500_000;

/// What a program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 4]", into = "[u64; 4]")]
struct Cost {
    /// Instructions that the verifier walked.
    verified: u64,
    /// Bytes after the verifier's rewriting.
    translated: u64,
    /// Bytes of native code.
    native: u64,
    /// Bytes of stack, of all functions together; those that call each other may have 512.
    stack: u64,
}

/// Costs by program, then by kernel.
type Table = BTreeMap<String, BTreeMap<String, Cost>>;

impl From<[u64; 4]> for Cost {
    fn from([verified, translated, native, stack]: [u64; 4]) -> Self {
        Self { verified, translated, native, stack }
    }
}

impl From<Cost> for [u64; 4] {
    fn from(cost: Cost) -> Self {
        cost.parts().map(|(_, number)| number)
    }
}

impl Cost {
    fn of(program: &Program) -> Self {
        let (translated, native) = program.sizes().expect("the kernel tells");
        let statistics = program.verifier_statistics();
        let stack = statistics.split_once("stack depth ").and_then(|(_, rest)| rest.lines().next());
        let stack = stack.unwrap_or_else(|| panic!("no stack in {statistics}"));
        // 7.2 says the most of any chain of calls behind it.
        let stack = stack.split_once(" max ").map_or(stack, |(each, _)| each);
        Self {
            verified: program.verified_instructions().expect("the verifier counts"),
            translated: translated.into(),
            native: native.into(),
            stack: stack.split('+').map(|part| part.trim().parse::<u64>().expect("bytes")).sum(),
        }
    }

    fn parts(self) -> [(&'static str, u64); 4] {
        [
            ("instructions verified", self.verified),
            ("bytes translated", self.translated),
            ("bytes of native code", self.native),
            ("bytes of stack", self.stack),
        ]
    }
}

/// A section with a rule of each kind.
const RULES: &str = r#"
default = "drop"
allow = ["10.0.0.0/8", "fd00::/16"]
drop = ["10.9.0.0/16"]
rules = [
  "accept established",
  "reject tcp to 10.1.0.0/16 port 23",
  "limit 10/s per source icmp type echo-request",
  "count amplified udp sport {53, 123} length > 512",
  "mark 7 tcp dport 443",
  "accept tcp from @office port {22, 80, 443}",
]
"#;

fn tables() -> Tables {
    let scene = Scene::new(&["eth0"], &[("office", &["192.0.2.0/24", "2001:db8::/32"])]);
    let (valid, problems) = scene.read(&Firewall, RULES);
    let valid = valid.unwrap_or_else(|| panic!("{problems:?}"));
    valid.tables(&scene.world(), &mut Slots::default())
}

/// The programs as their commands load them.
fn programs() -> Vec<(&'static str, Result<Program, Error>)> {
    let tables = tables();
    let sizes: BTreeMap<String, u32> =
        [("FLOWS", 64), ("RULE_SLOTS", 64), ("RULE_CELLS", 64), ("FIREWALL_HITS", 64)]
            .map(|(name, entries)| (name.to_owned(), entries))
            .into();
    let maps = data_path::create_maps(&sizes, &BTreeMap::new()).expect("maps");
    let of_rules = |stages: &[Stage]| {
        let mut globals = Globals::default();
        for (name, bytes) in tables.everywhere.globals.iter().chain(&tables.on["eth0"].globals) {
            globals.set_bytes(name, bytes.clone());
        }
        globals.set("STAGES", stages.iter().fold(0, |bits, stage| bits | stage.bit()));
        globals.set("FIREWALL_BLOCKS", 1_u8).set("FLOW_MASK", 63_u32).set("REDIRECT_MODE", mode::REFLECT);
        globals
    };
    let everything = [Stage::Counter, Stage::Firewall, Stage::Redirect, Stage::Events];
    let tracepoint = |name: &str| {
        let choices = LoadChoices { programs: vec![name.into()], ..LoadChoices::default() };
        ObjectFile::parse(pipeline_object())?
            .load(&choices)
            .map(|mut loaded| loaded.programs.remove(name).expect("loaded"))
    };
    let alone = |builder: PipelineBuilder| builder.load().map(engine::Pipeline::into_program);
    let only = |stage| PipelineBuilder::new(&[stage]);
    let capture = only(Stage::Capture).global("CAPTURE_SNAPLEN", 65504_u32);
    // In `everything` are all stages with every kind of rule; in `gateway` all but reflecting.
    vec![
        ("count", alone(only(Stage::Counter).global("COUNTER_ICMP_TYPES", 1_u8))),
        ("count_frags", alone(only(Stage::Counter).frags())),
        ("dump", alone(capture.clone())),
        ("dump_perf", alone(capture.record_buffer(RecordBuffer::Perf))),
        ("egress", data_path::load_classifier(Direction::Egress, of_rules(&everything), &maps)),
        ("everything", data_path::load_program(of_rules(&everything), false, &maps)),
        (
            "gateway",
            data_path::load_program(
                of_rules(&[Stage::Counter, Stage::Firewall, Stage::Events]),
                false,
                &maps,
            ),
        ),
        ("firewall", alone(only(Stage::Firewall))),
        ("ingress", data_path::load_classifier(Direction::Ingress, of_rules(&everything), &maps)),
        ("redirect_reflect", alone(only(Stage::Redirect).global("REDIRECT_MODE", mode::REFLECT))),
        ("redirect_to", alone(only(Stage::Redirect))),
        ("tracepoint_error", tracepoint("redirect_error")),
        ("tracepoint_transmit", tracepoint("devmap_transmit")),
    ]
}

/// The column: guests say which they are, since the newest kernel has another number each month.
fn kernel() -> String {
    let (major, minor) = engine::kernel_release();
    std::env::var("SENKO_KERNEL").unwrap_or_else(|_| format!("{major}.{minor}"))
}

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/budgets.toml")
}

#[test]
fn no_program_costs_more_than_was_recorded() {
    let kernel = kernel();
    let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
    let mut refused = String::new();
    let has_frags = RecordBuffer::of_running_kernel() == RecordBuffer::Ring;
    for (name, program) in programs() {
        match program {
            // Frames of several buffers and the helper that the ring wants came with the same release.
            Err(_) if name == "count_frags" && !has_frags => {}
            Err(Error::ProgramLoad { source, log, .. }) => {
                let end: Vec<&str> = log.lines().rev().take(6).collect();
                writeln!(refused, "{name}: {source}: {}", end.join(" / ")).expect("memory");
            }
            Err(error) => panic!("{name}: {error}"),
            Ok(program) => {
                assert!(has_frags || name != "count_frags", "a kernel without the helper has frags");
                eprintln!("{name}: {:?}", Cost::of(&program));
                costs.insert(name.into(), Cost::of(&program));
            }
        }
    }
    assert!(refused.is_empty(), "{refused}");
    report(&kernel, &costs);
    if std::env::var_os("SENKO_WRITE_BUDGETS").is_some() {
        // In a guest the report is all that is left of it.
        if std::env::var_os("SENKO_REPORT").is_none() {
            write(&kernel, &costs);
        }
        return;
    }
    let recorded: Table = toml::from_str(include_str!("budgets.toml")).expect("budgets.toml");
    let problems = compare(&kernel, &costs, &recorded);
    let command = if std::env::var_os("SENKO_KERNEL").is_some() {
        "cargo xtask vm --write"
    } else {
        "SENKO_WRITE_BUDGETS=1 cargo test -p engine --test budgets"
    };
    assert!(problems.is_empty(), "{problems}record what it costs now, if that is meant: `{command}`");
}

/// What is over its budget, a line each.
fn compare(kernel: &str, costs: &BTreeMap<String, Cost>, recorded: &Table) -> String {
    let mut problems = String::new();
    for (name, cost) in costs {
        if cost.verified > MOST {
            writeln!(
                problems,
                "{name}: the verifier walks {} instructions, of a million that it may",
                cost.verified
            )
            .expect("memory");
        }
        let Some(before) = recorded.get(name).and_then(|row| row.get(kernel)) else {
            // A kernel that nobody recorded has the verifier's own limit only.
            if std::env::var_os("SENKO_KERNEL").is_some()
                || recorded.values().any(|row| row.contains_key(kernel))
            {
                writeln!(problems, "{name}: no budget for {kernel}").expect("memory");
            }
            continue;
        };
        for ((what, now), (_, then)) in cost.parts().into_iter().zip(before.parts()) {
            if now * 10 > then * 11 {
                writeln!(problems, "{name}: {now} {what}, recorded were {then}").expect("memory");
            }
        }
    }
    problems
}

/// For `cargo xtask vm --write`, which asks all guests.
fn report(kernel: &str, costs: &BTreeMap<String, Cost>) {
    let Ok(folder) = std::env::var("SENKO_REPORT") else { return };
    let table: Table = costs
        .iter()
        .map(|(name, cost)| (name.clone(), BTreeMap::from([(kernel.to_owned(), *cost)])))
        .collect();
    let text = toml::to_string(&table).expect("a table");
    fs::write(Path::new(&folder).join("budgets.toml"), text).expect("the folder is there");
}

/// Writes this kernel's column.
fn write(kernel: &str, costs: &BTreeMap<String, Cost>) {
    let text = fs::read_to_string(path()).unwrap_or_default();
    let mut table: Table = toml::from_str(&text).expect("budgets.toml");
    for row in table.values_mut() {
        row.remove(kernel);
    }
    for (name, cost) in costs {
        table.entry(name.clone()).or_default().insert(kernel.to_owned(), *cost);
    }
    table.retain(|_, row| !row.is_empty());
    let comment: String =
        text.lines().take_while(|line| line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    let table = toml::to_string(&table).expect("a table");
    fs::write(path(), format!("{comment}\n{table}")).expect("the repository can be written");
}

#[test]
fn growth_is_found() {
    let cost = |verified, stack| Cost { verified, translated: 100, native: 100, stack };
    let recorded: Table = [("p".to_owned(), [("6.1".to_owned(), cost(1000, 100))].into())].into();
    let now = |cost| [("p".to_owned(), cost)].into();
    assert_eq!(compare("6.1", &now(cost(1100, 110)), &recorded), "");
    assert!(compare("6.1", &now(cost(1101, 100)), &recorded).contains("1101 instructions verified"));
    assert!(compare("6.1", &now(cost(1000, 111)), &recorded).contains("111 bytes of stack"));
    assert!(compare("6.1", &now(cost(500_001, 100)), &recorded).contains("of a million"));
    assert!(compare("6.1", &[("q".to_owned(), cost(1, 1))].into(), &recorded).contains("no budget for 6.1"));
}
