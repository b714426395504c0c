//! The rows of docs/performance.md.

use std::{fs, io::Write as _, sync::Arc, time::Instant};

use abi::{Action, Stage};
use engine::{
    LoadChoices, LoadedObject, Map, MapChoice, Mode, Pipeline, PipelineBuilder, Records as _, RingReader,
    attach,
};
use firewall::{
    cidr::Cidr,
    compile::Policy,
    list::{List, Verdict},
    shared::Value,
};
use prefix::{Address, LineV4, LineV6, Node, Prefix, PrefixV4, PrefixV6, Sizes, Table, TableV4, TableV6};

use super::{
    cable::{Cable, LEAST, bare_redirect},
    frames, lists,
    measure::{self, Rounds},
    report::{Report, Row},
};
use crate::{commands::firewall::tables::Tables, failure::Failure};

const ANYBODY: [u8; 6] = [0x02, 0, 0, 0, 0, 2];

pub fn run(report: &mut Report) -> Result<(), Failure> {
    floor_rows(report)?;
    random_rows(report)?;
    live_rows(report)?;
    list_rows(report)
}

/// Each stage alone, one packet again and again.
fn floor_rows(report: &mut Report) -> Result<(), Failure> {
    let frame = frames::udp_v4(ANYBODY);
    let count = PipelineBuilder::new(&[Stage::Counter]).load()?;
    let syn = dump(capture::shared::filter::SYN).load()?;
    let port = dump(capture::shared::filter::PORT).global("CAPTURE_PORT", 443_u16).load()?;
    let sixteen: Vec<Cidr> =
        (0..16_u32).filter_map(|i| PrefixV4::new((10 << 24) | (i << 16), 16).map(Cidr::V4)).collect();
    let tables = tables(&sixteen)?;
    let hit = tables.builder().load()?;
    let told = tables.builder().clone().with_stage(Stage::Events).load()?;
    let programs: Vec<(&str, &Pipeline, f64)> = vec![
        ("count", &count, 5.0),
        ("firewall, 16 prefixes, fixed address, dropped", &hit, 10.0),
        ("the same, drops told of as events", &told, 0.0),
        ("dump --syn, not matching", &syn, 5.0),
        ("dump --port, not matching", &port, 5.0),
    ];
    let all: Vec<_> = programs.iter().map(|(_, pipeline, _)| pipeline.program()).collect();
    let (floor, figures) = measure::in_turn(&all, &frame)?;
    for ((name, _, most), ns) in programs.iter().zip(figures) {
        // A row without a bar is there to be compared.
        let most = (*most > 0.0).then_some(*most);
        report.push(Row::over_floor((*name).into(), ns, floor, most));
    }
    Ok(())
}

fn dump(filter: u32) -> PipelineBuilder {
    PipelineBuilder::new(&[Stage::Capture]).global("CAPTURE_FILTER", filter)
}

fn tables(prefixes: &[Cidr]) -> Result<Tables, Failure> {
    let prefixes = prefixes.iter().copied().zip(1..).collect();
    let list = List { name: "bench".into(), verdict: Verdict::Drop, prefixes };
    let policy = Policy::compile(&[list], false).map_err(|twice| Failure::failed(twice.to_string(), None))?;
    Tables::build(policy)
}

/// What looks the random source up, as the bench object numbers it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rival {
    Nothing = 0,
    Tables = 1,
    KernelTrie = 2,
}

/// Our tables beside the kernel's trie, on the same addresses.
fn random_rows(report: &mut Report) -> Result<(), Failure> {
    for (count, words, share, bar) in
        [(100_000, "100 000", 5.0, "≤ 1/5 of the trie"), (1_000_000, "1 000 000", 8.0, "≤ 1/8 of the trie")]
    {
        let name = format!("firewall, {words} IPv4 prefixes /16–/32");
        if report.wants(&name) {
            let prefixes = lists::random_v4(count);
            let rivals = Rivals::v4(&prefixes)?;
            rivals.rows(report, &name, &frames::udp_v4(ANYBODY), Some((1.0 / share, bar)))?;
        }
    }
    for (count, words, bar) in
        [(100_000, "100 000", Some((1.0 / 3.0, "≤ 1/3 of the trie"))), (1_000_000, "1 000 000", None)]
    {
        let name = format!("firewall, {words} IPv6 prefixes /32–/64");
        if report.wants(&name) {
            let prefixes = lists::random_v6(count);
            let rivals = Rivals::v6(&prefixes)?;
            rivals.rows(report, &name, &frames::udp_v6(ANYBODY), bar)?;
        }
    }
    Ok(())
}

/// The same list in our tables and in the kernel's trie, every prefix with a value of its own: equal values would let
/// our tables join neighbours.
struct Rivals {
    maps: Vec<(&'static str, Arc<Map>)>,
}

impl Rivals {
    fn v4(prefixes: &[PrefixV4]) -> Result<Self, Failure> {
        let list: Vec<(PrefixV4, u32)> =
            prefixes.iter().zip(0..).map(|(prefix, slot)| (*prefix, Value::drop(slot).0)).collect();
        let sizes = sizes(Sizes::of(&list))?;
        let samples = samples(prefixes.len(), |at, random| {
            let prefix = prefixes[at];
            let host = (random >> 32) as u32 & u32::MAX.checked_shr(u32::from(prefix.len())).unwrap_or(0);
            [(prefix.addr() | host).to_be(), 0, 0, 0]
        });
        let rivals = Self::maps(
            &samples,
            [("NODES_V4", sizes.nodes), ("LINES_V4", sizes.lines), ("TRIE_V4", prefixes.len() as u32)],
        )?;
        let (nodes, lines) =
            (rivals.map("NODES_V4").mapped::<Node>()?, rivals.map("LINES_V4").mapped::<LineV4>()?);
        TableV4::build(&list, nodes, lines).map_err(|error| Failure::failed(error.to_string(), None))?;
        for (prefix, value) in &list {
            let key = [u32::from(prefix.len()), prefix.addr().to_be()];
            rivals.map("TRIE_V4").set(&key, value)?;
        }
        Ok(rivals)
    }

    fn v6(prefixes: &[PrefixV6]) -> Result<Self, Failure> {
        let list: Vec<(PrefixV6, u32)> =
            prefixes.iter().zip(0..).map(|(prefix, slot)| (*prefix, Value::drop(slot).0)).collect();
        let sizes = sizes(Sizes::of(&list))?;
        let words = |address: u128| [96, 64, 32, 0].map(|shift| ((address >> shift) as u32).to_be());
        let samples = samples(prefixes.len(), |at, random| {
            let prefix = prefixes[at];
            let host = (u128::from(random) << 64 | u128::from(random))
                & u128::MAX.checked_shr(u32::from(prefix.len())).unwrap_or(0);
            words(prefix.addr() | host)
        });
        let rivals = Self::maps(
            &samples,
            [("NODES_V6", sizes.nodes), ("LINES_V6", sizes.lines), ("TRIE_V6", prefixes.len() as u32)],
        )?;
        let (nodes, lines) =
            (rivals.map("NODES_V6").mapped::<Node>()?, rivals.map("LINES_V6").mapped::<LineV6>()?);
        TableV6::build(&list, nodes, lines).map_err(|error| Failure::failed(error.to_string(), None))?;
        for (prefix, value) in &list {
            let [a, b, c, d] = words(prefix.addr());
            rivals.map("TRIE_V6").set(&[u32::from(prefix.len()), a, b, c, d], value)?;
        }
        Ok(rivals)
    }

    fn maps(samples: &[[u32; 4]], sizes: [(&'static str, u32); 3]) -> Result<Self, Failure> {
        let mut choices = LoadChoices::default();
        for (map, entries) in sizes {
            choices
                .maps
                .insert(map.into(), MapChoice { max_entries: Some(entries.max(1)), ..MapChoice::default() });
        }
        let object = engine::load_rivals(&choices)?;
        let mut maps = Vec::new();
        for (name, _) in sizes {
            maps.push((name, object.map(name)?.clone()));
        }
        let map = object.map("SAMPLES")?.clone();
        for (sample, at) in samples.iter().zip(0_u32..) {
            map.set(&at, sample)?;
        }
        maps.push(("SAMPLES", map));
        Ok(Self { maps })
    }

    fn map(&self, name: &str) -> &Map {
        &self.maps.iter().find(|(map, _)| *map == name).expect("the constructor made it").1
    }

    fn program(&self, rival: Rival, sampled: bool) -> Result<LoadedObject, Failure> {
        let mut choices = LoadChoices { programs: vec!["random_source".into()], ..LoadChoices::default() };
        choices.globals.set("RIVAL", rival as u8).set("SAMPLED", u8::from(sampled));
        for (name, map) in &self.maps {
            choices
                .maps
                .insert((*name).into(), MapChoice { reuse: Some(map.clone()), ..MapChoice::default() });
        }
        let object = engine::load_rivals(&choices)?;
        object.map("STATE")?.set_per_cpu(&0_u32, &0x9e37_79b9_7f4a_7c15_u64)?;
        Ok(object)
    }

    /// What each lookup adds to a program that does everything but look up.
    fn rows(
        &self,
        report: &mut Report,
        name: &str,
        frame: &[u8],
        bar: Option<(f64, &str)>,
    ) -> Result<(), Failure> {
        for (sampled, addresses) in [(false, "random addresses"), (true, "addresses inside the prefixes")] {
            let all = [Rival::Nothing, Rival::Tables, Rival::KernelTrie];
            let objects: Vec<LoadedObject> =
                all.into_iter().map(|rival| self.program(rival, sampled)).collect::<Result<_, _>>()?;
            let programs: Vec<_> =
                objects.iter().map(|o| o.program("random_source")).collect::<Result<_, _>>()?;
            let (_, figures) = measure::in_turn(&programs, frame)?;
            let (ours, trie) = (figures[1] - figures[0], figures[2] - figures[0]);
            report.push(Row::ratio(&format!("{name}, {addresses}: the lookup"), ours, "LPM_TRIE", trie, bar));
        }
        Ok(())
    }
}

fn sizes(sizes: Result<Sizes, prefix::ListError>) -> Result<Sizes, Failure> {
    sizes.map_err(|error| Failure::failed(error.to_string(), None))
}

/// As many addresses as the bench object's array holds, each inside a random prefix.
fn samples(prefixes: usize, mut address: impl FnMut(usize, u64) -> [u32; 4]) -> Vec<[u32; 4]> {
    let mut random = lists::Random::new(7);
    (0..1 << 16)
        .map(|_| {
            let at = (random.next() % prefixes as u64) as usize;
            address(at, random.next())
        })
        .collect()
}

/// More than elsewhere: these figures are as noisy as the scheduler.
const LIVE_ROUNDS: usize = 9;

/// Real frames through veth: what a redirect and a capture cost on the way.
fn live_rows(report: &mut Report) -> Result<(), Failure> {
    const DUMP: &str = "dump matching, 96 bytes to the ring buffer, live frames";
    const CROSS: &str = "redirect --to, live frames";
    if !report.wants(DUMP) && !report.wants(CROSS) {
        return Ok(());
    }
    let cable = Cable::new()?;
    let sender = cable.sender()?;
    let r = cable.router();

    let floor = engine::floor(Action::Drop)?;
    // Captured, then dropped like the floor's frames: what goes up the stack would cost more than both.
    let everything = [PrefixV4::new(0, 0).map(Cidr::V4)].into_iter().flatten().collect::<Vec<_>>();
    let tables = tables(&everything)?;
    let captures = tables
        .builder()
        .clone()
        .with_stage(Stage::Capture)
        .map_entries("RECORDS", 256 << 20)
        .global("CAPTURE_SNAPLEN", 96_u32)
        .load()?;
    let mut reader = RingReader::new(captures.map("RECORDS")?.clone())?;
    let firewall = tables.builder().load()?;
    let programs = [&floor, firewall.program(), captures.program()];
    let mut captured = 0;
    let figures = Rounds::run(LIVE_ROUNDS, programs.into_iter(), |program| {
        let attachment = r.run(|| attach(program, "to-h1", Mode::Native))??;
        let ns = cable.time(&sender, "r", "to-h1")?;
        drop(attachment);
        captured += reader.drain(&mut |_| {});
        Ok(ns)
    })?;
    let expected = (LIVE_ROUNDS + 1) * LEAST as usize;
    if captured < expected {
        return Err(Failure::failed(format!("{captured} of {expected} live frames were captured"), None));
    }
    let beside_drop = |name, part, bar| {
        Row::paired(name, figures.median(part), "XDP_DROP", figures.median(0), figures.ratio(part, 0), bar)
    };
    report.push(beside_drop("firewall drop, live frames", 1, None));
    report.push(beside_drop(DUMP, 2, Some((2.0, "≤ 2.0x XDP_DROP"))));

    let sink = cable.sink()?;
    let port = r.interface("to-h2").index;
    let bare = r.run(|| bare_redirect(port))??;
    let ours = PipelineBuilder::new(&[Stage::Redirect]).load()?;
    r.run(|| ours.map("PEER_PORT")?.set(&0_u32, &port))??;
    let programs = [bare.program("bare_redirect")?, ours.program()];
    let figures = Rounds::run(LIVE_ROUNDS, programs.into_iter(), |program| {
        let attachment = r.run(|| attach(program, "to-h1", Mode::Native))??;
        let ns = cable.time(&sender, "h2", "to-r")?;
        drop(attachment);
        Ok(ns)
    })?;
    drop(sink);
    // 0.95 of the bare program's packets a second is 1/0.95 of its time.
    let bar = Some((1.0 / 0.95, "≥ 0.95x the packets of bare bpf_redirect_map"));
    let (ours, bare) = (figures.median(1), figures.median(0));
    report.push(Row::paired(CROSS, ours, "bare bpf_redirect_map", bare, figures.ratio(1, 0), bar));
    Ok(())
}

/// Loading a million prefixes from a file, and what they take.
fn list_rows(report: &mut Report) -> Result<(), Failure> {
    const LOAD: &str = "a list of 1 000 000 IPv4 prefixes: file to tables";
    const V4: &str = "tables of 1 000 000 IPv4 prefixes /16–/32";
    const V6: &str = "tables of 1 000 000 IPv6 prefixes /32–/64";
    const ADOPT_V4: &str = "tables of 1 000 000 IPv4 prefixes /16–/32: taken over";
    const ADOPT_V6: &str = "tables of 1 000 000 IPv6 prefixes /32–/64: taken over";
    if report.wants(LOAD) || report.wants(V4) {
        let prefixes = lists::random_v4(1_000_000);
        let path = std::env::temp_dir().join(format!("senko-bench-{}.txt", std::process::id()));
        let written = write_list(&path, &prefixes);
        let timed = written.and_then(|()| time_load(&path));
        let _ = fs::remove_file(&path);
        report.push(Row::at_most(LOAD, timed?, "s", 3.0));
        let list: Vec<(PrefixV4, u32)> =
            prefixes.iter().zip(1..).map(|(prefix, value)| (*prefix, value)).collect();
        report.push(Row::at_most(V4, sizes(Sizes::of(&list))?.bytes() as f64 / 1e6, "MB", 128.0));
    }
    if report.wants(ADOPT_V4) {
        let ms = time_adoption(lists::random_v4(1_000_000).into_iter())?;
        report.push(Row::at_most(ADOPT_V4, ms, "ms", 200.0));
    }
    if report.wants(ADOPT_V6) {
        let ms = time_adoption(lists::random_v6(1_000_000).into_iter())?;
        report.push(Row::at_most(ADOPT_V6, ms, "ms", 200.0));
    }
    if report.wants(V6) {
        let list: Vec<(PrefixV6, u32)> = lists::random_v6(1_000_000).into_iter().zip(1..).collect();
        report.push(Row::at_most(V6, sizes(Sizes::of(&list))?.bytes() as f64 / 1e6, "MB", 256.0));
    }
    Ok(())
}

/// Milliseconds to take over the tables of a process that is gone.
fn time_adoption<A: Address>(prefixes: impl Iterator<Item = Prefix<A>>) -> Result<f64, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::failed(error.to_string(), None);
    let list: Vec<(Prefix<A>, u32)> = prefixes.zip(1..).collect();
    let built = Table::<A, _, _>::in_memory(&list, 1000).map_err(|error| wrong(&error))?;
    let (nodes, lines) = built.into_storage();
    let begun = Instant::now();
    let table = Table::<A, _, _>::adopt(&list, nodes, lines).map_err(|error| wrong(&error))?;
    let ms = begun.elapsed().as_secs_f64() * 1e3;
    if !table.answers(&list) {
        return Err(Failure::failed("the tables that were taken over are others", None));
    }
    Ok(ms)
}

pub fn write_list(path: &std::path::Path, prefixes: &[PrefixV4]) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::failed(format!("cannot write {}: {error}", path.display()), None);
    let mut file = std::io::BufWriter::new(fs::File::create(path).map_err(failed)?);
    for prefix in prefixes {
        writeln!(file, "{}", Cidr::V4(*prefix)).map_err(failed)?;
    }
    file.flush().map_err(failed)
}

/// Seconds from the file to tables that a program can read.
fn time_load(path: &std::path::Path) -> Result<f64, Failure> {
    let begun = Instant::now();
    let wrong = |error: &dyn std::fmt::Display| Failure::failed(error.to_string(), None);
    let contents = fs::read(path).map_err(|error| wrong(&error))?;
    let list = List::from_file("bench", Verdict::Drop, &contents).map_err(|error| wrong(&error))?;
    let policy = Policy::compile(&[list], false).map_err(|error| wrong(&error))?;
    let tables = Tables::build(policy)?;
    tables.builder().load()?;
    Ok(begun.elapsed().as_secs_f64())
}
