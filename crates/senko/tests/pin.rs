//! `senko load --pin`: what stays, and that nothing else does.

mod pair;
mod program;

use std::time::Instant;

use std::os::unix::fs::PermissionsExt as _;

use pair::{Bpffs, NEAR_V4, Pair, Said};
use program::object;

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_pinned_program_survives_and_unload_removes_all_of_it() {
    let (pair, bpffs) = (Pair::new(), Bpffs::mount());
    let path = object("filter");
    let directory = bpffs.join("site/filter");
    let load = |more: &[&str]| {
        let mut arguments = vec!["load", &pair.port, text(&path), "--pin", &directory];
        arguments.extend(more);
        pair.senko(&arguments)
    };
    load(&["-g", "drop_ipv4=1"]).expect(0, &["pinned in", "senko unload"]);
    assert!(!pair.answers(NEAR_V4), "it stays");
    let whole = [
        "site",
        "site/filter",
        "site/filter/layout",
        "site/filter/link",
        "site/filter/maps",
        "site/filter/maps/bss",
        "site/filter/maps/lengths",
        "site/filter/maps/packets",
        "site/filter/maps/rodata",
        "site/filter/prog",
    ];
    assert_eq!(bpffs.files(), whole);
    let mode = std::fs::metadata(&directory).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    assert!(pair.status().contains(&format!("{directory}/link")));

    load(&[]).expect(1, &["in use already", "--replace"]);
    load(&["--replace"]).expect(0, &[]);
    assert!(pair.answers(NEAR_V4), "the new program is there");
    assert_eq!(bpffs.files(), whole);

    pair.senko(&["unload", &pair.port]).expect(0, &["removed the XDP program `filter`"]);
    assert!(pair.is_free());
    assert_eq!(bpffs.files(), ["site"]);
}

#[test]
fn a_link_that_moves_takes_its_pins_along() {
    let (pair, bpffs) = (Pair::new(), Bpffs::mount());
    let path = object("named");
    let load = |directory: &str, more: &[&str]| {
        let directory = bpffs.join(directory);
        let mut arguments = vec!["load", &pair.port, text(&path), "-n", "first", "--pin", &directory];
        arguments.extend(more);
        pair.senko(&arguments)
    };
    load("one", &[]).expect(0, &[]);
    load("two", &["--replace"]).expect(0, &["those pins are gone"]);
    assert_eq!(bpffs.files(), ["two", "two/layout", "two/link", "two/maps", "two/prog"]);
    pair.senko(&["unload", &pair.port, "--all"]).expect(0, &[]);
    assert!(bpffs.files().is_empty());
}

#[test]
fn a_refused_load_leaves_no_pins() {
    let (pair, bpffs) = (Pair::new(), Bpffs::mount());
    let path = object("filter");
    let directory = bpffs.join("new");
    let _running = pair.start(&["load", &pair.port, text(&path)]);
    pair.senko(&["load", &pair.port, text(&path), "--pin", &directory]).expect(5, &["held by pid"]);
    pair.senko(&["load", &pair.port, text(&object("wrong")), "--pin", &directory]).expect(1, &["verifier"]);
    assert!(bpffs.files().is_empty(), "{:?}", bpffs.files());
}

#[test]
fn a_place_that_cannot_hold_pins_is_explained() {
    let (pair, bpffs) = (Pair::new(), Bpffs::mount());
    let path = object("filter");
    let load = |directory: &str| pair.senko(&["load", &pair.port, text(&path), "--pin", directory]);
    load("/tmp/senko-no-bpffs/pins").expect(1, &["not on a bpffs", "choose a directory under"]);
    load(&bpffs.join("v1.2")).expect(1, &["no dots"]);
    std::fs::create_dir_all(bpffs.path.join("theirs/inner")).expect("a directory");
    load(&bpffs.join("theirs")).expect(1, &["senko did not make"]);
    assert!(pair.is_free());
    assert_eq!(bpffs.files(), ["theirs", "theirs/inner"]);
}

#[test]
fn pins_of_a_vanished_interface_do_not_block() {
    let bpffs = Bpffs::mount();
    let path = object("named");
    let directory = bpffs.join("again");
    for _ in 0..2 {
        let pair = Pair::new();
        // The kernel takes a namespace apart some time after its last name is gone, and its interfaces with it.
        let deadline = Instant::now() + testkit::guest::patience(10);
        loop {
            let said = pair.senko(&["load", &pair.port, text(&path), "-n", "first", "--pin", &directory]);
            if said.code == 0 {
                break;
            }
            assert!(said.err.contains("in use already") && Instant::now() < deadline, "{said:?}");
            std::thread::yield_now();
        }
    }
    assert_eq!(bpffs.files().len(), 5, "{:?}", bpffs.files());
}

#[test]
fn a_netlink_attachment_that_was_taken_over_is_ours_to_unload() {
    let (pair, bpffs) = (Pair::new(), Bpffs::mount());
    let path = object("filter");
    let directory = bpffs.join("taken");
    attach_over_netlink(&pair, &path);
    let load = ["load", &pair.port, text(&path), "--replace", "--pin", &directory, "-g", "drop_ipv4=1"];
    pair.senko(&load).expect(0, &["over netlink", "generic mode"]);
    assert!(!pair.answers(NEAR_V4), "it stays");
    pair.senko(&["unload", &pair.port]).expect(0, &["attached over netlink"]);
    assert!(pair.is_free(), "{}", pair.status());
    assert!(bpffs.files().is_empty(), "{:?}", bpffs.files());
}

/// As `ip link set … xdpgeneric obj` does, which would also make directories in every bpffs that it finds.
fn attach_over_netlink(pair: &Pair, object: &std::path::Path) {
    const GENERIC: u32 = 1 << 1;
    let (netns, port) = (pair.near.clone(), pair.port.clone());
    let bytes = std::fs::read(object).expect("compiled");
    let attaching = std::thread::spawn(move || {
        engine::netns::enter(&netns).expect("root");
        let choices = engine::LoadChoices { programs: vec!["filter".into()], ..Default::default() };
        let loaded =
            engine::ObjectFile::parse(&bytes).and_then(|file| file.load(&choices)).expect("it loads");
        let program = loaded.program("filter").expect("loaded").fd();
        let ifindex = engine::ifindex(&port).expect("the port");
        engine::netlink::set_xdp(ifindex, GENERIC, Some(program), None).expect("attached");
    });
    attaching.join().expect("the thread");
}

/// In a mount namespace of its own, because the usual place is shared by the whole machine.
#[test]
fn a_map_pinned_by_name_is_shared() {
    let pair = Pair::new();
    let path = object("shared");
    let script = "mount -t bpf bpf /sys/fs/bpf && exec \"$@\"";
    let load = format!(
        "set -e; s='{senko} --netns {netns}'; \
         $s load {port} {path} --pin /sys/fs/bpf/x; test -e /sys/fs/bpf/x/maps/senko_shared; $s unload {port}; \
         for time in first second; do \
             $s load {port} {path} & \
             until $s status {port} --json | grep -q '\"id\": '; do :; done; \
             $s status {port} --json; test -e /sys/fs/bpf/senko_shared; kill $!; wait $!; \
         done",
        senko = env!("CARGO_BIN_EXE_senko"),
        netns = pair.near,
        port = pair.port,
        path = text(&path),
    );
    let output = pair::run("unshare", &["-m", "sh", "-c", script, "sh", "sh", "-c", &load]);
    let said = Said::of(&output).expect(0, &["removed"]);
    let ids: Vec<u64> = serde_json::Deserializer::from_str(&said.out)
        .into_iter::<serde_json::Value>()
        .map(|status| status.expect("JSON")[0]["programs"][0]["maps"][0]["id"].as_u64().expect("an id"))
        .collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
}
