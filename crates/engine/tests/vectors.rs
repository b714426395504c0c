//! The golden vectors of the functions, in the kernel.

mod kernel;

use std::collections::BTreeMap;

use abi::Stage;
use capture::{cli::FilterArgs, filter::FilterValues};
use clap::Parser as _;
use counter::model;
use engine::PipelineBuilder;
use testkit::{
    prefixes::Lists,
    vectors::{CaptureConfig, CaptureResult, CounterConfig, CounterResult, FirewallResult, NoResult, load},
    world::World,
};

use crate::kernel::{Capturing, Reflecting, filtering::Filtering};

#[test]
fn counter() {
    for vectors in load::<CounterConfig, CounterResult>("counter") {
        let pipeline = kernel::counter(vectors.config.icmp_types);
        for packet in vectors.packets {
            let place = format!("{}: {}", vectors.file, packet.name);
            let before = kernel::counts(&pipeline);
            assert_eq!(kernel::run(&pipeline, &packet.input), (packet.verdict, packet.output), "{place}");
            let counted = kernel::difference(&kernel::counts(&pipeline), &before);
            let rows: Vec<String> = counted.into_keys().map(model::label).collect();
            assert_eq!(rows, packet.result.rows, "{place}");
        }
    }
}

#[derive(Debug, clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    filter: FilterArgs,
}

#[test]
fn capture() {
    for vectors in load::<CaptureConfig, CaptureResult>("capture") {
        let typed = ["dump".to_owned()].into_iter().chain(vectors.config.filter);
        let args = CommandLine::try_parse_from(typed).expect("arguments of senko dump").filter;
        let filter = FilterValues::from_args(&args).expect("a filter that can match");
        let mut capturing = Capturing::load(PipelineBuilder::new(&[Stage::Capture]), &filter, 65504);
        for packet in vectors.packets {
            let place = format!("{}: {}", vectors.file, packet.name);
            let judged = kernel::run(&capturing.pipeline, &packet.input);
            assert_eq!(judged, (packet.verdict, packet.output), "{place}");
            let records = capturing.records();
            assert_eq!(records.len(), usize::from(packet.result.captured), "{place}");
            for (header, bytes) in records {
                assert_eq!((header.reason, bytes), (packet.reason as u32, packet.input.clone()), "{place}");
            }
        }
    }
}

#[test]
fn firewall() {
    for vectors in load::<Lists, FirewallResult>("firewall") {
        let filtering = Filtering::new(&vectors.config, 0);
        // Slots count from 0, through one list after the other.
        let prefixes = [&vectors.config.drop[..], &vectors.config.allow[..]].concat();
        for packet in vectors.packets {
            let place = format!("{}: {}", vectors.file, packet.name);
            let before = (filtering.hits(), filtering.block_hits());
            let expected = (packet.verdict, packet.reason, packet.output);
            assert_eq!(filtering.judge(&packet.input), expected, "{place}");
            let counted = counted(&before.0, &filtering.hits(), &prefixes);
            assert_eq!(counted, Vec::from_iter(packet.result.hit), "{place}");
            let counted = self::counted(&before.1, &filtering.block_hits(), &vectors.config.block);
            assert_eq!(counted, Vec::from_iter(packet.result.block), "{place}");
        }
    }
}

/// Packets and bytes by slot.
type Hits = BTreeMap<u32, (u64, u64)>;

/// The prefixes that were hit between two moments.
fn counted(before: &Hits, after: &Hits, prefixes: &[String]) -> Vec<String> {
    let hit = after.iter().filter(|(slot, hit)| before.get(slot) != Some(hit));
    hit.map(|(slot, _)| prefixes[*slot as usize].clone()).collect()
}

#[test]
fn redirect() {
    for vectors in load::<World, NoResult>("redirect") {
        kernel::in_namespace(|| {
            let reflecting = Reflecting::build(vectors.config, PipelineBuilder::new(&[Stage::Redirect]));
            if !reflecting.can_be_asked() {
                return;
            }
            for packet in vectors.packets {
                let expected = (packet.verdict, packet.reason, packet.output);
                let place = format!("{}: {}", vectors.file, packet.name);
                assert_eq!(reflecting.judge(&packet.input), expected, "{place}");
            }
        });
    }
}
