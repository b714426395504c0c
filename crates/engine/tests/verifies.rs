//! Every set of stages passes the verifier and judges a plain frame as it should.

use abi::{Action, Stage};
use engine::{Pipeline, PipelineBuilder, RecordBuffer};

fn udp_frame() -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[17] = 46;
    frame[22] = 64;
    frame[23] = 17;
    frame
}

/// Loads, or shows what the verifier said last.
fn load(builder: &PipelineBuilder, what: &str) -> Pipeline {
    builder.load().unwrap_or_else(|error| match error {
        engine::Error::ProgramLoad { source, log, .. } => {
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            panic!("{what}: {source}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"))
        }
        other => panic!("{what}: {other}"),
    })
}

#[test]
fn every_set_of_stages_loads() {
    for bits in 0..1_u32 << Stage::ALL.len() {
        let stages: Vec<Stage> = Stage::ALL.into_iter().filter(|stage| bits & stage.bit() != 0).collect();
        let pipeline = load(&PipelineBuilder::new(&stages), &format!("{stages:?}"));
        let run = pipeline.program().test_run(&udp_frame(), 1).expect("test run");
        eprintln!("{stages:?}: {:?} instructions", pipeline.program().verified_instructions());
        assert_eq!(run.action, Action::Pass as u32, "{stages:?}");
    }
}

/// The dearest sets with everything of the firewall on.
#[test]
fn the_firewall_loads_with_every_switch() {
    for bits in 0..8_u8 {
        for stages in [&[Stage::Firewall][..], &Stage::ALL] {
            let builder = PipelineBuilder::new(stages)
                .global("FIREWALL_LISTS", bits & 1)
                .global("FIREWALL_BLOCKS", bits >> 1 & 1)
                .global("FIREWALL_DEFAULT_DROP", bits >> 2);
            let what = format!("{stages:?}, switches {bits:03b}");
            let pipeline = load(&builder, &what);
            let run = pipeline.program().test_run(&udp_frame(), 1).expect("test run");
            eprintln!("{what}: {:?} instructions", pipeline.program().verified_instructions());
            let expected = if bits >> 2 == 1 { Action::Drop } else { Action::Pass };
            assert_eq!(run.action, expected as u32, "{what}");
        }
    }
}

#[test]
fn capture_loads_with_every_snaplen_and_buffer() {
    for snaplen in [1, 14, 96, 97, 480, 481, 2016, 2017, 16352, 65504] {
        for buffer in [RecordBuffer::Ring, RecordBuffer::Perf] {
            let builder = PipelineBuilder::new(&[Stage::Capture])
                .global("CAPTURE_SNAPLEN", snaplen)
                .record_buffer(buffer);
            let what = format!("snaplen {snaplen}, {buffer:?}");
            if buffer == RecordBuffer::Ring && RecordBuffer::of_running_kernel() == RecordBuffer::Perf {
                builder.load().expect_err("the kernel was said to lack a helper");
                continue;
            }
            let pipeline = load(&builder, &what);
            eprintln!("{what}: {:?} instructions", pipeline.program().verified_instructions());
        }
    }
}
