//! The section `[redirect]`: what it comes to in the kernel, and what is said of mistakes.

use std::collections::BTreeMap;

use abi::{Stage, layout::bytes_of};
use policy::{Contents, Slots, Tables};
use redirect::{config::Redirect, shared::mode};
use testkit::sections::Scene;

fn scene() -> Scene {
    let mut scene = Scene::new(&["eth0", "eth1", "eth2", "eth3"], &[]);
    scene.interfaces[1].slot = 9;
    scene.addresses =
        ["10.0.0.1", "2001:db8::1", "10.0.0.1"].map(|text| text.parse().expect("an address")).into();
    scene
}

fn tables(text: &str) -> Tables {
    let scene = scene();
    let (valid, problems) = scene.read(&Redirect, text);
    assert_eq!(problems, Vec::<String>::new(), "{text}");
    valid.expect("no errors").tables(&scene.world(), &mut Slots::default())
}

/// The mode of each interface that has the stage.
fn modes(tables: &Tables) -> BTreeMap<&str, u8> {
    assert_eq!(tables.everywhere.stages, 0);
    let mode = |(name, knob): (&'_ String, &'_ policy::Knob)| {
        assert_eq!(knob.stages, Stage::Redirect.bit(), "{name}");
        knob.globals["REDIRECT_MODE"][0]
    };
    tables.on.iter().map(|entry| (entry.0.as_str(), mode(entry))).collect()
}

#[test]
fn a_cable_has_a_peer_at_both_ends() {
    let tables = tables("cables = [[\"eth0\", \"eth1\"]]");
    assert_eq!(modes(&tables), [("eth0", mode::CROSS), ("eth1", mode::CROSS)].into());
    let key = |slot: u32| bytes_of(&slot).to_vec();
    let ports = vec![(key(0), "eth1".into()), (key(9), "eth0".into())];
    assert_eq!(tables.maps, [("PEER_PORT", Contents::Ports { max_entries: 64, ports })].into());
}

#[test]
fn what_is_in_no_cable_answers() {
    let tables = tables("cables = [[\"eth0\", \"eth1\"]]\nreflect = [\"icmp\"]");
    let expected =
        [("eth0", mode::CROSS), ("eth1", mode::CROSS), ("eth2", mode::REFLECT), ("eth3", mode::REFLECT)];
    assert_eq!(modes(&tables), expected.into());
    let ports = Contents::PortsByIndex { max_entries: 256, names: vec!["eth2".into(), "eth3".into()] };
    assert_eq!(tables.maps["REFLECT_PORTS"], ports);
    let entry = |words: [u32; 4]| (bytes_of(&words).to_vec(), bytes_of(&1_u32).to_vec());
    let mut entries = vec![entry([0, 0, 0, 0x0a00_0001]), entry([0x2001_0db8, 0, 0, 1])];
    entries.sort();
    assert_eq!(tables.maps["LOCAL"], Contents::Entries { max_entries: 4096, entries });
}

#[test]
fn answers_may_leave_where_no_request_is_answered() {
    let tables = tables("reflect = [\"icmp\"]\non = [\"eth3\"]");
    assert_eq!(modes(&tables), [("eth3", mode::REFLECT)].into());
    let names = ["eth0", "eth1", "eth2", "eth3"].map(String::from).to_vec();
    assert_eq!(tables.maps["REFLECT_PORTS"], Contents::PortsByIndex { max_entries: 256, names });
}

#[test]
fn mistakes_are_named() {
    let cases: &[(&str, &[&str])] = &[
        (
            "cables = [[\"eth0\", \"eth1\"], [\"eth1\", \"eth2\"], [\"eth3\", \"eth3\"], [\"eth0\", \"wan0\"]]",
            &[
                r#"error 1:74 `"wan0"`: there is no [[interface]] with the name `wan0`; add it to the configuration: [[interface]] name = "wan0""#,
                r#"error 1:30 `"eth1"`: `eth1` is in two cables (first here: 1:20 `"eth1"`)"#,
                r#"error 1:47 `["eth3", "eth3"]`: this cable joins `eth3` to itself"#,
            ],
        ),
        (
            "cables = [[\"eth0\", \"eth1\"]]\nreflect = [\"icmp\"]\non = [\"eth1\", \"eth7\"]",
            &[r#"error 3:15 `"eth7"`: there is no [[interface]] with the name `eth7`; did you mean `eth0`?"#],
        ),
        (
            "cables = [[\"eth0\", \"eth1\"]]\nreflect = [\"icmp\"]\non = [\"eth1\"]",
            &[
                r#"error 3:7 `"eth1"`: `eth1` is in a cable, which leaves nothing to answer (in this cable: 1:20 `"eth1"`); take it out of the one or the other"#,
            ],
        ),
        ("reflect = [\"udp\"]", &[r#"error 1:12 `"udp"`: `reflect` wants "icmp", not "udp""#]),
        (
            "on = [\"eth0\"]",
            &[
                r#"warning 1:6 `["eth0"]`: `on` does nothing without `reflect`; add reflect = ["icmp"], or remove it"#,
            ],
        ),
        (
            "cables = [[\"eth0\", \"eth1\"], [\"eth2\", \"eth3\"]]\nreflect = [\"icmp\"]",
            &[r#"warning 2:11 `["icmp"]`: no interface is left on which requests could be answered"#],
        ),
    ];
    for (text, expected) in cases {
        let (valid, problems) = scene().read(&Redirect, text);
        assert_eq!(problems, *expected, "{text}");
        assert_eq!(valid.is_some(), expected.iter().all(|line| line.starts_with("warning")), "{text}");
    }
}
