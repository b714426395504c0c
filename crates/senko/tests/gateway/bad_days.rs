//! Full disks, and configurations of which something is wrong.

use std::{fs, io::Write as _, process::Command};

use serde_json::{Value, json};

use crate::{
    api::try_http,
    atomic::{SOURCES, rules},
    fixture::Gateway,
    probe::Probe,
    stream::Stream,
};

/// A small file system where a gateway has its files.
struct Small<'a>(&'a Gateway);

impl<'a> Small<'a> {
    fn mount(gateway: &'a Gateway) -> Self {
        fs::create_dir_all(&gateway.place.run).expect("root may");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k,mode=750", "tmpfs"]).arg(&gateway.place.run);
        assert!(mount.status().expect("util-linux is installed").success());
        Self(gateway)
    }

    /// Until nothing more fits.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.place.run.join("ballast")).expect("a file");
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.0.place.run.join("ballast")).expect("it is there");
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0.place.run).status();
    }
}

#[test]
fn a_full_disk_changes_nothing() {
    let gateway = Gateway::new("full");
    let small = Small::mount(&gateway);
    let probe = Probe::of(&gateway);
    gateway.apply("native", &rules(false));
    gateway.senko(&["block", "203.0.113.8"]).ok();
    let sources = [SOURCES[0], SOURCES[1], "203.0.113.8", "192.0.2.7"];
    let (before, passing) = (gateway.ids(), vec![SOURCES[1], "192.0.2.7"]);
    assert_eq!(probe.passing(&sources), passing);
    small.fill();
    gateway.write("native", &rules(true));
    gateway.senko(&["apply"]).refused(1, &["No space left", "df -h /run"]);
    gateway.senko(&["set", "add", "b", "192.0.2.7"]).refused(1, &["No space left", "df -h /run"]);
    gateway.senko(&["block", "192.0.2.7"]).refused(1, &["No space left", "df -h /run"]);
    gateway.senko(&["unblock", "203.0.113.8"]).refused(1, &["No space left"]);
    assert_eq!((gateway.ids(), probe.passing(&sources)), (before, passing.clone()));
    assert!(!gateway.senko(&["set", "list", "b"]).ok().out.contains("192.0.2.7"));
    small.empty();
    gateway.senko(&["apply"]).ok();
    assert_eq!(probe.passing(&sources), [SOURCES[0], "192.0.2.7"]);

    // The same by the daemon, which goes on.
    let _daemon = gateway.run();
    let before = gateway.ids();
    small.fill();
    gateway.write("native", &rules(false));
    gateway.senko(&["apply"]).refused(1, &["No space left", "df -h /run"]);
    gateway.senko(&["set", "add", "b", "192.0.2.7"]).refused(1, &["No space left"]);
    gateway.senko(&["block", "192.0.2.7"]).refused(1, &["No space left"]);
    gateway.senko(&["unblock", "203.0.113.8"]).refused(1, &["No space left"]);
    assert_eq!((gateway.ids(), probe.passing(&sources)), (before, vec![SOURCES[0], "192.0.2.7"]));
    small.empty();
    gateway.senko(&["block", "192.0.2.7"]).ok();
    gateway.senko(&["apply"]).ok();
    assert_eq!(probe.passing(&sources), [SOURCES[1]]);
}

/// A configuration with one of everything.
const VALID: &str = r#"
[sets]
office = ["203.0.113.0/24", "2001:db8:1::/48"]
bad    = { file = "bad.txt" }

[firewall]
default = "accept"
allow   = ["192.0.2.1", "@office"]
drop    = ["@bad", "198.51.100.7", "2001:db8::/32"]

[counter]
per = ["protocol", "interface"]
"#;

struct Random(u64);

impl Random {
    /// Below `n`; xorshift64.
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n
    }

    /// The text with something wrong, or other, in it.
    fn mutated(&mut self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let tokens: Vec<&[u8]> = text.as_bytes().split_inclusive(|byte| b" \n,".contains(byte)).collect();
            match self.below(7) {
                0 => bytes[at] = self.below(256) as u8,
                1 => bytes[at] = b"[]{}\"'=.,:/#@-\n0179afz"[self.below(22)],
                2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, b"[]{}\"'=.,:/#@-\n0179afz"[self.below(22)]),
                4 => bytes.truncate(at.max(1)),
                5 => {
                    let token = tokens[self.below(tokens.len())].to_vec();
                    bytes.splice(at..at, token);
                }
                _ => {
                    let (gone, new) = (self.below(tokens.len()), self.below(tokens.len()));
                    bytes = tokens
                        .iter()
                        .enumerate()
                        .flat_map(|(n, t)| if n == gone { tokens[new] } else { t })
                        .copied()
                        .collect();
                }
            }
        }
        bytes
    }
}

/// A thousand; `MUTATIONS` for another number.
#[test]
fn mutated_configurations_are_applied_or_refused_with_a_place() {
    let wanted = std::env::var("MUTATIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(1000);
    let gateway = Gateway::new("mutated");
    gateway.scratch.write("bad.txt", "198.51.100.0/25\n2001:db8:bad::/48\n");
    let path = gateway.write("native", VALID);
    let text = fs::read_to_string(&path).expect("it was written");
    let _daemon = gateway.run();
    let stream = Stream::start(&gateway, ["198.51.100.7", "2001:db8:2::1", SOURCES[2]]);
    let request = json!({ "config": path }).to_string();
    let mut random = Random(0x5e_2026_1126);
    let (mut applied, mut refused) = (0, 0);
    let mut live = gateway.record().generation;
    for n in 0..wanted {
        let mutated = random.mutated(&text);
        fs::write(&path, &mutated).expect("there is room");
        let shown = String::from_utf8_lossy(&mutated);
        let (status, answer) =
            try_http(&gateway.place, "POST", "/v1/apply", &request).unwrap_or_else(|error| {
                panic!(
                    "{n}: {error}
of: {shown}"
                )
            });
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let generation = gateway.record().generation;
        match status {
            200 => {
                applied += 1;
                live = answer["generation"].as_u64().expect("a number");
            }
            422 => {
                refused += 1;
                let said = answer["text"].as_str().expect("text");
                let mut places = said.lines().filter(|line| line.contains("--> "));
                let located = places.all(|line| {
                    let mut parts = line.rsplit(':');
                    parts.next().is_some_and(|column| column.parse::<u32>().is_ok())
                        && parts.next().is_some_and(|line| line.parse::<u32>().is_ok())
                });
                let errors = answer["problems"].as_array().expect("a list").len();
                assert!(said.contains("--> ") && located && errors > 0, "{n}: {said}\nof: {shown}");
                assert_eq!(answer["exit_code"], 2, "{n}: {answer}");
            }
            _ => panic!("{n}: {status} {answer}\nof: {shown}"),
        }
        assert_eq!(generation, live, "{n}: {answer}\nof: {shown}");
    }
    let account = stream.end();
    println!("{applied} applied, {refused} refused, {} rounds", account.rounds.len());
    assert_eq!(account.lost(), 0, "of {} packets that all let pass", account.rounds.len());
    assert!(applied > 0 && refused > wanted / 4, "{applied} applied, {refused} refused");
    fs::write(&path, &text).expect("there is room");
    gateway.senko(&["apply"]).ok();
    gateway.ids();
    let probe = Probe::of(&gateway);
    assert_eq!(probe.passing(&["198.51.100.7", "2001:db8:2::1", SOURCES[2]]), [SOURCES[2]]);
}
