//! A limit for each source: what a packet pays when a million sources have a bucket each.

use abi::Action;

use super::{
    configured::Configured,
    frames, measure,
    report::{Report, Row},
    trace::{HAND_ON, handing_on},
};
use crate::failure::Failure;

const NAME: &str = "rules: limit per source, 1 000 000 sources";

/// Bits of the source that a counter sets: 2^20 sources.
const SOURCES: u32 = (1 << 20) - 1;

pub fn run(report: &mut Report) -> Result<(), Failure> {
    if !report.wants(NAME) {
        return Ok(());
    }
    let rules = "[firewall]\nrules = [\"limit 1000/s per source\"]\n";
    let Configured { program, .. } = Configured::new(&format!("[[interface]]\nname = \"bench\"\n{rules}"))?;
    let packets = [[0x0a00_0000, 0x0a00_0002, 12_345, 9, 17]];
    let floor = engine::floor(Action::Drop)?;
    let bare = handing_on(&packets, SOURCES, &floor)?;
    let limited = handing_on(&packets, SOURCES, &program)?;
    let programs = [bare.program(HAND_ON)?, limited.program(HAND_ON)?];
    let (_, figures) = measure::in_turn(&programs, &frames::udp_v4([2, 0, 0, 0, 0, 2]))?;
    report.push(Row::over_floor(NAME.into(), figures[1], figures[0], Some(60.0)));
    Ok(())
}
