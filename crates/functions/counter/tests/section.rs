//! The section `[counter]`: what it comes to in the kernel, what is read back, and what is said of mistakes.

use abi::Stage;
use counter::{config::Counter, control::seen, shared::slot};
use policy::{Contents, Counters, Slots, Tally};
use testkit::sections::Scene;

fn scene() -> Scene {
    Scene::new(&["eth0", "eth1"], &[])
}

#[test]
fn the_maps_are_carried_and_new_interfaces_begin_at_zero() {
    let scene = scene();
    let (valid, problems) = scene.read(&Counter, "icmp_types = true");
    assert_eq!(problems, Vec::<String>::new());
    let mut slots = Slots::of([("eth0".into(), 0)]);
    let tables = valid.expect("no errors").tables(&scene.world(), &mut slots);
    assert_eq!(tables.everywhere.stages, Stage::Counter.bit());
    assert_eq!(tables.everywhere.globals, [("COUNTER_ICMP_TYPES", vec![1])].into());
    let zero: Vec<u32> = (slot::SLOTS..2 * slot::SLOTS).collect();
    assert_eq!(tables.maps["COUNTS"], Contents::Carried { max_entries: 8 * slot::SLOTS, zero });
    assert_eq!(tables.maps["ETHERTYPE_COUNTS"], Contents::Carried { max_entries: 1024, zero: vec![] });
}

#[test]
fn the_map_has_room_for_the_highest_place() {
    let mut scene = scene();
    scene.interfaces[1].slot = 20;
    let (valid, _) = scene.read(&Counter, "");
    let tables = valid.expect("no errors").tables(&scene.world(), &mut Slots::default());
    let Contents::Carried { max_entries, .. } = tables.maps["COUNTS"] else { panic!("counters are carried") };
    assert_eq!(max_entries, 32 * slot::SLOTS);
    assert_eq!(tables.everywhere.globals["COUNTER_ICMP_TYPES"], [0]);
}

/// TCP on both interfaces, ICMP with its type, ARP, and two kinds of malformed frames.
struct Live;

impl Counters for Live {
    fn array(&mut self, map: &str, from: u32, count: u32) -> Vec<Tally> {
        assert_eq!((map, count), ("COUNTS", slot::SLOTS));
        let mut tallies = vec![Tally::default(); count as usize];
        let mut set = |slot: u32, packets: u64| {
            tallies[slot as usize] = Tally { packets, bytes: packets * 100 };
        };
        set(slot::IPV4 + 6, 3);
        if from == slot::SLOTS {
            set(slot::IPV6 + 58, 2);
            set(slot::ICMPV6 + 128, 2);
            set(slot::MALFORMED, 1);
            set(slot::MALFORMED + 1, 4);
        }
        tallies
    }

    fn hash(&mut self, map: &str) -> Vec<(u32, Tally)> {
        assert_eq!(map, "ETHERTYPE_COUNTS");
        vec![(0x0806, Tally { packets: 1, bytes: 42 }), (1 << 16 | 0x0806, Tally { packets: 2, bytes: 84 })]
    }
}

fn series(section: &str) -> Vec<String> {
    let (valid, problems) = scene().read(&Counter, section);
    assert_eq!(problems, Vec::<String>::new());
    let series = valid.expect("no errors").series(&mut Live, &[(0, "eth0"), (1, "eth1")]);
    let line = |series: policy::Series| {
        let labels: Vec<String> =
            series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {} {} {}", series.name, labels.join(","), series.tally.packets, series.tally.bytes)
    };
    series.into_iter().map(line).collect()
}

#[test]
fn what_was_counted_is_told_apart_as_wanted() {
    let everything = [
        "icmp_type interface=eth1,ip_version=6,icmp_type=128 2 200",
        "malformed interface=eth1,reason=ethernet_truncated 1 100",
        "malformed interface=eth1,reason=vlan_truncated 4 400",
        "protocol interface=eth0,ip_version=,protocol=arp 1 42",
        "protocol interface=eth0,ip_version=4,protocol=tcp 3 300",
        "protocol interface=eth1,ip_version=,protocol=arp 2 84",
        "protocol interface=eth1,ip_version=,protocol=malformed 5 500",
        "protocol interface=eth1,ip_version=4,protocol=tcp 3 300",
        "protocol interface=eth1,ip_version=6,protocol=icmpv6 2 200",
    ];
    assert_eq!(series(""), everything);
    let protocols = [
        "icmp_type ip_version=6,icmp_type=128 2 200",
        "malformed reason=ethernet_truncated 1 100",
        "malformed reason=vlan_truncated 4 400",
        "protocol ip_version=,protocol=arp 3 126",
        "protocol ip_version=,protocol=malformed 5 500",
        "protocol ip_version=4,protocol=tcp 6 600",
        "protocol ip_version=6,protocol=icmpv6 2 200",
    ];
    assert_eq!(series("per = [\"protocol\"]"), protocols);
    let interfaces = series("per = [\"interface\"]");
    assert!(interfaces.contains(&"interface interface=eth0 4 342".to_owned()), "{interfaces:?}");
    assert!(interfaces.contains(&"interface interface=eth1 12 1084".to_owned()), "{interfaces:?}");
}

#[test]
fn an_interface_has_seen_what_its_protocols_come_to() {
    let tally = |packets, bytes| Tally { packets, bytes };
    assert_eq!(seen(&mut Live, 0), (tally(4, 342), tally(0, 0)));
    assert_eq!(seen(&mut Live, 1), (tally(7, 584), tally(5, 500)));
}

#[test]
fn mistakes_are_named() {
    let cases: &[(&str, &[&str])] = &[
        (
            "per = [\"port\"]\nicmp_types = 1",
            &[
                r#"error 1:8 `"port"`: `per` wants "protocol" or "interface", not "port""#,
                "error 2:14 `1`: `icmp_types` wants true or false, not an integer",
            ],
        ),
        (
            "per = []",
            &[
                r#"error 1:7 `[]`: `per` is empty, so there is nothing to count by; name "protocol", "interface" or both; to count nothing, remove [counter]"#,
            ],
        ),
        (
            "icmp_type = true",
            &["error 1:1 `icmp_type`: there is no key `icmp_type` here; did you mean `icmp_types`?"],
        ),
    ];
    for (text, expected) in cases {
        let (_, problems) = scene().read(&Counter, text);
        assert_eq!(problems, *expected, "{text}");
    }
}
