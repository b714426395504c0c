//! The SSH session that a command is run in, and what of a configuration would cut it off. Whoever is locked out by a rule
//! reads of it beforehand or never.

use std::{collections::BTreeMap, fs, net::IpAddr};

use policy::{Cidr, Problems, Stop};
use wire::checksum;

use crate::{config::Config, edits::Edits, error::Error};

/// The two ends of an SSH session, as sshd tells them to what it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub client: (IpAddr, u16),
    pub server: (IpAddr, u16),
}

const VARIABLE: &str = "SSH_CONNECTION";

/// Processes above this one that are looked at.
const DEPTH: usize = 32;

/// The client's packets, whatever they carry: acknowledged data.
const PSH_ACK: u8 = 0x18;
const TCP: u8 = 6;

impl Session {
    /// By this process's environment. `sudo` keeps it from what it starts, so that of the processes above is asked next.
    pub fn find() -> Option<Self> {
        if let Ok(text) = std::env::var(VARIABLE) {
            return Self::parse(&text);
        }
        let mut process = std::process::id();
        for _ in 0..DEPTH {
            process = parent(process).filter(|parent| *parent > 0)?;
            let Ok(environment) = fs::read(format!("/proc/{process}/environ")) else { continue };
            let wanted = |line: &&[u8]| line.starts_with(VARIABLE.as_bytes());
            let Some(line) = environment.split(|byte| *byte == 0).find(wanted) else { continue };
            let text = std::str::from_utf8(line).ok()?;
            return Self::parse(text.strip_prefix(VARIABLE)?.strip_prefix('=')?);
        }
        None
    }

    /// `CLIENT PORT SERVER PORT`, as sshd(8) writes it.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let mut end = || {
            // A link-local address has its interface behind it.
            let address = words.next()?.split('%').next()?.parse().ok()?;
            Some((address, words.next()?.parse().ok()?))
        };
        Some(Self { client: end()?, server: end()? })
    }

    /// Interfaces of the configuration by which the client's packets come. None where the session is not of this network
    /// namespace.
    pub fn interfaces(&self, config: &Config) -> Result<Vec<String>, Error> {
        if !engine::netlink::local_addresses()?.contains(&self.server.0) {
            return Ok(Vec::new());
        }
        // They come by the way by which the answers leave.
        let Some(index) = engine::netlink::route_to(self.client.0)? else { return Ok(Vec::new()) };
        let links = engine::netlink::links()?;
        let mut carrying = vec![index];
        let mut at = 0;
        while let Some(index) = carrying.get(at).copied() {
            at += 1;
            for link in &links {
                // The members of a bond or bridge, and what is below a VLAN.
                let is_below = |upper: &&engine::netlink::LinkFacts| {
                    upper.ifindex == index
                        && upper.peer_ifindex == Some(link.ifindex)
                        && upper.peer_netns.is_none()
                        && upper.kind.as_deref() != Some("veth")
                };
                let carries = link.controller == Some(index) || links.iter().any(|upper| is_below(&upper));
                if carries && !carrying.contains(&link.ifindex) {
                    carrying.push(link.ifindex);
                }
            }
        }
        let named =
            |name: &&String| links.iter().any(|link| link.name == **name && carrying.contains(&link.ifindex));
        Ok(config.interfaces.iter().map(|interface| &interface.name).filter(named).cloned().collect())
    }

    /// Warns of what would keep the session's packets from the host, once for each place. `edits` are those that are live.
    pub fn warn(&self, config: &Config, edits: &Edits, interfaces: &[String], problems: &mut Problems) {
        let mut sets = config.sets.clone();
        edits.apply(&mut sets);
        let world = policy::World { sets: &sets, ..config.world(&[]) };
        let frame = self.frame();
        let mut stops: Vec<(Stop, Vec<&str>)> = Vec::new();
        for interface in interfaces {
            let of = |(_, valid): &(_, Box<dyn policy::Valid>)| valid.stops(&world, &frame, interface);
            let stop = self.blocked(edits).or_else(|| config.sections.iter().find_map(of));
            let Some(stop) = stop else { continue };
            match stops.iter_mut().find(|(known, _)| *known == stop) {
                Some((_, names)) => names.push(interface),
                None => stops.push((stop, vec![interface])),
            }
        }
        for (Stop { what, at, until_sent }, names) in stops {
            let ((client, from), (server, to)) = (self.client, self.server);
            let session = format!("{client} port {from} to {server} port {to}, by {}", names.join(", "));
            // It sends what this command prints, or its end; whoever leaves then does not come back.
            let message = if until_sent {
                format!(
                    "`{what}` lets no new SSH session in; the one that this is run in goes on by `established`, from the next \
                     packet that this host sends: {session}"
                )
            } else {
                format!("`{what}` cuts off the SSH session that this is run in: {session}")
            };
            let hint = "accept it above, or use `senko apply --confirm 30s`, which rolls back unless it is confirmed";
            problems.warning(at, message, Some(hint.into()));
        }
    }

    fn blocked(&self, edits: &Edits) -> Option<Stop> {
        let prefix = edits.blocks.keys().find(|prefix| prefix.contains(Cidr::host(self.client.0)))?;
        Some(Stop { what: format!("senko block {prefix}"), at: None, until_sent: false })
    }

    /// A packet of the client's. Addresses and ports are known; MAC addresses, tags, length and TTL are not, and are those of
    /// an ordinary one.
    fn frame(&self) -> Vec<u8> {
        let payload = [0; 36];
        let mut tcp = [self.client.1.to_be_bytes(), self.server.1.to_be_bytes()].concat();
        tcp.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, PSH_ACK, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(payload);
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        match (self.client.0, self.server.0) {
            (IpAddr::V4(client), IpAddr::V4(server)) => {
                frame.extend([0x08, 0x00]);
                let mut ip = vec![0x45, 0];
                ip.extend(((20 + tcp.len()) as u16).to_be_bytes());
                ip.extend([0, 0, 0x40, 0, 64, TCP, 0, 0]);
                ip.extend(client.octets());
                ip.extend(server.octets());
                let sum = checksum::full(&ip).to_be_bytes();
                ip[10..12].copy_from_slice(&sum);
                frame.extend(ip);
            }
            (client, server) => {
                let wide = |address: IpAddr| match address {
                    IpAddr::V4(address) => address.to_ipv6_mapped(),
                    IpAddr::V6(address) => address,
                };
                frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                frame.extend((tcp.len() as u16).to_be_bytes());
                frame.extend([TCP, 64]);
                frame.extend(wide(client).octets());
                frame.extend(wide(server).octets());
            }
        }
        frame.extend(tcp);
        frame
    }
}

/// Warns of what would cut off the session that this process is run in, if it is run in one.
pub fn warn(config: &Config, edits: &Edits, problems: &mut Problems) -> Result<(), Error> {
    let Some(session) = Session::find() else { return Ok(()) };
    let interfaces = session.interfaces(config)?;
    session.warn(config, edits, &interfaces, problems);
    Ok(())
}

/// By `/proc/PID/status`.
fn parent(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let fields: BTreeMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
    fields.get("PPid")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        config::{self, Memory},
        edits::Block,
    };

    fn session(text: &str) -> Session {
        Session::parse(text).expect("four words")
    }

    /// What is said of a session that comes by eth0, and the line it is said of; behind `~` where it goes on nevertheless.
    fn said(session: &Session, text: &str, edits: &Edits) -> Vec<(String, Option<usize>)> {
        let text = format!("[[interface]]\nname = \"eth0\"\n[[interface]]\nname = \"eth1\"\n{text}");
        let files = Memory::new([("/senko.toml", text.as_str())]);
        let outcome = config::read(&files, Path::new("/senko.toml"), config::functions());
        let config = outcome.config.expect("it is sound");
        let mut problems = Problems::default();
        session.warn(&config, edits, &["eth0".into()], &mut problems);
        let line = |at| outcome.sources.line_column(at).0;
        problems
            .iter()
            .map(|problem| {
                assert!(problem.hint.as_ref().is_some_and(|hint| hint.contains("--confirm")), "{problem:?}");
                let what = problem.message.split('`').nth(1).expect("what stops it");
                let goes_on = problem.message.contains("no new SSH session");
                assert_ne!(goes_on, problem.message.contains("cuts off"), "{problem:?}");
                (format!("{}{what}", if goes_on { "~" } else { "" }), problem.at.map(line))
            })
            .collect()
    }

    #[test]
    fn what_sshd_writes_is_read() {
        let known = session("192.0.2.5 50000 198.51.100.1 22");
        assert_eq!(known.client, ("192.0.2.5".parse().expect("an address"), 50_000));
        assert_eq!(known.server, ("198.51.100.1".parse().expect("an address"), 22));
        assert_eq!(session("fe80::1%eth0 5 fe80::2%eth0 22").client.0.to_string(), "fe80::1");
        for wrong in ["", "192.0.2.5 5 198.51.100.1", "here 5 there 22", "192.0.2.5 5 198.51.100.1 ssh"] {
            assert_eq!(Session::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_cuts_it_off_is_named_with_its_place() {
        let v4 = session("192.0.2.5 50000 198.51.100.1 22");
        let v6 = session("2001:db8::5 50000 2001:db8::1 22");
        let none = Edits::default();
        for (text, of_v4, of_v6) in [
            (
                "[firewall]\nrules = [\n\"accept udp\",\n\"drop tcp port 22\",\n]",
                Some(("drop tcp port 22", 8)),
                Some(("drop tcp port 22", 8)),
            ),
            (
                "[firewall]\nrules = [\"accept from 192.0.2.0/24\", \"drop tcp port 22\"]",
                None,
                Some(("drop tcp port 22", 6)),
            ),
            ("[firewall]\nrules = [\"drop tcp port 22 flags syn/syn,ack\"]", None, None),
            ("[firewall]\nrules = [\"drop tcp port 22 on eth1\"]", None, None),
            (
                "[firewall]\nrules = [\"redirect eth1 tcp\"]",
                Some(("redirect eth1 tcp", 6)),
                Some(("redirect eth1 tcp", 6)),
            ),
            ("[firewall]\nrules = [\"limit 10/s tcp port 22\"]", None, None),
            (
                "[firewall]\ndefault = \"drop\"\nallow = [\"2001:db8::/32\"]",
                Some(("default = \"drop\"", 6)),
                None,
            ),
            ("[firewall]\ndrop = [\"192.0.2.0/24\"]\nallow = [\"192.0.2.5\"]", None, None),
            (
                "[firewall]\ndrop = [\"192.0.2.5\", \"2001:db8::5\"]\nallow = [\"192.0.2.5\"]",
                None,
                Some(("drop 2001:db8::5", 6)),
            ),
            (
                "[sets]\nbad = [\"192.0.2.0/28\"]\n[firewall]\ndrop = [\"@bad\"]\nallow = [\"192.0.2.0/24\"]\nrules = [\"drop ipv6\"]",
                Some(("drop @bad", 8)),
                Some(("drop ipv6", 10)),
            ),
            (
                "[sets]\nbad = [\"192.0.2.0/28\"]\n[firewall]\nrules = [\"drop from @bad\"]",
                Some(("drop from @bad", 8)),
                None,
            ),
            ("[counter]", None, None),
            // What this host sends is remembered, so an open session goes on; a new one would not come in.
            (
                "[firewall]\ndefault = \"drop\"\nrules = [\"accept established\"]",
                Some(("~default = \"drop\"", 6)),
                Some(("~default = \"drop\"", 6)),
            ),
            (
                "[firewall]\nrules = [\"drop tcp not established\"]",
                Some(("~drop tcp not established", 6)),
                Some(("~drop tcp not established", 6)),
            ),
            (
                "[firewall]\ndefault = \"drop\"\nrules = [\"accept established\", \"accept ip tcp port 22\"]",
                None,
                Some(("~default = \"drop\"", 6)),
            ),
            // Above it, or not about it.
            (
                "[firewall]\nrules = [\"drop tcp port 22\", \"accept established\"]",
                Some(("drop tcp port 22", 6)),
                Some(("drop tcp port 22", 6)),
            ),
            (
                "[firewall]\ndefault = \"drop\"\nrules = [\"accept udp established\"]",
                Some(("default = \"drop\"", 6)),
                Some(("default = \"drop\"", 6)),
            ),
            (
                "[firewall]\nrules = [\"drop established\"]",
                Some(("drop established", 6)),
                Some(("drop established", 6)),
            ),
        ] {
            let one = |found: Option<(&str, usize)>| -> Vec<(String, Option<usize>)> {
                found.into_iter().map(|(what, line)| (what.to_owned(), Some(line))).collect()
            };
            assert_eq!(said(&v4, text, &none), one(of_v4), "{text}");
            assert_eq!(said(&v6, text, &none), one(of_v6), "{text}");
        }
        let cable = "[redirect]\ncables = [[\"eth0\", \"eth1\"]]";
        assert_eq!(said(&v4, cable, &none), [("cables = [[\"eth0\", \"eth1\"]]".to_owned(), None)]);
    }

    #[test]
    fn blocks_and_live_elements_count() {
        let v4 = session("192.0.2.5 50000 198.51.100.1 22");
        let mut edits = Edits::default();
        let text = "[sets]\nbad = [\"203.0.113.1\"]\n[firewall]\ndrop = [\"@bad\"]";
        assert_eq!(said(&v4, text, &edits), []);
        let prefix = |text: &str| text.parse::<Cidr>().expect("a prefix");
        edits.sets.entry("bad".into()).or_default().added.insert(prefix("192.0.2.4/31"));
        assert_eq!(said(&v4, text, &edits), [("drop @bad".to_owned(), Some(8))]);
        let block = Block { since: 0.0, until: None, why: None, slot: 0 };
        edits.blocks.insert(prefix("192.0.2.0/24"), block);
        assert_eq!(said(&v4, text, &edits), [("senko block 192.0.2.0/24".to_owned(), None)]);
    }
}
