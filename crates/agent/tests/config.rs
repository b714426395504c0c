//! Configurations that are read, and everything that is said of those that are wrong.

use std::path::{Path, PathBuf};

use agent::config::{self, Memory, Outcome, Place, functions, place_of};
use policy::{Cidr, Contents, Slots};
use testkit::sections::line;

const MAIN: &str = "/etc/senko/senko.toml";

fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Outcome {
    config::read(&Memory::new(files), Path::new(MAIN), functions())
}

/// Problems in one line each, with the file's name where it is not the main one.
fn lines(outcome: &Outcome) -> Vec<String> {
    let say = |problem| {
        let text = line(problem, &outcome.sources);
        match problem.at.map(|at| outcome.sources.path(at)) {
            Some(path) if path != Path::new(MAIN) => {
                format!("{}: {text}", path.strip_prefix("/etc/senko").unwrap_or(path).display())
            }
            _ => text,
        }
    };
    outcome.problems.iter().map(say).collect()
}

const GATEWAY: &str = r#"
[[interface]]
name = "eth0"
mode = "drv"

[sets]
office    = ["192.0.2.0/24", "2001:db8:1::/48", "192.0.2.0/24"]
blocklist = { file = "blocklist.txt" }
admins    = { file = "lists/admins.txt", watch = true }

[firewall]
allow = ["@office", "@admins"]
drop  = ["@blocklist", "198.51.100.7"]

[metrics]
listen = "127.0.0.1:9479"
"#;

const FILES: [(&str, &str); 5] = [
    (MAIN, GATEWAY),
    ("/etc/senko/blocklist.txt", "\u{feff}# bad\r\n203.0.113.0/24\r\n10.0.0.0/8 # private\n\n10.0.0.0/8\n"),
    ("/etc/senko/lists/admins.txt", "192.0.2.9"),
    (
        "/etc/senko/conf.d/20-wan.toml",
        "[[interface]]\nname = \"wan\"\n[sets]\nspare = [\"10.1.0.0/16\"]\n[firewall]\ndefault = \"drop\"\n",
    ),
    ("/etc/senko/conf.d/10-count.toml", "counter = { per = [\"protocol\"] }"),
];

#[test]
fn a_gateway_is_read_from_all_its_files() {
    let hidden = [("/etc/senko/conf.d/.10-count.toml", "x"), ("/etc/senko/conf.d/10-count.toml~", "x")];
    let outcome = read(FILES.into_iter().chain(hidden));
    assert_eq!(
        lines(&outcome),
        [
            r#"conf.d/20-wan.toml: warning 4:1 `spare`: the set `spare` is not used; refer to it as "@spare" in a section, or remove it"#
        ]
    );
    let config = outcome.config.expect("no errors");
    let interfaces: Vec<(&str, &str, u32)> =
        config.interfaces.iter().map(|i| (i.name.as_str(), i.mode.as_str(), i.slot)).collect();
    assert_eq!(interfaces, [("eth0", "native", 0), ("wan", "auto", 1)]);
    let sets: Vec<(&str, usize, bool)> =
        config.sets.iter().map(|(name, set)| (name.as_str(), set.len(), set.watch)).collect();
    assert_eq!(
        sets,
        [("admins", 1, true), ("blocklist", 2, false), ("office", 2, false), ("spare", 1, false)]
    );
    assert_eq!(config.settings.metrics, Some(([127, 0, 0, 1], 9479).into()));
    let names: Vec<&str> = config.sections.iter().map(|(function, _)| function.name()).collect();
    assert_eq!(names, ["counter", "firewall"]);
    let files =
        ["senko.toml", "conf.d/10-count.toml", "conf.d/20-wan.toml", "blocklist.txt", "lists/admins.txt"];
    // Sets are read in the order in which they are written.
    assert_eq!(config.files, files.map(|file| Path::new("/etc/senko").join(file)));
    assert_eq!(config.watched, [PathBuf::from("/etc/senko/lists/admins.txt")]);
    let tables = config.sections[1].1.tables(&config.world(&[]), &mut Slots::default());
    assert_eq!(tables.everywhere.globals["FIREWALL_DEFAULT_DROP"], [1], "one section from two files");
    assert!(matches!(tables.maps["FIREWALL_NODES_V4"], Contents::Prefixes(_)));
    // The texts of sound sets are not kept.
    assert!(outcome.sources.iter().all(|(_, source)| source.path.extension().is_some_and(|e| e == "toml")));
}

#[test]
fn an_element_is_found_again_where_it_is_written() {
    let outcome = read(FILES);
    let config = outcome.config.as_ref().expect("no errors");
    let place = |set: &str, prefix: &str| {
        let prefix: Cidr = prefix.parse().expect("a prefix");
        place_of(&Memory::new(FILES), &outcome.sources, set, &config.sets[set], prefix)
    };
    let expected = |path: &str, line| Some(Place { path: Path::new("/etc/senko").join(path), line });
    assert_eq!(place("blocklist", "10.0.0.0/8"), expected("blocklist.txt", 3));
    assert_eq!(place("blocklist", "10.0.0.0/9"), None);
    assert_eq!(place("office", "2001:db8:1::/48"), expected("senko.toml", 7));
    assert_eq!(place("spare", "10.1.0.0/16"), expected("conf.d/20-wan.toml", 4));
}

#[test]
fn every_mistake_is_named_where_it_stands() {
    let cases: &[(&str, &[&str])] = &[
        (
            "",
            &[
                r#"warning: there is no [[interface]], so no packet is judged; add one: [[interface]] name = "eth0""#,
            ],
        ),
        (
            "[interface]\nname = \"eth0\"",
            &[
                "error 1:1 `[interface]`: interfaces are a list of tables, not a table; write [[interface]] and `name` in the line below, once for each interface",
            ],
        ),
        (
            "interface = [\"eth0\"]",
            &[
                r#"error 1:13 `["eth0"]`: interfaces are a list of tables, not an array; write [[interface]] and `name` in the line below, once for each interface"#,
            ],
        ),
        (
            "[[interface]]\nmode = \"nativ\"\nnmae = \"eth0\"",
            &[
                r#"error 1:1 `[[interface]]`: this interface has no `name`; add the name that `ip link` shows: name = "eth0""#,
                r#"error 2:8 `"nativ"`: `mode` wants "auto", "native", "generic" or "offload", not "nativ"; did you mean `native`?"#,
                "error 3:1 `nmae`: there is no key `nmae` here; did you mean `name`?",
            ],
        ),
        (
            "interface = [{ name = \"eth0\" }, { name = \"eth0\" }, { name = \"a/b\" }, { name = \"\" }, { name = \"sixteen-letters-\" }, { name = 0 }]",
            &[
                r#"error 1:42 `"eth0"`: `eth0` is there twice (first here: 1:23 `"eth0"`); remove one of the two"#,
                r#"error 1:61 `"a/b"`: `a/b` is no name of an interface: the kernel's have no `/`, no `:` and no white space"#,
                r#"error 1:79 `""`: `` is no name of an interface: it is empty"#,
                r#"error 1:94 `"sixteen-letters-"`: `sixteen-letters-` is no name of an interface: the kernel's have 15 bytes at most"#,
                "error 1:125 `0`: `name` wants a text in quotes, not an integer",
            ],
        ),
        (
            "[firewal]\n[counter]\nper = [\"protocol\"]",
            &["error 1:2 `firewal`: there is no section `firewal`; did you mean `firewall`?"],
        ),
        (
            "default = \"drop\"\nzebra = 1",
            &[
                "error 1:1 `default`: there is no section `default`; it belongs into a section: write [firewall] above it",
                "error 2:1 `zebra`: there is no section `zebra`; what can stand here: interface, sets, metrics, counter, firewall, redirect",
            ],
        ),
        (
            "firewall = 3\n[[counter]]",
            &[
                "error 1:12 `3`: `firewall` is a section, not an integer; write [firewall] in a line of its own, and its keys below",
                "error 2:1 `[[counter]]`: `counter` is a section, not an array; write [counter] in a line of its own, and its keys below",
            ],
        ),
        (
            "[sets]\na = 3\nb = [1, \"10.0.0.1/8\", \"@a\", \"x\"]\n\"c d\" = []\nd = { }\ne = { file = 3, wach = true }\nf = { file = \"none.txt\" }\ng = []",
            &[
                "error 2:5 `3`: a set is an array of prefixes or { file = \"…\" }, not an integer",
                "error 3:6 `1`: an element of a set is a prefix in quotes, not an integer",
                r#"error 3:9 `"10.0.0.1/8"`: `10.0.0.1/8` has bits set behind its length: did you mean 10.0.0.0/8?"#,
                r#"error 3:23 `"@a"`: a set cannot hold another one; name both sets where they are used"#,
                r#"error 3:29 `"x"`: `x` is no IP address or prefix: write 192.0.2.0/24, 192.0.2.7, 2001:db8::/32 or 2001:db8::1"#,
                r#"error 4:1 `"c d"`: `c d` is no name for a set; use letters, digits, `-`, `_` and `.`, 64 at most"#,
                r#"error 5:5 `{ }`: this set has no `file`; write { file = "blocklist.txt" }"#,
                "error 6:14 `3`: `file` wants a text in quotes, not an integer",
                "error 6:17 `wach`: there is no key `wach` here; did you mean `watch`?",
                r#"error 7:14 `"none.txt"`: there is no file /etc/senko/none.txt"#,
                "warning 8:1 `g`: the set `g` is empty",
            ],
        ),
        (
            "[metrics]\nlisten = \"localhost:80\"",
            &[
                r#"error 2:10 `"localhost:80"`: `listen` wants an address and a port, as "127.0.0.1:9479", not "localhost:80""#,
            ],
        ),
        (
            "[metrics]",
            &[
                r#"warning 1:1 `[metrics]`: [metrics] without `listen` serves nobody; add listen = "127.0.0.1:9479", or remove the section"#,
            ],
        ),
        (
            "[firewall]\ndrop = [\"10.0.0.1/8\"]\ndefault = accept\n[counter]\nper = [\"x\"]\nper = 1\n[metrics",
            &[
                r#"error 2:9 `"10.0.0.1/8"`: `10.0.0.1/8` has bits set behind its length: did you mean 10.0.0.0/8?"#,
                "error 3:11 `accept`: string values must be quoted, expected literal string",
                "error 6:1 `per`: `per` is set twice (first set here: 5:1 `per`); remove one of the two",
                "error 7:9 ``: unclosed table, expected `]`",
            ],
        ),
        (
            "[firewall]\ndrop = []\n[counter]\n[firewall]\ndefault = \"drop\"\n  drop = []",
            &[
                "error 4:2 `firewall`: `firewall` is set twice (first set here: 1:2 `firewall`); remove one of the two",
                "error 6:3 `drop`: `drop` is set twice; remove one of the two",
            ],
        ),
    ];
    for (text, expected) in cases {
        let interface = "[[interface]]\nname = \"lan\"\n";
        let with = [(MAIN, *text), ("/etc/senko/conf.d/lan.toml", interface)];
        // What is said about interfaces is tried without another one.
        let outcome =
            if text.contains("interface") || text.is_empty() { read([with[0]]) } else { read(with) };
        let said = lines(&outcome);
        let said: Vec<&str> =
            said.iter().map(String::as_str).filter(|line| !line.contains("is not used")).collect();
        assert_eq!(said, *expected, "{text}");
        let is_wrong = expected.iter().any(|line| line.starts_with("error"));
        assert_eq!(outcome.config.is_none(), is_wrong, "{text}");
    }
}

#[test]
fn the_same_key_in_two_files_names_both() {
    let outcome = read([
        (
            MAIN,
            "[[interface]]\nname = \"eth0\"\n[firewall]\ndefault = \"drop\"\n[sets]\na = [\"10.0.0.0/8\"]\n",
        ),
        (
            "/etc/senko/conf.d/a.toml",
            "[[interface]]\nname = \"eth0\"\n[firewall]\ndefault = \"accept\"\n[sets]\na = []",
        ),
    ]);
    let hint = "files in conf.d add to the main file and do not override it: remove one of the two";
    let errors: Vec<String> = lines(&outcome).into_iter().filter(|line| line.contains("error")).collect();
    assert_eq!(
        errors,
        [
            r#"conf.d/a.toml: error 2:8 `"eth0"`: `eth0` is there twice (first here: 2:8 `"eth0"`); remove one of the two"#.to_owned(),
            format!("conf.d/a.toml: error 4:1 `default`: `default` is set twice (first set here: 4:1 `default`); {hint}"),
            format!("conf.d/a.toml: error 6:1 `a`: `a` is set twice (first set here: 6:1 `a`); {hint}"),
        ]
    );
}

#[test]
fn a_missing_or_unreadable_file_is_named() {
    let outcome = read([("/etc/senko/conf.d/a.toml", "")]);
    assert_eq!(
        lines(&outcome),
        [
            "error: there is no configuration at /etc/senko/senko.toml; write one (docs/config.md has examples), or name another file"
        ]
    );
    let mut files = Memory::new([]);
    files.0.insert(MAIN.into(), b"# \xff\n".to_vec());
    let outcome = config::read(&files, Path::new(MAIN), functions());
    assert_eq!(lines(&outcome), ["error 1:3 `\u{fffd}`: this is no text in UTF-8"]);
}

#[test]
fn broken_lines_of_a_set_are_named_and_counted() {
    let mut list: String = (0..50_000).map(|i| format!("10.{}.{}.0/24\n", i >> 8, i & 255)).collect();
    list += "10.0.0.1/8 # host bits\n  10.0.0.0/33\n";
    for i in 0..30 {
        list += &format!("broken{i}\n");
    }
    let main =
        "[[interface]]\nname = \"eth0\"\n[sets]\nbad = { file = \"bad.txt\" }\n[firewall]\ndrop = [\"@bad\"]";
    let outcome = read([(MAIN, main), ("/etc/senko/bad.txt", &list)]);
    let said = lines(&outcome);
    assert_eq!(said.len(), 21);
    assert_eq!(said[0], r#"error 4:16 `"bad.txt"`: /etc/senko/bad.txt has 12 more such lines"#);
    assert_eq!(
        said[1],
        "bad.txt: error 50001:1 `10.0.0.1/8`: `10.0.0.1/8` has bits set behind its length: did you mean 10.0.0.0/8?"
    );
    assert_eq!(
        said[2],
        "bad.txt: error 50002:3 `10.0.0.0/33`: `10.0.0.0/33`: an IPv4 prefix has a length of 0 to 32"
    );
    assert!(
        said[20].starts_with("bad.txt: error 50020:1 `broken17`: `broken17` is no IP address"),
        "{said:?}"
    );
}

#[test]
fn there_are_places_for_so_many_interfaces() {
    let text = |count: u32| -> String {
        (0..count).map(|number| format!("[[interface]]\nname = \"eth{number}\"\n")).collect()
    };
    assert_eq!(lines(&read([(MAIN, text(64).as_str())])), Vec::<String>::new());
    let expected = [r#"error 130:8 `"eth64"`: this is one interface more than the 64 there can be"#];
    assert_eq!(lines(&read([(MAIN, text(65).as_str())])), expected);
}
