//! From the file to the packets.

use crate::{
    fixture::Gateway,
    probe::Probe,
    support::{ip, programs},
};

const RULES: &str = r#"
[sets]
bad = ["198.51.100.0/24", "2001:db8:bad::/48"]

[firewall]
drop  = ["@bad", "203.0.113.0/24", "2001:db8::/32"]
allow = ["203.0.113.77", "2001:db8:77::/48"]
"#;

/// By the set, by the rule, by a longer prefix that is allowed, by none; for both families.
const SOURCES: [&str; 8] = [
    "198.51.100.9",
    "203.0.113.1",
    "203.0.113.77",
    "192.0.2.1",
    "2001:db8:bad::9",
    "2001:db8:1::1",
    "2001:db8:77::1",
    "2001:dead::1",
];

const PASSING: [&str; 4] = ["203.0.113.77", "192.0.2.1", "2001:db8:77::1", "2001:dead::1"];

#[test]
fn what_the_file_says_happens_to_packets_and_nothing_is_left_after_the_end() {
    for mode in ["native", "generic"] {
        let gateway = Gateway::new("apply");
        let probe = Probe::of(&gateway);
        gateway.write(mode, RULES);
        let plan = gateway.senko(&["plan"]).code(7);
        assert!(plan.out.contains("to-h1") && plan.out.contains("203.0.113.0/24"), "{}", plan.out);
        assert_eq!(probe.passing(&SOURCES), SOURCES, "{mode}: a plan changes nothing");
        assert!(!gateway.place.pins.exists(), "{mode}: a plan changes nothing");

        gateway.senko(&["apply"]).ok().says(&[&format!("attached in {mode} mode"), "generation 1 is live"]);
        assert_eq!(probe.passing(&SOURCES), PASSING, "{mode}");
        gateway.senko(&["plan"]).ok();
        let before = gateway.ids();
        gateway.senko(&["apply"]).ok().says(&["nothing to change"]);
        assert_eq!(gateway.ids(), before, "{mode}");

        // Neighbours are resolved also where everything else is dropped.
        let (h1, h2) = (gateway.peer(), gateway.host());
        gateway.apply(
            mode,
            &format!("[firewall]\ndefault = \"drop\"\nallow = [\"{}\", \"{}\"]\n", h1.ipv4(), h1.ipv6()),
        );
        assert_eq!(gateway.ids().link, before.link, "{mode}: the link stays");
        ip(h1, "neigh flush dev to-h2");
        ip(h2, "neigh flush dev to-h1");
        assert_eq!(lab::ping(h1, h2.ipv4().into(), 2).expect("ping runs").received, 2, "{mode}");
        assert_eq!(lab::ping(h1, h2.ipv6().into(), 2).expect("ping runs").received, 2, "{mode}");
        assert_eq!(probe.passing(&SOURCES), [""; 0], "{mode}");

        gateway.senko(&["stop", "--detach"]).ok().says(&["to-h1: detached"]);
        assert_eq!(probe.passing(&SOURCES), SOURCES, "{mode}");
        gateway.assert_gone();
        gateway.senko(&["stop", "--detach"]).refused(1, &["no gateway", "senko apply"]);
        gateway.assert_gone();
    }
}

#[test]
fn a_wrong_file_changes_nothing_and_every_error_has_its_place() {
    let gateway = Gateway::new("wrong");
    let probe = Probe::of(&gateway);
    gateway.scratch.write("list.txt", "192.0.2.0/24\n192.0.2.300\n");
    let wrong = "[sets]\nlist = { file = \"list.txt\" }\n\n[firewall]\ndrop = [\"@list\", \"@lits\", \
                 \"203.0.113.1/24\"]\nalow = []\n";
    let path = gateway.write("auto", wrong);
    let list = gateway.scratch.file("list.txt");
    let places =
        [format!("{list}:2:1"), format!("{path}:9:18"), format!("{path}:9:27"), format!("{path}:10:1")];
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    gateway.senko(&["apply"]).code(2).says(&places).says(&["4 errors", "nothing was changed"]);
    assert!(programs(gateway.host(), "to-h1").is_empty());
    gateway.senko(&["plan"]).code(2).says(&places);

    gateway.apply("auto", RULES);
    let before = gateway.ids();
    gateway.write("auto", wrong);
    gateway.senko(&["apply"]).code(2).says(&places).says(&["4 errors", "nothing was changed"]);
    assert_eq!(gateway.ids(), before);
    assert_eq!(probe.passing(&SOURCES), PASSING);
}
