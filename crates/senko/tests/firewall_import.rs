//! `senko firewall import`: rules of other firewalls on standard output, and what cannot be said.

mod support;

use std::fs;

use support::Scratch;

const SAVED: &str = "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 22 -j ACCEPT\n\
                     -A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT\n-A INPUT -m recent --set\nCOMMIT\n";

fn import(scratch: &Scratch, text: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let file = scratch.path().join("saved");
    fs::write(&file, text).expect("it is written");
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_senko"))
        .args(["firewall", "import"])
        .arg(&file)
        .args(args)
        .output()
        .expect("senko runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
}

#[test]
fn what_is_printed_is_a_section_that_check_takes() {
    let scratch = Scratch::new("import-check");
    let (code, section, said) = import(&scratch, SAVED, &[]);
    assert_eq!(code, Some(7), "a line is not translated: {said}");
    assert!(
        said.contains("1 lines were not") && section.contains("# not translated: line 5"),
        "{said}{section}"
    );
    let file = scratch.path().join("senko.toml");
    fs::write(&file, format!("[[interface]]\nname = \"eth0\"\n\n{section}")).expect("it is written");
    let check = std::process::Command::new(env!("CARGO_BIN_EXE_senko")).arg("check").arg(&file).output();
    let check = check.expect("senko runs");
    assert!(check.status.success(), "{section}{}", String::from_utf8_lossy(&check.stderr));
}

#[test]
fn json_has_the_rules_and_the_rest() {
    let scratch = Scratch::new("import-json");
    let (_, document, _) = import(&scratch, SAVED, &["--json"]);
    let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    let rules = document["rules"].as_array().expect("an array");
    let texts: Vec<&str> = rules.iter().filter_map(|rule| rule["rule"].as_str()).collect();
    assert!(texts[0].contains("from 10.0.0.0/8") && texts[0].contains("port 22"), "{texts:?}");
    assert_eq!(document["default"], "drop");
    assert_eq!(document["not_translated"][0]["line"], 5);
}

#[test]
fn other_formats_are_told_by_their_look() {
    let scratch = Scratch::new("import-look");
    let (code, section, said) = import(&scratch, "ip 192.0.2.1 src\nport 53 udp dst\n", &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(section.contains("from 192.0.2.1") && section.contains("53"), "{section}");
    let (code, _, said) = import(&scratch, "{ \"nftables\": 7", &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no JSON"), "{said}");
}
