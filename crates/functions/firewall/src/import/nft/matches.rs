//! A match statement: what it compares, and with what.

use serde_json::Value;

use crate::{
    import::{
        conditions::{Conditions, interfaces, number, prefixes},
        iptables::words,
        nft::{Key, Tables, values},
    },
    rule::{
        ast::{Field, Flags, Values},
        check::{V4, V6},
    },
};

/// What the matches of a rule come to.
#[derive(Debug, Default)]
pub struct Matches {
    pub conditions: Conditions,
    /// Families that they imply and our conditions do not; 0: none.
    pub families: u8,
    pub notes: Vec<String>,
}

/// A field of a packet, and what it implies.
struct Known {
    field: Field,
    protocol: Option<u32>,
    families: u8,
    /// What our number has more than nft's.
    more: u32,
}

impl Known {
    const fn new(field: Field) -> Self {
        Self { field, protocol: None, families: 0, more: 0 }
    }

    const fn of(self, families: u8) -> Self {
        Self { families, ..self }
    }

    const fn behind(self, protocol: u32) -> Self {
        Self { protocol: Some(protocol), ..self }
    }
}

impl Matches {
    /// Adds a match statement. The error is why it has no counterpart.
    pub fn add(&mut self, statement: &Value, tables: &Tables, table: &Key) -> Result<(), String> {
        let (left, right) = (&statement["left"], &statement["right"]);
        let operator = statement["op"].as_str().unwrap_or("==");
        if let Some(sides) = left.get("&").and_then(Value::as_array) {
            let [what, mask] = &sides[..] else { return Err("a mask is missing".into()) };
            return self.masked(what, mask, operator, right);
        }
        if left["ct"]["key"] == "state" {
            return self.state(operator, right);
        }
        if is_payload(left, "tcp", "flags") {
            let bits = values::flags(right)?;
            let flags = match operator {
                // One of several flags: a rule cannot say that.
                "in" if bits.count_ones() > 1 => return Err("any of several flags has no counterpart".into()),
                "in" => Flags { mask: bits, value: bits },
                _ => Flags { mask: 0xff, value: bits },
            };
            return self.flags(operator == "!=", flags);
        }
        let known = known(left)?;
        if known.field == Field::Protocol && known.families == V6 {
            let note = "`ip6 nexthdr` is the first header, and here the protocol behind all extension headers is meant";
            self.notes.push(note.into());
        }
        let list = values::alternatives(right, tables, table)?;
        let negated = operator == "!=";
        let is_equal = matches!(operator, "==" | "!=" | "in");
        let values = match known.field {
            Field::Source | Field::Destination if is_equal => prefixes(values::prefixes(&list)?),
            Field::SourceMac | Field::DestinationMac if is_equal => Values::Macs(values::macs(&list)?),
            Field::Interface if is_equal && negated && list == ["lo"] => return Ok(()),
            Field::Interface if is_equal => interfaces(values::names(&list)?),
            Field::Source
            | Field::Destination
            | Field::SourceMac
            | Field::DestinationMac
            | Field::Interface => {
                return Err(format!("`{operator}` has no counterpart here"));
            }
            field => {
                let six = known.families == V6 || known.protocol == Some(58);
                let ranges = values::numbers(field, six, operator, &list)?;
                let shifted =
                    ranges.into_iter().map(|range| range.start() + known.more..=range.end() + known.more);
                Values::Ranges(shifted.collect())
            }
        };
        if known.field == Field::Version && !matches!(&values, Values::Ranges(list) if list.len() == 1) {
            return Err("both versions of IP: leave the condition out".into());
        }
        self.known(&known)?;
        Ok(self.conditions.and(known.field, negated, values)?)
    }

    /// Adds what a field implies.
    fn known(&mut self, known: &Known) -> Result<(), String> {
        if let Some(protocol) = known.protocol {
            self.conditions.and(Field::Protocol, false, number(protocol))?;
        }
        self.imply(known.families)
    }

    /// Bits of the families that packets must be of, too.
    pub fn imply(&mut self, families: u8) -> Result<(), String> {
        match self.families {
            _ if families == 0 => {}
            0 => self.families = families,
            known if known == families => {}
            _ => return Err("no packet is both IPv4 and IPv6".into()),
        }
        Ok(())
    }

    fn masked(&mut self, what: &Value, mask: &Value, operator: &str, right: &Value) -> Result<(), String> {
        let negated = match operator {
            "==" => false,
            "!=" => true,
            _ => return Err(format!("`{operator}` behind a mask has no counterpart")),
        };
        if is_payload(what, "tcp", "flags") {
            let flags = Flags { mask: values::flags(mask)?, value: values::flags(right)? };
            return self.flags(negated, flags);
        }
        // The offset of a fragment: not 0 is a later one.
        if is_payload(what, "ip", "frag-off") && *mask == 0x1fff && *right == 0 {
            self.known(&Known::new(Field::Fragment).of(V4))?;
            return Ok(self.conditions.and(Field::Fragment, !negated, number(2))?);
        }
        Err("a mask here has no counterpart".into())
    }

    fn flags(&mut self, negated: bool, flags: Flags) -> Result<(), String> {
        self.known(&Known::new(Field::TcpFlags).behind(6))?;
        Ok(self.conditions.and(Field::TcpFlags, negated, Values::Flags(vec![flags]))?)
    }

    fn state(&mut self, operator: &str, right: &Value) -> Result<(), String> {
        let states: Vec<&str> = match right {
            Value::String(state) => vec![state],
            Value::Array(states) => states.iter().filter_map(Value::as_str).collect(),
            _ => match right.get("set").and_then(Value::as_array) {
                Some(states) => states.iter().filter_map(Value::as_str).collect(),
                None => return Err("its states are not known".into()),
            },
        };
        let (established, note) = words::states(&states.join(",").to_uppercase(), operator == "!=")?;
        self.notes.extend(note.map(str::to_owned));
        let Some(established) = established else { return Ok(()) };
        Ok(self.conditions.and(Field::Established, !established, Values::Present)?)
    }
}

fn is_payload(value: &Value, protocol: &str, field: &str) -> bool {
    value["payload"]["protocol"] == protocol && value["payload"]["field"] == field
}

/// The field that the left side of a match is.
fn known(left: &Value) -> Result<Known, String> {
    let no_counterpart = |what: &str| Err(format!("`{what}` has no counterpart"));
    if let Some(key) = left["meta"]["key"].as_str() {
        return Ok(Known::new(match key {
            "l4proto" => Field::Protocol,
            "nfproto" => Field::Version,
            "protocol" => Field::Ethertype,
            "iif" | "iifname" => Field::Interface,
            _ => return no_counterpart(&format!("meta {key}")),
        }));
    }
    let (Some(protocol), Some(field)) =
        (left["payload"]["protocol"].as_str(), left["payload"]["field"].as_str())
    else {
        let kind = left.as_object().and_then(|object| object.keys().next());
        return no_counterpart(kind.map_or("this", String::as_str));
    };
    let ports = match protocol {
        "tcp" => Some(6),
        "udp" => Some(17),
        "dccp" => Some(33),
        "sctp" => Some(132),
        "udplite" => Some(136),
        _ => None,
    };
    let port = match field {
        "sport" => Some(Field::SourcePort),
        "dport" => Some(Field::DestinationPort),
        _ => None,
    };
    if let (Some(protocol), Some(port)) = (ports, port) {
        return Ok(Known::new(port).behind(protocol));
    }
    Ok(match (protocol, field) {
        ("th", "sport") => Known::new(Field::SourcePort),
        ("th", "dport") => Known::new(Field::DestinationPort),
        ("ip", "saddr") => Known::new(Field::Source).of(V4),
        ("ip", "daddr") => Known::new(Field::Destination).of(V4),
        ("ip", "protocol") => Known::new(Field::Protocol).of(V4),
        ("ip", "length") => Known::new(Field::Length).of(V4),
        ("ip", "ttl") => Known::new(Field::Ttl).of(V4),
        ("ip", "dscp") => Known::new(Field::Dscp).of(V4),
        ("ip", "version") => Known::new(Field::Version),
        ("ip6", "saddr") => Known::new(Field::Source).of(V6),
        ("ip6", "daddr") => Known::new(Field::Destination).of(V6),
        ("ip6", "nexthdr") => Known::new(Field::Protocol).of(V6),
        // It does not count the header itself.
        ("ip6", "length") => Known { more: 40, ..Known::new(Field::Length).of(V6) },
        ("ip6", "hoplimit") => Known::new(Field::Ttl).of(V6),
        ("ip6", "dscp") => Known::new(Field::Dscp).of(V6),
        ("icmp", "type") => Known::new(Field::IcmpType).behind(1),
        ("icmp", "code") => Known::new(Field::IcmpCode).behind(1),
        ("icmpv6", "type") => Known::new(Field::IcmpType).behind(58),
        ("icmpv6", "code") => Known::new(Field::IcmpCode).behind(58),
        ("ether", "saddr") => Known::new(Field::SourceMac),
        ("ether", "daddr") => Known::new(Field::DestinationMac),
        ("ether", "type") => Known::new(Field::Ethertype),
        ("vlan", "id") => Known::new(Field::Vlan),
        _ => return no_counterpart(&format!("{protocol} {field}")),
    })
}
