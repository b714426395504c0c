//! Every set of stages passes the verifier and judges a plain frame as it should.

use abi::{Action, Stage};
use engine::PipelineBuilder;

fn udp_frame() -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[17] = 46;
    frame[22] = 64;
    frame[23] = 17;
    frame
}

#[test]
fn every_set_of_stages_loads() {
    for bits in 0..1_u32 << Stage::ALL.len() {
        let stages: Vec<Stage> = Stage::ALL.into_iter().filter(|stage| bits & stage.bit() != 0).collect();
        let pipeline = PipelineBuilder::new(&stages).load().unwrap_or_else(|error| match error {
            engine::Error::ProgramLoad { source, log, .. } => {
                let tail: Vec<&str> = log.lines().rev().take(30).collect();
                panic!("{stages:?}: {source}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"))
            }
            other => panic!("{stages:?}: {other}"),
        });
        let run = pipeline.program().test_run(&udp_frame(), 1).expect("test run");
        eprintln!("{stages:?}: {:?} instructions", pipeline.program().verified_instructions());
        assert_eq!(run.action, Action::Pass as u32, "{stages:?}");
    }
}
