//! Rules of other firewalls: what is made of files that the tools themselves wrote.

use std::{fs, path::Path};

use firewall::import::{Imported, Policy, Remark, Translated, iptables, nft, xdp_filter};
use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};

/// `UPDATE=1` writes what is then to be looked at.
fn holds(name: &str, imported: &Imported) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(format!("{name}.toml"));
    let toml = imported.toml();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &toml).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(toml == expected, "{name}: expected\n{expected}\nand got\n{toml}");
}

#[test]
fn a_host_with_iptables() {
    holds("host.save", &iptables(include_str!("import/host.save")));
}

#[test]
fn a_router_with_chains_that_call_chains() {
    holds("router.save", &iptables(include_str!("import/router.save")));
}

/// Of one version of IP, and of both in one text.
#[test]
fn ip6tables_is_about_ipv6() {
    let six = include_str!("import/six.save");
    holds("six.save", &iptables(six));
    let both = iptables(&format!("{}{six}", include_str!("import/host.save")));
    assert_eq!(both.default, Some(Policy::Drop));
    assert!(
        both.rules
            .iter()
            .all(|translated| translated.rule != "accept ipv6" && translated.rule != "accept ip")
    );
    assert_eq!(both.rules.len(), 26 + 6);
}

#[test]
fn an_xdp_filter_list() {
    holds("list.xdp", &xdp_filter(include_str!("import/list.xdp")));
    holds("deny.xdp", &xdp_filter(include_str!("import/deny.xdp")));
}

#[test]
fn a_host_with_nft() {
    let text = include_str!("import/host.json");
    let imported = nft(text).expect("JSON");
    holds("host.json", &imported);
    // As nft itself prints it: in one line.
    let one_line = nft(&text.replace('\n', "")).expect("JSON");
    let rules = |imported: &Imported| -> Vec<String> {
        imported.rules.iter().map(|translated| translated.rule.clone()).collect()
    };
    assert_eq!(rules(&one_line), rules(&imported));
    assert_eq!(one_line.not_translated.len(), imported.not_translated.len());
    assert!(one_line.not_translated.iter().all(|remark| remark.line == 1));
    assert!(nft("no JSON").is_err() && nft("{\"nftables\": 7}").is_err());
}

/// Only a whole mark is one; all else is listed with its line.
#[test]
fn marks_are_whole_or_listed() {
    let marks = [
        ("MARK --set-mark 0x10", Some("mark 0x10 ip tcp port 443")),
        ("MARK --set-mark 16", Some("mark 0x10 ip tcp port 443")),
        ("MARK --set-xmark 0x10/0xffffffff", Some("mark 0x10 ip tcp port 443")),
        ("MARK --set-mark 0x10/0xff", None),
        ("MARK --set-xmark 0x10/0x0", None),
        ("MARK --set-xmark 0x0/0xffffffff", None),
        ("MARK --or-mark 0x10", None),
        ("CONNMARK --restore-mark", None),
    ];
    for (target, rule) in marks {
        let text = format!(
            "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 443 -j {target}\nCOMMIT\n"
        );
        let imported = iptables(&text);
        let rules: Vec<&str> = imported.rules.iter().map(|translated| translated.rule.as_str()).collect();
        assert_eq!(rules, rule.into_iter().collect::<Vec<_>>(), "{target}");
        let listed: Vec<usize> = imported.not_translated.iter().map(|remark| remark.line).collect();
        assert_eq!(listed, if rule.is_none() { vec![3] } else { vec![] }, "{target}");
    }
}

/// Statements that are seldom, and those that have no counterpart.
#[test]
fn all_that_nft_can_say() {
    holds("edge.json", &nft(include_str!("import/edge.json")).expect("JSON"));
}

/// Every rule of a file is among the translated or among those that are not.
#[test]
fn nothing_is_skipped_silently() {
    let six = include_str!("import/six.save");
    for text in [include_str!("import/host.save"), include_str!("import/router.save"), six] {
        let imported = iptables(text);
        for (line, number) in text.lines().zip(1..) {
            let is_call =
                ["f2b-sshd", "services", "web", "deep", "empty"].iter().any(|name| line.ends_with(name));
            let is_rule = line.contains("-A ") && !is_call && !line.ends_with("-j RETURN");
            let known = lines(&imported).any(|known| known == number);
            assert!(known || !is_rule, "line {number}: {line}");
        }
    }
    for text in [include_str!("import/host.json"), include_str!("import/edge.json")] {
        let imported = nft(text).expect("JSON");
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| line.starts_with("{\"rule\"")) {
            assert!(lines(&imported).any(|known| known == number), "line {number}: {line}");
        }
    }
}

fn lines(imported: &Imported) -> impl Iterator<Item = usize> {
    let translated = imported.rules.iter().map(|Translated { line, .. }| *line);
    translated.chain(imported.not_translated.iter().map(|Remark { line, .. }| *line))
}

/// Files with characters and lines more, less and other.
#[test]
fn damaged_files_are_no_danger() {
    let files = [
        include_str!("import/host.save"),
        include_str!("import/router.save"),
        include_str!("import/host.json"),
        include_str!("import/edge.json"),
        include_str!("import/list.xdp"),
    ];
    let damage = vec((any::<Index>(), any::<Index>(), 0..5_u8, any::<char>()), 1..30);
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    let result = TestRunner::new(config).run(&(0..files.len(), damage), |(file, damage)| {
        let mut lines: Vec<String> = files[file].lines().map(str::to_owned).collect();
        for (line, at, how, c) in damage {
            let line = line.index(lines.len());
            let mut chars: Vec<char> = lines[line].chars().collect();
            let at = at.index(chars.len() + 1);
            match how {
                0 => chars.insert(at, c),
                1 => chars.truncate(at),
                2 if at < chars.len() => drop(chars.remove(at)),
                3 => chars.insert(at, ['9', '/', '!', ',', '"'][at % 5]),
                _ => lines.swap(line, at % files[file].lines().count()),
            }
            if how < 4 {
                lines[line] = chars.into_iter().collect();
            }
        }
        let text = lines.join("\n");
        for imported in [iptables(&text), xdp_filter(&text)].into_iter().chain(nft(&text)) {
            let toml = imported.toml();
            prop_assert!(toml.lines().all(|line| !line.contains(char::is_control)), "{toml}");
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// A name is written so that TOML reads it again, and a line of the other firewall cannot leave its comment.
#[test]
fn the_section_is_toml() {
    let imported = Imported {
        rules: vec![Translated { line: 1, rule: "drop on a\\b\"c\u{85}".into() }],
        default: Some(Policy::Drop),
        not_translated: vec![Remark { line: 2, text: "x\ny".into(), why: "a\tb".into() }],
        ..Imported::default()
    };
    let expected = "# not translated: line 2: x y\n#   a b\n[firewall]\ndefault = \"drop\"\nrules = [\n  \"drop on a\\\\b\\\"c\\u0085\",\n]\n";
    assert_eq!(imported.toml(), expected);
}
