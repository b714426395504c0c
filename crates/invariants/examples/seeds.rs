//! `seeds DIR`: what the fuzz targets begin with, a folder for each and a file for each input. Object files are not among
//! them: a compiler makes those.

use std::{error::Error, fs, path::Path};

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};

const CONFIGURATIONS: [&str; 4] = [
    "[[interface]]\nname = \"eth0\"\nmode = \"auto\"\n\n[sets]\noffice = [\"192.0.2.0/24\", \"2001:db8:1::/48\"]\n\
     blocklist = { file = \"list.txt\", watch = true }\n\n[firewall]\ndefault = \"drop\"\nallow = [\"@office\"]\n\
     drop = [\"@blocklist\", \"198.51.100.7\"]\n\n[metrics]\nlisten = \"127.0.0.1:9479\"\n\0# bad\n203.0.113.0/24\n",
    "interface = [{ name = 'lan', mode = \"skb\" }]\n[counter]\nper = [\"protocol\", \"interface\"]\nicmp_types = true\n",
    "[[interface]]\nname = \"a\"\n[[interface]]\nname = \"b\"\n[redirect]\ncables = [[\"a\", \"b\"]]\n",
    "[[interface]]\nname = \"eth0\"\n[sets]\noffice = [\"192.0.2.0/24\"]\n[firewall]\nfragments = \"drop\"\nrules = [\n\
     \"accept established\",\n\"drop tcp to 203.0.113.10 port not {80, 443}\",\n\
     \"limit 10/s per source icmp type echo-request\",\n\"drop udp sport {19, 53} length > 512\",\n\
     \"log 1/1000 drop from 100.64.0.0/10\",\n\"reject tcp flags syn vlan 7 ttl < 3 dscp ef from @office\",\n]\n",
];

const FILTERS: [&str; 6] = [
    "--syn",
    "--proto udp --port 53",
    "--host 10.0.0.1",
    "-6 --proto icmp",
    "--proto arp",
    "--host 2001:db8::1 -4",
];

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: seeds DIR")?;
    let directory = Path::new(&directory);
    let mut runner = TestRunner::deterministic();
    let mut frames = Vec::new();
    for _ in 0..64 {
        let drawn = testkit::random::frame().new_tree(&mut runner);
        frames.push(drawn.map_err(|reason| reason.to_string())?.current());
    }
    for (number, frame) in frames.iter().enumerate() {
        write(directory, "packet", number, &[&[0, 0], &frame[..]].concat())?;
        let filter = FILTERS[number % FILTERS.len()];
        write(directory, "filter", number, &[filter.as_bytes(), b"\n", frame].concat())?;
    }
    for (number, text) in CONFIGURATIONS.iter().enumerate() {
        write(directory, "configuration", number, text.as_bytes())?;
    }
    for (number, frame) in frames.iter().take(8).enumerate() {
        let names = b"\x01\xff\xff\x00\x00\x05vetha\x05vethb";
        let header = [&[1, frame.len().min(255) as u8], &[7; 24][..]].concat();
        write(directory, "pcapng", number, &[&names[..], &header, frame].concat())?;
    }
    Ok(())
}

fn write(directory: &Path, target: &str, number: usize, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let folder = directory.join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(format!("seed-{number}")), bytes)?)
}
