//! Rules: what a packet pays for so many of them, and what compiling and applying them takes.

use std::time::Instant;

use abi::Action;
use engine::Program;
use rulesets::{Family, rules, shuffled, trace as packets_of};

use super::{
    configured::Configured,
    frames, measure,
    report::{Report, Row},
    trace::{self, PACKETS},
};
use crate::failure::Failure;

/// Rules, and nanoseconds over the floor that they may take: of `acl`, and for the others half as much again.
const BARS: [(usize, &str, f64); 4] =
    [(10, "10", 25.0), (1000, "1 000", 50.0), (10_000, "10 000", 80.0), (100_000, "100 000", 150.0)];

const NO_RULES: &str = "rules: none, parse and default accept";

pub fn run(report: &mut Report) -> Result<(), Failure> {
    if report.wants(NO_RULES) {
        let ruled = Ruled::new(&[])?;
        // One packet of a trace of one rule, so that what is judged is the same as below.
        let list = rules(Family::Acl, 10, 1);
        let (floor, ns) = time(&ruled.program, &packets_of(&list, PACKETS, 1))?;
        report.push(Row::over_floor(NO_RULES.into(), ns, floor, Some(12.0)));
    }
    for (family, name, share) in
        [(Family::Acl, "acl", 1.0), (Family::Firewall, "fw", 1.5), (Family::IpChain, "ipc", 1.5)]
    {
        for (count, words, most) in BARS {
            let row = format!("rules: {words} like {name}");
            if !report.wants(&row) {
                continue;
            }
            let list = rules(family, count, 1);
            let texts: Vec<String> = list.iter().map(rulesets::FiveTuple::text).collect();
            let Ok(ruled) = Ruled::new(&texts) else {
                report.push(Row::at_most(&row, 1.0, "refused", 0.0));
                continue;
            };
            let packets = shuffled(packets_of(&list, PACKETS, 1));
            let (floor, ns) = time(&ruled.program, &packets)?;
            report.push(Row::over_floor(row.clone(), ns, floor, Some(most * share)));
            // The bars of compiling are of 10 000 and 100 000 rules.
            let most = match count {
                10_000 => Some((0.3, 16.0)),
                100_000 => Some((5.0, 256.0)),
                _ => None,
            };
            let (compile, tables) = (format!("{row}: compile and load"), format!("{row}: tables"));
            match most {
                Some((seconds, megabytes)) => {
                    report.push(Row::at_most(&compile, ruled.seconds * 1e3, "ms", seconds * 1e3));
                    report.push(Row::at_most(&tables, ruled.bytes as f64 / 1e6, "MB", megabytes));
                }
                None => {
                    report.push(Row::measured(&compile, ruled.seconds * 1e3, "ms"));
                    report.push(Row::measured(&tables, ruled.bytes as f64 / 1e6, "MB"));
                }
            }
        }
    }
    Ok(())
}

/// A gateway's program with rules, as it would load it.
struct Ruled {
    program: Program,
    /// From the text to the loaded program.
    seconds: f64,
    /// Of the trees.
    bytes: usize,
}

impl Ruled {
    fn new(rules: &[String]) -> Result<Self, Failure> {
        let mut text = String::from("[[interface]]\nname = \"bench\"\n\n[firewall]\nrules = [\n");
        for rule in rules {
            text.extend(["  \"", rule, "\",\n"]);
        }
        text.push_str("]\n");
        let begun = Instant::now();
        let Configured { program, bytes, .. } = Configured::new(&text)?;
        Ok(Self { program, seconds: begun.elapsed().as_secs_f64(), bytes })
    }
}

/// Nanoseconds a packet: of packets that are made and dropped, and of packets that are made and judged.
pub fn time(program: &Program, packets: &[[u32; 5]]) -> Result<(f64, f64), Failure> {
    let floor = engine::floor(Action::Drop)?;
    let bare = trace::handing_on(packets, 0, &floor)?;
    let judged = trace::handing_on(packets, 0, program)?;
    let programs = [bare.program(trace::HAND_ON)?, judged.program(trace::HAND_ON)?];
    let (_, figures) = measure::in_turn(&programs, &frames::udp_v4([2, 0, 0, 0, 0, 2]))?;
    Ok((figures[0], figures[1]))
}
