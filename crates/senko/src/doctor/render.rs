//! The report as people read it: one line a check, and below it what fixes it.

use std::io::{self, Write};

use super::{
    check::{Check, State},
    probes,
    report::{Interface, Report},
    system,
};
use crate::render::Table;

/// Areas of many checks, which become one line when all is well.
const FOLDED: [(&str, &str); 6] = [
    (system::CONFIG, "options set"),
    (system::CAPABILITIES, "held"),
    (probes::PROGRAMS, "load"),
    (probes::MAPS, "can be made"),
    (probes::HELPERS, "can be called"),
    (probes::OPERATIONS, "work"),
];

/// With `all`, every check has its line.
pub fn report(out: &mut impl Write, report: &Report, all: bool) -> io::Result<()> {
    writeln!(out, "System")?;
    for check in report.checks.iter().filter(|check| check.area == system::KERNEL) {
        line(out, check, &check.name)?;
    }
    for (area, verb) in FOLDED {
        let checks: Vec<&Check> = report.checks.iter().filter(|check| check.area == area).collect();
        folded(out, report, area, verb, &checks, all)?;
    }
    writeln!(out)?;
    if report.in_detail {
        for interface in &report.interfaces {
            writeln!(out, "Interface {}", interface.name)?;
            for check in &interface.checks {
                line(out, check, &check.name.replace('_', " "))?;
            }
            writeln!(out)?;
        }
    } else {
        summary(out, &report.interfaces)?;
        writeln!(out)?;
    }
    writeln!(out, "Verdict: {}: {}", report.verdict.state.word(), report.verdict.summary)
}

fn folded(
    out: &mut impl Write,
    report: &Report,
    area: &str,
    verb: &str,
    checks: &[&Check],
    all: bool,
) -> io::Result<()> {
    let good = checks.iter().filter(|check| check.state == State::Ok).count();
    if all {
        for check in checks {
            line(out, check, &check.name)?;
        }
        return Ok(());
    }
    // Nothing of the area could be tried: once is enough.
    if let [first, _, ..] = checks
        && checks.iter().all(|check| check.state == State::Unknown && check.found == first.found)
    {
        let remedy = first.remedy.as_deref().unwrap_or_default();
        return writeln!(out, "  {:<8}{area:<18}{}: {remedy}", State::Unknown.word(), first.found);
    }
    if good > 0 {
        let mut found = format!("{good} of {} {verb}", checks.len());
        if area == system::CONFIG
            && let Some(source) = &report.kernel.config_source
        {
            found += &format!(" ({source})");
        }
        writeln!(out, "  {:<8}{area:<18}{found}", State::Ok.word())?;
    }
    let rest: Vec<&&Check> = checks.iter().filter(|check| check.state != State::Ok).collect();
    for (at, check) in rest.iter().enumerate() {
        // One command for several: it is said once, below the last.
        let said_below = rest.get(at + 1).is_some_and(|next| next.remedy == check.remedy);
        let remedy = check.remedy.as_deref().filter(|_| !said_below);
        finding(out, check, &check.name, remedy)?;
    }
    Ok(())
}

fn line(out: &mut impl Write, check: &Check, name: &str) -> io::Result<()> {
    finding(out, check, name, check.remedy.as_deref())
}

fn finding(out: &mut impl Write, check: &Check, name: &str, remedy: Option<&str>) -> io::Result<()> {
    writeln!(out, "  {:<8}{name:<18}{}", check.state.word(), check.found)?;
    if check.state != State::Ok {
        writeln!(out, "  {:<26}needed for: {}", "", check.needed_for)?;
    }
    match remedy {
        Some(remedy) => writeln!(out, "  {:<26}fix: {remedy}", ""),
        None => Ok(()),
    }
}

fn summary(out: &mut impl Write, interfaces: &[Interface]) -> io::Result<()> {
    let word = |answer: Option<bool>| match answer {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    let mut table = Table::new(&[
        "interface",
        "driver",
        "link",
        "mtu",
        "native",
        "redirect to",
        "attached",
        "look closer",
    ]);
    for interface in interfaces {
        let attached: Vec<String> = interface
            .programs
            .iter()
            .map(|program| format!("{} ({})", program.name.as_deref().unwrap_or("?"), program.mode))
            .collect();
        table.row(vec![
            interface.name.clone(),
            interface.driver.clone().or_else(|| interface.kind.clone()).unwrap_or_else(|| "-".into()),
            if interface.up { "up" } else { "down" }.into(),
            interface.mtu.to_string(),
            word(interface.native).into(),
            interface.redirect_target.word().into(),
            if attached.is_empty() { "-".into() } else { attached.join(", ") },
            format!("senko doctor {}", interface.name),
        ]);
    }
    if table.is_empty() { writeln!(out, "No interfaces") } else { table.write(out) }
}
