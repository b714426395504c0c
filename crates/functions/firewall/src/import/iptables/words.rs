//! Values of options.

use std::ops::RangeInclusive;

use crate::rule::{
    ast::{Flags, Values},
    names,
    numbers::digits,
};

/// Modules whose options say all, and those that say nothing about packets.
pub const MODULES: &[&str] = &[
    "tcp",
    "udp",
    "udplite",
    "sctp",
    "dccp",
    "icmp",
    "icmp6",
    "multiport",
    "length",
    "ttl",
    "hl",
    "dscp",
    "mac",
    "iprange",
    "conntrack",
    "state",
    "comment",
    "hashlimit",
];

/// Targets that are no chains: the extensions of iptables 1.8.
pub const TARGETS: &[&str] = &[
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CLUSTERIP",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "DNAT",
    "DNPT",
    "DSCP",
    "ECN",
    "HL",
    "HMARK",
    "IDLETIMER",
    "LED",
    "MASQUERADE",
    "NETMAP",
    "NFLOG",
    "NFQUEUE",
    "NOTRACK",
    "QUEUE",
    "RATEEST",
    "REDIRECT",
    "SECMARK",
    "SET",
    "SNAT",
    "SNPT",
    "SYNPROXY",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TPROXY",
    "TRACE",
    "TTL",
    "ULOG",
    "TARPIT",
];

fn u32_of(text: &str) -> Option<u32> {
    digits(text).and_then(|number| u32::try_from(number).ok())
}

pub fn number(text: &str) -> Result<u32, String> {
    u32_of(text).ok_or_else(|| format!("`{text}` is no number"))
}

/// `64`, `64:100`, `:100`, `64:`
pub fn range(text: &str) -> Result<RangeInclusive<u32>, String> {
    let Some((first, last)) = text.split_once(':') else {
        let number = number(text)?;
        return Ok(number..=number);
    };
    let first = if first.is_empty() { 0 } else { number(first)? };
    let last = if last.is_empty() { 65_535 } else { number(last)? };
    if first > last { Err(format!("`{text}` ends before it begins")) } else { Ok(first..=last) }
}

/// `22`, `22,80,8000:8100`
pub fn ports(text: &str) -> Result<Vec<RangeInclusive<u32>>, String> {
    let one = |text: &str| match names::number(names::SERVICES, text) {
        Some(port) => Ok(port..=port),
        None => range(text),
    };
    text.split(',').map(one).collect()
}

/// `None`: all of them.
pub fn protocol(text: &str) -> Result<Option<u32>, String> {
    if matches!(text, "all" | "0") {
        return Ok(None);
    }
    let found = names::protocol(text).or_else(|| u32_of(text).filter(|number| *number < 256));
    found.map(Some).ok_or_else(|| format!("the protocol `{text}` is not known"))
}

/// The flags of `--tcp-flags`.
pub fn flags(mask: &str, value: &str) -> Result<Values, String> {
    let bits = |text: &str| {
        text.split(',').try_fold(0, |bits, name| {
            let lower = name.to_ascii_lowercase();
            let known = names::FLAGS.iter().find(|(known, _)| *known == lower);
            match (&*lower, known) {
                ("none", _) => Ok(bits),
                ("all", _) => Ok(bits | names::PLAIN_FLAGS),
                (_, Some((_, bit))) => Ok(bits | bit),
                _ => Err(format!("the TCP flag `{name}` is not known")),
            }
        })
    };
    Ok(Values::Flags(vec![Flags { mask: bits(mask)?, value: bits(value)? }]))
}

/// A type and a code; `None`: any.
pub fn icmp_type(text: &str) -> Result<Option<(u32, Option<u32>)>, String> {
    let (kind, code) = text.split_once('/').map_or((text, None), |(kind, code)| (kind, Some(code)));
    if matches!(kind, "any" | "255") {
        return Ok(None);
    }
    Ok(Some((number(kind)?, code.map(number).transpose()?)))
}

pub fn mac(text: &str) -> Result<[u8; 6], String> {
    let wrong = || format!("`{text}` is no MAC address");
    let bytes = text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<Vec<u8>, _>>();
    bytes.map_err(|_| wrong())?.try_into().map_err(|_| wrong())
}

/// A mark that is set as a whole.
pub fn mark(text: &str) -> Result<Option<u32>, String> {
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    let (value, mask) = (number(value)?, number(mask)?);
    Ok((mask == u32::MAX && value != 0).then_some(value))
}

/// `10/sec`: packets in so many milliseconds.
pub fn rate(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("the rate `{text}` has no counterpart");
    let (packets, unit) = text.split_once('/').ok_or_else(wrong)?;
    let milliseconds = match unit {
        "s" | "sec" | "second" => 1000,
        "m" | "min" | "minute" => 60_000,
        "h" | "hour" => 3_600_000,
        _ => return Err(wrong()),
    };
    Ok((u32_of(packets).ok_or_else(wrong)?, milliseconds))
}

/// Whether packets are to be `established`, or `None` for those that are and those that are not; and how far that differs.
pub fn states(text: &str, negated: bool) -> Result<(Option<bool>, Option<&'static str>), String> {
    const INVALID: &str = "packets that conntrack calls INVALID match, too";
    const RELATED: &str = "errors about a connection, which are RELATED there, are `established` here";
    const NOT_RELATED: &str =
        "a helper's second connection (FTP's data) is RELATED there, and not `established` here";
    let mut states: Vec<&str> = text.split(',').collect();
    states.sort_unstable();
    states.dedup();
    match (&states[..], negated) {
        (["ESTABLISHED", "RELATED"], false) => Ok((Some(true), Some(NOT_RELATED))),
        (["ESTABLISHED"], false) => Ok((Some(true), Some(RELATED))),
        (["NEW"] | ["NEW", "UNTRACKED"], false) | (["ESTABLISHED", "RELATED"], true) => {
            Ok((Some(false), Some(INVALID)))
        }
        (["ESTABLISHED", "NEW", "RELATED"] | ["ESTABLISHED", "NEW", "RELATED", "UNTRACKED"], false)
        | (["INVALID"], true) => Ok((None, Some(INVALID))),
        _ => {
            let not = if negated { "not " } else { "" };
            Err(format!(
                "the state {not}`{text}` has no counterpart: there are `established` and `not established`"
            ))
        }
    }
}
