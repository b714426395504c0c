//! `senko load`: foreign objects of every shape, on real interfaces with real packets.

mod pair;
mod program;

use engine::Map;
use pair::{NEAR_V4, NEAR_V6, Pair};
use program::{compile, object, old_object};

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The map of this name in `senko status --json`.
fn map_of(status: &str, name: &str) -> Map {
    let status: serde_json::Value = serde_json::from_str(status).expect("JSON");
    let maps = status[0]["programs"][0]["maps"].as_array().expect("maps");
    let id = maps.iter().find(|map| map["name"] == name).expect("the map")["id"].as_u64().expect("an id");
    Map::from_id(id as u32).expect("the map is there")
}

#[test]
fn every_section_name_loads() {
    let pair = Pair::new();
    let frags = compile("named", "frags", &["-DONE", "-DSECTION=\"xdp.frags/big\""]);
    let prog = compile("named", "odd", &["-DONE", "-DSECTION=\"ingress_filter\""]);
    let cases = [
        (object("filter"), None, "filter"),
        (object("named"), Some("first"), "first"),
        (object("named"), Some("second"), "second"),
        (frags, None, "first"),
        (prog, None, "first"),
        (object("legacy"), None, "old_style"),
    ];
    for (path, program, expected) in cases {
        let mut arguments = vec!["load", &pair.port, text(&path), "--duration", "1ms", "--json"];
        arguments.extend(program.iter().flat_map(|name| ["--program", name]));
        let said = pair.senko(&arguments).expect(0, &["attached in native mode"]);
        let document: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
        assert_eq!(document["program"], expected);
        assert_eq!(document["mode"], "native");
        assert!(document["link_id"].is_u64(), "{said:?}");
        assert!(pair.is_free());
    }
}

#[test]
fn our_own_object_loads_too() {
    let pair = Pair::new();
    // What `cargo build` made for the engine is what aya's users make.
    let built =
        std::path::Path::new(env!("CARGO_BIN_EXE_senko")).parent().expect("a directory").join("build");
    let newest = std::fs::read_dir(built)
        .expect("build scripts ran")
        .flatten()
        .map(|entry| entry.path().join("out/dataplane.o"))
        .find(|path| path.exists())
        .expect("the engine's object");
    pair.senko(&["load", &pair.port, text(&newest), "--program", "senko", "-d", "1ms"])
        .expect(0, &["`senko`"]);
}

#[test]
fn globals_steer_the_program() {
    let pair = Pair::new();
    let filter = object("filter");
    assert!(pair.answers(NEAR_V4) && pair.answers(NEAR_V6));
    let running = pair.start(&["load", &pair.port, text(&filter), "--global", "drop_ipv4=1"]);
    assert!(!pair.answers(NEAR_V4) && pair.answers(NEAR_V6));
    running.interrupt().expect(0, &["Ctrl-C detaches"]);
    assert!(pair.is_free() && pair.answers(NEAR_V4));

    let arguments =
        ["load", &pair.port, text(&filter), "-g", "drop_ipv4=0x1", "--global", "marker=0x010000000000"];
    let running = pair.start(&arguments);
    assert!(pair.answers(NEAR_V4));
    running.interrupt().expect(0, &[]);

    let wrong = |assignment: &str| pair.senko(&["load", &pair.port, text(&filter), "--global", assignment]);
    wrong("drop_ipv6=1").expect(1, &["no global `drop_ipv6`", "drop_ipv4, marker, seen"]);
    wrong("drop_ipv4=4294967296").expect(2, &["does not fit global `drop_ipv4` of 4 bytes"]);
    wrong("marker=1").expect(2, &["6 bytes"]);
    wrong("drop_ipv4").expect(2, &["NAME=VALUE"]);
}

#[test]
fn core_relocations_land_in_their_own_section() {
    let pair = Pair::new();
    let path = object("core");
    let expected = engine::kernel_field_offset("net_device", "ifindex").expect("this kernel has BTF");
    for (slot, program) in [(0_u32, "early"), (1, "late")] {
        let running = pair.start(&["load", &pair.port, text(&path), "-n", program]);
        assert!(pair.answers(NEAR_V4));
        let map = map_of(&pair.status(), "offsets");
        assert_eq!(map.get::<u32, u64>(&slot).expect("read"), Some(u64::from(expected)), "{program}");
        running.interrupt().expect(0, &[]);
    }
}

#[test]
fn legacy_maps_are_the_ones_declared() {
    let pair = Pair::new();
    for path in [object("legacy"), old_object("legacy")] {
        let running = pair.start(&["load", &pair.port, text(&path)]);
        assert!(pair.answers(NEAR_V4));
        let hits = map_of(&pair.status(), "hits");
        assert_eq!((hits.spec().kind.name(), hits.spec().max_entries), ("array", 4));
        assert!(hits.get::<u32, u64>(&1).expect("read").is_some_and(|count| count > 0));
        assert_eq!(map_of(&pair.status(), "others").spec().kind.name(), "hash");
        running.interrupt().expect(0, &[]);
    }
}

#[test]
fn a_choice_of_programs_is_asked_for() {
    let pair = Pair::new();
    let path = object("named");
    pair.senko(&["load", &pair.port, text(&path)]).expect(2, &["2 XDP programs: first, second", "--program"]);
    pair.senko(&["load", &pair.port, text(&path), "-n", "third"]).expect(1, &["`third`", "first, second"]);
    pair.senko(&["load", &pair.port, text(&path), "-n", "not_xdp"]).expect(1, &["first, second"]);
    assert!(pair.is_free());
}

#[test]
fn the_verifier_is_quoted_and_its_log_kept() {
    let pair = Pair::new();
    let path = object("wrong");
    let log = path.with_extension("log");
    let said = pair.senko(&["load", &pair.port, text(&path), "--verifier-log", text(&log)]).expect(
        1,
        &[
            "the verifier refuses program `wrong`: R1 invalid mem access 'scalar'",
            "(61) r0 = *(u32 *)(r1 +0)",
        ],
    );
    assert!(!said.err.contains("processed "), "{said:?}");
    let log = std::fs::read_to_string(log).expect("the log");
    assert!(log.contains("R1 invalid mem access") && log.contains("processed "), "{log}");
    assert!(log.lines().count() > 4, "{log}");
    assert!(pair.is_free());
}

#[test]
fn bad_input_has_one_message_and_attaches_nothing() {
    let pair = Pair::new();
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let load = |path: &str| pair.senko(&["load", &pair.port, path]);
    load("/no/such/file").expect(1, &["cannot read /no/such/file", "No such file"]);
    load("/tmp").expect(1, &["cannot read /tmp", "directory"]);
    load(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect(1, &["Cargo.toml", "not an ELF file"]);
    load(env!("CARGO_BIN_EXE_senko")).expect(1, &["another machine"]);
    let cut = directory.join(format!("cut-{}.o", std::process::id()));
    let whole = std::fs::read(object("filter")).expect("compiled");
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("written");
    load(text(&cut)).expect(1, &["damaged"]);
    let other = compile("named", "tc", &["-DONE", "-DSECTION=\"tc\""]);
    load(text(&other)).expect(1, &["no XDP program", "SEC(\"xdp\")"]);
    load(text(&object("kfunc"))).expect(4, &["bpf_xdp_metadata_rx_timestamp", "libbpf"]);
    pair.senko(&["load", "nosuch0", text(&object("filter"))]).expect(1, &["no interface named `nosuch0`"]);
    assert!(pair.is_free());
}

#[test]
fn without_capabilities_the_missing_one_is_named() {
    let pair = Pair::new();
    let path = object("filter");
    let mut command = std::process::Command::new("ip");
    command.args(["netns", "exec", &pair.near, "setpriv", "--bounding-set=-all", "--inh-caps=-all"]);
    command.args([env!("CARGO_BIN_EXE_senko"), "load", &pair.port, text(&path)]);
    pair::Said::of(&command.output().expect("ip starts")).expect(3, &["CAP_BPF", "run it as root"]);
    assert!(pair.is_free());
}

#[test]
fn a_large_mtu_is_explained_and_frags_lift_it() {
    let pair = Pair::new();
    for (netns, device) in [(&pair.near, &pair.port), (&pair.far, &pair.peer)] {
        pair::must("ip", &["-n", netns, "link", "set", device, "mtu", "9000"]);
    }
    let path = object("filter");
    let load = |more: &[&str]| {
        let mut arguments = vec!["load", &pair.port, text(&path), "-d", "1ms"];
        arguments.extend(more);
        pair.senko(&arguments)
    };
    load(&["--mode", "native"])
        .expect(4, &["MTU 9000 > 3506", "Peer MTU is too large", "mtu 3506", "--frags"]);
    load(&[]).expect(0, &["generic mode, slower than native", "MTU 9000 > 3506"]);
    load(&["--frags", "--mode", "native"]).expect(0, &["attached in native mode"]);
    // The limit that the message names is the limit.
    for (mtu, code) in [("3507", 4), ("3506", 0)] {
        pair::must("ip", &["-n", &pair.far, "link", "set", &pair.peer, "mtu", mtu]);
        pair::must("ip", &["-n", &pair.near, "link", "set", &pair.port, "mtu", mtu]);
        load(&["--mode", "native"]).expect(code, &[]);
    }
}

#[test]
fn the_verifier_log_of_a_good_program_has_its_statistics() {
    let pair = Pair::new();
    let path = object("filter");
    let log = path.with_extension("good.log");
    pair.senko(&["load", &pair.port, text(&path), "-d", "1ms", "--verifier-log", text(&log)]).expect(0, &[]);
    let log = std::fs::read_to_string(log).expect("the log");
    assert!(log.contains("processed "), "{log}");
}
