//! The document: what `--json` prints, and what the table is made from.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::Occupant;
use serde::Serialize;

use super::{
    check::{Check, State},
    facts::{InterfaceFacts, SystemFacts},
    interface, probes,
    redirect_target::RedirectTarget,
    system,
};

#[derive(Debug, Serialize)]
pub struct Report {
    pub kernel: Kernel,
    pub checks: Vec<Check>,
    pub interfaces: Vec<Interface>,
    pub verdict: Verdict,
    /// Interfaces were named: they are shown in full and count for the verdict.
    #[serde(skip)]
    pub in_detail: bool,
}

#[derive(Debug, Serialize)]
pub struct Kernel {
    pub release: String,
    pub machine: String,
    /// The file that the options were read from.
    pub config_source: Option<String>,
    pub lockdown: Option<String>,
    pub bpffs: bool,
}

#[derive(Debug, Serialize)]
pub struct Interface {
    pub name: String,
    pub ifindex: u32,
    pub kind: Option<String>,
    pub driver: Option<String>,
    pub up: bool,
    pub mtu: u32,
    pub max_mtu: Option<u32>,
    /// `null`: not known.
    pub native: Option<bool>,
    pub offload: Option<bool>,
    pub redirect_target: RedirectTarget,
    /// The kernel's names of `xdp-features`; `null` before 6.3.
    pub xdp_features: Option<Vec<&'static str>>,
    pub xsk_zero_copy_max_segments: Option<u32>,
    pub rx_queues: Option<u32>,
    pub tx_queues: Option<u32>,
    pub peer: Option<PeerRow>,
    pub programs: Vec<ProgramRow>,
    pub checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
pub struct PeerRow {
    pub name: String,
    pub netns: Option<String>,
    pub mtu: u32,
    pub up: bool,
}

#[derive(Debug, Serialize)]
pub struct ProgramRow {
    pub id: u32,
    pub mode: &'static str,
    pub name: Option<String>,
    pub tag: Option<String>,
    /// Seconds since 1970.
    pub loaded_at: Option<f64>,
    pub uid: Option<u32>,
    pub holders: Vec<Holder>,
    /// Paths of the pins that keep it there.
    pub pins: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Holder {
    pub pid: u32,
    pub command: String,
}

#[derive(Debug, Serialize)]
pub struct Verdict {
    pub state: State,
    pub summary: String,
    /// What is needed and missing: `area/name`, or `interface/name`.
    pub missing: Vec<String>,
    /// What is needed and could not be found out.
    pub undecided: Vec<String>,
}

impl Report {
    /// `named` are the interfaces that were asked for; only those count for the verdict.
    pub fn new(
        facts: &SystemFacts,
        interfaces: &[InterfaceFacts],
        named: &[String],
        now: SystemTime,
    ) -> Self {
        let mut checks = system::checks(facts);
        checks.extend(probes::checks(facts));
        let interfaces: Vec<Interface> =
            interfaces.iter().map(|interface| Interface::new(interface, now)).collect();
        let verdict = verdict(&checks, if named.is_empty() { &[] } else { &interfaces });
        Self {
            kernel: Kernel {
                release: facts.release.clone(),
                machine: facts.machine.clone(),
                config_source: facts.config.as_ref().map(|config| config.source.clone()),
                lockdown: facts.policy.lockdown.clone(),
                bpffs: facts.bpffs.visible,
            },
            checks,
            interfaces,
            verdict,
            in_detail: !named.is_empty(),
        }
    }
}

impl Interface {
    fn new(facts: &InterfaceFacts, now: SystemTime) -> Self {
        Self {
            name: facts.name.clone(),
            ifindex: facts.ifindex,
            kind: facts.kind.clone(),
            driver: facts.driver.clone(),
            up: facts.up,
            mtu: facts.mtu,
            max_mtu: facts.max_mtu,
            native: facts.native(),
            offload: facts.features.map(|features| features.offload()),
            redirect_target: RedirectTarget::of(facts),
            xdp_features: facts.features.map(|features| features.names()),
            xsk_zero_copy_max_segments: facts.features.and_then(|features| features.zero_copy_max_segments),
            rx_queues: facts.channels.map(|channels| channels.rx_queues()),
            tx_queues: facts.channels.map(|channels| channels.tx_queues()),
            peer: facts.peer.as_ref().map(|peer| PeerRow {
                name: peer.name.clone(),
                netns: peer.namespace.clone(),
                mtu: peer.mtu,
                up: peer.up,
            }),
            programs: facts.programs.iter().map(ProgramRow::new).collect(),
            checks: interface::checks(facts, now),
        }
    }
}

impl ProgramRow {
    fn new(occupant: &Occupant) -> Self {
        let program = occupant.program.as_ref();
        let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let holders = occupant.holders.iter();
        Self {
            id: occupant.program_id,
            mode: occupant.mode.name(),
            name: program.map(|program| program.name.clone()),
            tag: program.map(|program| program.tag.clone()),
            loaded_at: program.map(|program| seconds(program.loaded)),
            uid: program.map(|program| program.uid),
            holders: holders.map(|h| Holder { pid: h.pid, command: h.command.clone() }).collect(),
            pins: occupant.pins.iter().map(|pin| pin.display().to_string()).collect(),
        }
    }
}

fn verdict(checks: &[Check], interfaces: &[Interface]) -> Verdict {
    let system = checks.iter().map(|check| (check.area, check));
    let on = interfaces
        .iter()
        .flat_map(|interface| interface.checks.iter().map(move |check| (interface.name.as_str(), check)));
    let all: Vec<(&str, &Check)> = system.chain(on).collect();
    let with = |state: State, required: bool| -> Vec<String> {
        all.iter()
            .filter(|(_, check)| check.state == state && (check.required || !required))
            .map(|(place, check)| format!("{place}/{}", check.name))
            .collect()
    };
    let (missing, undecided) = (with(State::Bad, true), with(State::Unknown, true));
    let warnings = with(State::Warn, false).len();
    let (state, summary) = if !missing.is_empty() {
        (State::Bad, format!("something needed is missing: {}", missing.join(", ")))
    } else if !undecided.is_empty() {
        (
            State::Unknown,
            format!("{} needed things could not be checked without more privileges", undecided.len()),
        )
    } else if warnings > 0 {
        let plural = if warnings == 1 { "" } else { "s" };
        (State::Warn, format!("XDP works here; {warnings} warning{plural} about what not every use needs"))
    } else {
        (State::Ok, "XDP works here".into())
    };
    Verdict { state, summary, missing, undecided }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use engine::{Mode, ProgramFacts, probe::Answer};
    use serde_json::Value;

    use super::*;
    use crate::doctor::fabricated::{healthy, veth};

    fn names(path: &str, value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(key, value)| names(&format!("{path}.{key}"), value, into))
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                names(&format!("{path}[]"), &items[0], into)
            }
            _ => into.push(path.trim_start_matches('.').to_owned()),
        }
    }

    #[test]
    fn json_field_names_are_stable() {
        let mut facts = veth();
        let program = ProgramFacts {
            id: 17,
            name: "pass".into(),
            tag: "614b434cd8324ecc".into(),
            loaded: UNIX_EPOCH + Duration::from_millis(1500),
            uid: 0,
            map_ids: Vec::new(),
            run_count: 0,
            run_time: Duration::ZERO,
        };
        facts.programs.push(Occupant {
            mode: Mode::Native,
            program_id: 17,
            program: Some(program),
            links: Vec::new(),
            pins: Vec::new(),
            holders: vec![engine::Holder { pid: 7, command: "senko".into() }],
        });
        let report = Report::new(&healthy(), &[facts], &["veth0".into()], SystemTime::now());
        let json = serde_json::to_value(&report).expect("plain data");
        let mut found = Vec::new();
        names("", &json, &mut found);
        let expected = "kernel.release kernel.machine kernel.config_source kernel.lockdown kernel.bpffs \
            checks[].area checks[].name checks[].state checks[].found checks[].needed_for checks[].remedy \
            interfaces[].name interfaces[].ifindex interfaces[].kind interfaces[].driver interfaces[].up \
            interfaces[].mtu interfaces[].max_mtu interfaces[].native interfaces[].offload interfaces[].redirect_target \
            interfaces[].xdp_features interfaces[].xsk_zero_copy_max_segments interfaces[].rx_queues \
            interfaces[].tx_queues interfaces[].peer.name interfaces[].peer.netns interfaces[].peer.mtu \
            interfaces[].peer.up interfaces[].programs[].id interfaces[].programs[].mode \
            interfaces[].programs[].name interfaces[].programs[].tag interfaces[].programs[].loaded_at \
            interfaces[].programs[].uid interfaces[].programs[].holders[].pid \
            interfaces[].programs[].holders[].command interfaces[].programs[].pins interfaces[].checks[].area interfaces[].checks[].name \
            interfaces[].checks[].state interfaces[].checks[].found interfaces[].checks[].needed_for \
            interfaces[].checks[].remedy verdict.state verdict.summary verdict.missing verdict.undecided";
        assert_eq!(found, expected.split_whitespace().collect::<Vec<_>>());
        assert_eq!(json["interfaces"][0]["programs"][0]["loaded_at"], 1.5);
        assert_eq!(json["interfaces"][0]["programs"][0]["mode"], "native");
    }

    #[test]
    fn only_named_interfaces_count() {
        let mut facts = veth();
        facts.peer.as_mut().expect("a peer").mtu = 9000;
        let interfaces = [facts];
        let of = |named: &[String]| Report::new(&healthy(), &interfaces, named, SystemTime::now()).verdict;
        assert_eq!(of(&[]).state, State::Ok);
        let named = of(&["veth0".into()]);
        assert_eq!((named.state, named.missing), (State::Bad, vec!["veth0/mtu".to_owned()]));
    }

    #[test]
    fn what_is_needed_and_unknown_is_not_fine() {
        let mut facts = healthy();
        facts.programs[0].1 = Answer::Unknown;
        let verdict = Report::new(&facts, &[], &[], SystemTime::now()).verdict;
        assert_eq!(
            (verdict.state, verdict.undecided),
            (State::Unknown, vec!["program types/xdp".to_owned()])
        );
        let mut facts = healthy();
        facts.policy.lockdown = None;
        assert_eq!(Report::new(&facts, &[], &[], SystemTime::now()).verdict.state, State::Ok);
    }
}
