//! Flows: what a rule with `established` costs a packet that comes in, and remembering them one that goes out.

use firewall::{
    flow::{Flow, Sent},
    flow_table::{SEEDS, Words, hash, is_alive, remember, time},
};

use rulesets::shuffled;

use super::{
    configured::Configured,
    frames, lists,
    report::{Report, Row},
    rules::time as time_of,
    trace::PACKETS,
};
use crate::failure::Failure;

const FLOWS: usize = 1_000_000;
const CONFIGURATION: &str = "[[interface]]\nname = \"bench\"\n\n[firewall]\ndefault = \"drop\"\nflows = 1000000\nrules = [\"accept established\"]\n";

const HIT: &str = "established: hit, 1 M flows";
const FEW: &str = "established: hit, 1 000 of 1 M flows again and again";
const MISS: &str = "established: miss, 1 M flows";
const SENT: &str = "established: a packet that is sent, known flow";

pub fn run(report: &mut Report) -> Result<(), Failure> {
    if ![HIT, FEW, MISS, SENT].iter().any(|row| report.wants(row)) {
        return Ok(());
    }
    let configured = Configured::new(CONFIGURATION)?;
    let known = fill(&configured)?;
    // What comes back: the ends exchanged.
    let answer = |flow: &Flow| {
        let (own, other) = (flow.ports >> 16, flow.ports & 0xffff);
        [flow.destination[0], flow.source[0], other, own, flow.protocol & 0xff]
    };
    // From all of the table, not from its beginning.
    let answers: Vec<[u32; 5]> =
        shuffled(known.iter().map(answer).collect()).into_iter().take(PACKETS).collect();
    let (floor, ns) = time_of(&configured.program, &answers)?;
    report.push(Row::over_floor(HIT.into(), ns, floor, Some(80.0)));
    // The same code without waiting for memory.
    let few: Vec<[u32; 5]> = answers.iter().copied().cycle().take(1000).collect();
    let (floor, ns) = time_of(&configured.program, &few)?;
    report.push(Row::over_floor(FEW.into(), ns, floor, None));
    let strangers: Vec<[u32; 5]> =
        answers.iter().map(|[a, b, c, d, p]| [*a, *b, *c, d ^ 1 << 15, *p]).collect();
    let (floor, ns) = time_of(&configured.program, &strangers)?;
    report.push(Row::over_floor(MISS.into(), ns, floor, None));
    if let Some(egress) = &configured.egress {
        let run = egress.test_run(&frames::udp_v4([2, 0, 0, 0, 0, 2]), 1_000_000)?;
        report.push(Row::measured(SENT, f64::from(run.nanoseconds), "ns"));
    }
    Ok(())
}

/// Writes a million random flows into the table, as the egress program would.
fn fill(configured: &Configured) -> Result<Vec<Flow>, Failure> {
    let seeds: [u64; SEEDS] = configured.maps["FLOW_SEEDS"].get(&0_u32)?.unwrap_or([0; SEEDS]);
    let mut buckets = configured.maps["FLOWS"].mapped::<Words>()?;
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from);
    let now = time(now.unwrap_or_default().as_nanos() as u64);
    let mut random = lists::Random::new(3);
    let mask = buckets.len() - 1;
    let mut flows = Vec::with_capacity(FLOWS);
    for _ in 0..FLOWS {
        let (ends, ports) = (random.next(), random.next() as u32);
        let flow = Flow {
            source: [ends as u32, 0, 0, 0],
            destination: [(ends >> 32) as u32, 0, 0, 0],
            ports,
            protocol: 4 << 8 | if ends & 1 == 0 { 17 } else { 6 },
        };
        let hash = hash(&flow, &seeds);
        remember(&mut buckets[hash as usize & mask], hash, Sent::Data, now);
        flows.push(flow);
    }
    let is_known = |flow: &Flow| {
        let hash = hash(flow, &seeds);
        is_alive(&buckets[hash as usize & mask], hash, now)
    };
    flows.retain(is_known);
    // The table is made for so many, and may lose one in a hundred thousand.
    if FLOWS - flows.len() > 10 {
        return Err(Failure::failed(format!("{} of {FLOWS} flows found room", flows.len()), None));
    }
    Ok(flows)
}
