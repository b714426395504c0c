//! `senko status` and `senko features`: what they show, and that field names stay.

mod pair;
mod program;

use pair::{NEAR_V4, Pair};
use program::object;

/// All field names of a document, in order, as paths.
fn fields(prefix: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                found.push(format!("{prefix}{name}"));
                fields(&format!("{prefix}{name}."), value, found);
            }
        }
        serde_json::Value::Array(array) => {
            if let Some(first) = array.first() {
                fields(prefix, first, found);
            }
        }
        _ => {}
    }
}

fn names(json: &str) -> String {
    let mut found = Vec::new();
    fields("", &serde_json::from_str(json).expect("JSON"), &mut found);
    found.join(" ")
}

#[test]
fn status_shows_everything_about_a_program() {
    let pair = Pair::new();
    let path = object("filter");
    let running = pair.start(&["load", &pair.port, path.to_str().expect("UTF-8")]);
    assert!(pair.answers(NEAR_V4));
    let json = pair.status();
    assert_eq!(
        names(&json),
        "interface ifindex mtu up programs programs.mode programs.id programs.name programs.tag \
         programs.loaded_at programs.uid programs.user programs.attached_by programs.link_id programs.holders \
         programs.holders.pid programs.holders.command programs.pins programs.run_count programs.ns_per_run \
         programs.maps programs.maps.id programs.maps.name programs.maps.type programs.maps.max_entries \
         programs.maps.entries programs.maps.more"
    );
    let status: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let program = &status[0]["programs"][0];
    assert_eq!((&program["name"], &program["mode"]), (&"filter".into(), &"native".into()));
    assert_eq!(program["holders"][0]["pid"], running.pid());
    assert_eq!(program["user"], "root");
    let loaded = program["loaded_at"].as_f64().expect("a time");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now").as_secs_f64();
    assert!((now - 60.0..=now + 1.0).contains(&loaded), "{loaded} {now}");
    let lengths = program["maps"].as_array().expect("maps").iter().find(|map| map["name"] == "lengths");
    let used = lengths.expect("the hash")["entries"].as_u64().expect("counted");
    assert!((1..=64).contains(&used), "{used} sizes of frames");

    let table = pair.senko(&["status"]).expect(0, &[]).out;
    assert!(table.starts_with(&format!("{}  native  filter  id ", pair.port)), "{table}");
    assert!(table.contains(&format!("held by  pid {} senko", running.pid())), "{table}");
    assert!(table.contains("loaded   ") && table.contains(" by root"), "{table}");
    assert!(table.contains("/64"), "{table}");
    assert!(!table.contains("lo  "), "interfaces without a program are not listed: {table}");
}

#[test]
fn status_of_nothing_says_so() {
    let pair = Pair::new();
    assert!(pair.senko(&["status"]).expect(0, &[]).out.contains("no interface of this network namespace"));
    assert_eq!(
        pair.senko(&["status", &pair.port]).expect(0, &[]).out,
        format!("{}  no XDP program\n", pair.port)
    );
    assert_eq!(pair.senko(&["status", "--json"]).expect(0, &[]).out, "[]\n");
    pair.senko(&["status", "nosuch0"]).expect(1, &["no interface named `nosuch0`"]);
}

#[test]
fn features_of_a_veth() {
    let pair = Pair::new();
    let json = pair.senko(&["features", &pair.port, "--json"]).expect(0, &[]).out;
    assert_eq!(
        names(&json),
        "interface basic redirect ndo_xmit xsk_zerocopy hw_offload rx_sg ndo_xmit_sg zero_copy_max_segments"
    );
    let features: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&features["basic"], &features["hw_offload"]), (&true.into(), &false.into()));
    let table = pair.senko(&["features", &pair.port]).expect(0, &[]).out;
    assert!(table.lines().any(|line| line.starts_with("basic") && line.contains("yes")), "{table}");
    pair.senko(&["features", "nosuch0"]).expect(1, &["no interface named"]);
}
