//! Live frames through veth, natively: rules and lists beside a program that only drops, and beside nftables, which has the
//! same frames on the ingress hook of the same interface.

use abi::Action;
use engine::{Mode, Program, attach};
use prefix::PrefixV4;
use rulesets::{Family, FiveTuple, rules, shuffled, trace};

use super::{
    cable::Cable,
    configured::Configured,
    lists,
    measure::Rounds,
    nft::Nft,
    report::{Report, Row},
    suite::write_list,
    trace::PACKETS,
};
use crate::failure::Failure;

const RULES: &str = "firewall, live: 1 000 mixed rules";
const RULES_NFT: &str = "firewall, live: 1 000 mixed rules, beside nftables";
const LISTS: [(usize, &str, f64, &str); 2] = [
    (100_000, "firewall, live: 100 000 prefixes", 1.6, "≤ 1.6x XDP_DROP"),
    (1_000_000, "firewall, live: 1 000 000 prefixes", 2.0, "≤ 2.0x XDP_DROP"),
];
const LIST_NFT: &str = "firewall, live: 100 000 prefixes, beside nftables' set";

const ROUNDS: usize = 9;

/// Of nftables, which takes many times as long for each.
const FEWER: u32 = 100_000;

const AT: &str = "to-h1";

pub fn run(report: &mut Report) -> Result<(), Failure> {
    if report.wants(RULES) || report.wants(RULES_NFT) {
        rule_rows(report)?;
    }
    for (count, name, most, bar) in LISTS {
        if report.wants(name) || (count == LISTS[0].0 && report.wants(LIST_NFT)) {
            list_rows(report, count, name, (most, bar))?;
        }
    }
    Ok(())
}

/// Of all three families, the narrow ones first. All drop, in both, since what goes up the stack costs many times as much as
/// judging it.
fn mixed() -> Vec<FiveTuple> {
    let of = |family, count| rules(family, count, 1).into_iter().map(|rule| FiveTuple { drop: true, ..rule });
    of(Family::Acl, 400).chain(of(Family::IpChain, 300)).chain(of(Family::Firewall, 300)).collect()
}

fn rule_rows(report: &mut Report) -> Result<(), Failure> {
    let list = mixed();
    let texts: Vec<String> = list.iter().map(FiveTuple::text).collect();
    let program = configured(&format!("[firewall]\nrules = {texts:?}\n"))?;
    let cable = Cable::new()?;
    let sending = shuffled(trace(&list, PACKETS, 1));
    let nft = if report.wants(RULES_NFT) { Nft::with_rules(cable.router(), AT, &list)? } else { None };
    let figures = figures(&cable, &sending, &program, nft.as_ref())?;
    report.push(beside_drop(RULES, &figures, (1.5, "≤ 1.5x XDP_DROP")));
    if nft.is_some() {
        report.push(beside_nft(RULES_NFT, &figures, (1.0 / 10.0, "≥ 10x the packets of nftables")));
    }
    Ok(())
}

fn list_rows(report: &mut Report, count: usize, name: &str, bar: (f64, &str)) -> Result<(), Failure> {
    let prefixes = lists::random_v4(count);
    let directory = std::env::temp_dir().join(format!("senko-bench-live-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(|error| Failure::failed(error.to_string(), None))?;
    let path = directory.join("list.txt");
    let program = write_list(&path, &prefixes).and_then(|()| {
        Configured::with_files(
            "[[interface]]\nname = \"bench\"\n[sets]\nlist = { file = \"list.txt\" }\n[firewall]\ndrop = [\"@list\"]\n",
            &directory,
        )
    });
    let _ = std::fs::remove_dir_all(&directory);
    let program = program?.program;
    let cable = Cable::new()?;
    let sending = inside(&prefixes);
    let beside = count == LISTS[0].0 && report.wants(LIST_NFT);
    let nft = if beside { Nft::with_set(cable.router(), AT, &prefixes)? } else { None };
    let figures = figures(&cable, &sending, &program, nft.as_ref())?;
    report.push(beside_drop(name, &figures, bar));
    if nft.is_some() {
        report.push(beside_nft(LIST_NFT, &figures, (1.0 / 3.0, "≥ 3x the packets of nftables")));
    }
    Ok(())
}

fn configured(firewall: &str) -> Result<Program, Failure> {
    Ok(Configured::new(&format!("[[interface]]\nname = \"bench\"\n{firewall}"))?.program)
}

/// Packets from random prefixes of the list, each from anywhere in its prefix.
fn inside(prefixes: &[PrefixV4]) -> Vec<[u32; 5]> {
    let mut random = lists::Random::new(7);
    let source = |prefix: PrefixV4, random: u64| {
        prefix.addr() | (random >> 32) as u32 & u32::MAX.checked_shr(u32::from(prefix.len())).unwrap_or(0)
    };
    (0..PACKETS)
        .map(|_| {
            let at = (random.next() % prefixes.len() as u64) as usize;
            [source(prefixes[at], random.next()), 0x0a00_0002, 12_345, 9, 17]
        })
        .collect()
}

/// What judges the frames: nothing, senko, or nftables, which no frame reaches that a program of XDP drops.
#[derive(Clone, Copy)]
enum Judge<'a> {
    Xdp(&'a Program),
    Nft,
}

/// Nanoseconds a frame: XDP_DROP, senko, nftables.
fn figures(
    cable: &Cable,
    packets: &[[u32; 5]],
    program: &Program,
    nft: Option<&Nft<'_>>,
) -> Result<Rounds, Failure> {
    let sender = cable.trace_sender(packets)?;
    let floor = engine::floor(Action::Drop)?;
    let r = cable.router();
    let mut judges = vec![Judge::Xdp(&floor), Judge::Xdp(program)];
    if nft.is_some() {
        // Without a program a veth takes redirected frames only if it polls, which it does for GRO.
        gro(r)?;
        judges.push(Judge::Nft);
    }
    Rounds::run(ROUNDS, judges.into_iter(), |judge| match judge {
        Judge::Xdp(program) => {
            let attachment = r.run(|| attach(program, AT, Mode::Native))??;
            let ns = cable.time(&sender, "r", AT)?;
            drop(attachment);
            Ok(ns)
        }
        Judge::Nft => cable.time_frames(&sender, "r", AT, FEWER),
    })
}

fn gro(host: &lab::Host) -> Result<(), Failure> {
    let status = host.run(|| std::process::Command::new("ethtool").args(["-K", AT, "gro", "on"]).status())?;
    if status.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let remedy = "install it: apt-get install ethtool";
    Err(Failure::failed("ethtool, which rows beside nftables need, is not here or fails", Some(remedy)))
}

fn beside_drop(name: &str, figures: &Rounds, bar: (f64, &str)) -> Row {
    Row::paired(name, figures.median(1), "XDP_DROP", figures.median(0), figures.ratio(1, 0), Some(bar))
}

fn beside_nft(name: &str, figures: &Rounds, bar: (f64, &str)) -> Row {
    Row::paired(name, figures.median(1), "nftables", figures.median(2), figures.ratio(1, 2), Some(bar))
}

#[cfg(test)]
mod tests {
    use policy::Cidr;

    use super::*;

    #[test]
    fn packets_come_from_prefixes_of_the_list() {
        let prefixes = lists::random_v4(500);
        for [source, ..] in inside(&prefixes).into_iter().take(5000) {
            let address = Cidr::host(std::net::Ipv4Addr::from_bits(source).into());
            assert!(prefixes.iter().any(|prefix| Cidr::V4(*prefix).contains(address)));
        }
    }
}
