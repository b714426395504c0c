//! The options of a rule, in the spelling of `iptables-save`.

use crate::{
    import::{
        conditions::{Conditions, interfaces, number, prefixes},
        draft::prefix,
        iptables::{line::Target, words},
        range,
    },
    rule::{
        ast::{Field, Limit, LimitKey, Values},
        check::V6,
        head::V6_HOST,
    },
};

/// Packets at once when the rule does not say: xt_hashlimit's own.
const BURST: u32 = 5;

/// What is known of a rule while its options are read.
pub struct Found {
    conditions: Conditions,
    /// `--ports`: of the source or of the destination.
    either_port: Option<Values>,
    families: u8,
    hash_limit: Option<HashLimit>,
    pub target: Target,
    pub notes: Vec<String>,
    pub limit: Option<Limit>,
}

#[derive(Debug, Default)]
struct HashLimit {
    above: Option<(u32, u32)>,
    burst: Option<u32>,
    mode: String,
    source_mask: Option<u8>,
    destination_mask: Option<u8>,
}

/// The options that are left.
struct Options<'a> {
    rest: &'a [String],
    /// The one that is read.
    name: &'a str,
    negated: bool,
}

impl<'a> Options<'a> {
    fn value(&mut self) -> Result<&'a str, String> {
        let (value, rest) = self.rest.split_first().ok_or_else(|| format!("`{}` has no value", self.name))?;
        self.rest = rest;
        Ok(value)
    }
}

impl Found {
    pub fn new(families: u8) -> Self {
        Self {
            conditions: Conditions::default(),
            either_port: None,
            families,
            hash_limit: None,
            target: Target::Nothing,
            notes: Vec::new(),
            limit: None,
        }
    }

    /// The conditions, of which one must hold.
    pub fn read(&mut self, options: &[String]) -> Result<Vec<Conditions>, String> {
        let mut options = Options { rest: options, name: "", negated: false };
        let mut error = None;
        // The target is wanted even when a condition cannot be said.
        while let Some((name, rest)) = options.rest.split_first() {
            options.rest = rest;
            if name == "!" {
                options.negated = true;
                continue;
            }
            options.name = name;
            match self.option(&mut options) {
                Ok(()) => {}
                Err(why) => {
                    error.get_or_insert(why);
                    // Values of options that are not known.
                    while options.rest.first().is_some_and(|word| !word.starts_with('-') && word != "!") {
                        options.rest = &options.rest[1..];
                    }
                }
            }
            options.negated = false;
        }
        if let Some(why) = error {
            return Err(why);
        }
        self.finish_limit()?;
        let Some(ports) = self.either_port.take() else {
            return Ok(vec![std::mem::take(&mut self.conditions)]);
        };
        let with = |field| {
            let mut conditions = self.conditions.clone();
            conditions.and(field, false, ports.clone())?;
            Ok::<Conditions, String>(conditions)
        };
        Ok(vec![with(Field::SourcePort)?, with(Field::DestinationPort)?])
    }

    fn option(&mut self, options: &mut Options<'_>) -> Result<(), String> {
        let (name, negated) = (options.name, options.negated);
        match name {
            "-s" | "--source" => self.prefix(Field::Source, options),
            "-d" | "--destination" => self.prefix(Field::Destination, options),
            "-i" | "--in-interface" => {
                let name = options.value()?;
                if name.ends_with('+') {
                    return Err(format!("`-i {name}` is about all interfaces of that beginning: name each"));
                }
                if negated && name == "lo" {
                    // The gateway is not on it.
                    return Ok(());
                }
                self.and(Field::Interface, negated, interfaces([name]))
            }
            "-p" | "--protocol" => match words::protocol(options.value()?)? {
                None if negated => Err("`! -p all` is about nothing".into()),
                None => Ok(()),
                // Our parser walks over it.
                Some(51) if self.families == V6 => {
                    Err("the authentication header of IPv6 is no protocol here".into())
                }
                Some(protocol) => self.and(Field::Protocol, negated, number(protocol)),
            },
            "-f" | "--fragment" => self.and(Field::Fragment, negated, number(2)),
            "-m" | "--match" => match options.value()? {
                "limit" => {
                    Err("`-m limit` accepts what is within a rate, and `limit` drops what exceeds it: write \
                                `limit …` and, below, `accept …`"
                        .into())
                }
                "set" => Err("sets of ipset are not in this file: write them into [sets]".into()),
                "hashlimit" => {
                    self.hash_limit = Some(HashLimit::default());
                    Ok(())
                }
                module if words::MODULES.contains(&module) => Ok(()),
                module => Err(format!("`-m {module}` has no counterpart")),
            },
            "--sport" | "--source-port" => self.ports(Field::SourcePort, options),
            "--dport" | "--destination-port" => self.ports(Field::DestinationPort, options),
            "--sports" | "--source-ports" => self.ports(Field::SourcePort, options),
            "--dports" | "--destination-ports" => self.ports(Field::DestinationPort, options),
            "--ports" => {
                let ports = Values::Ranges(words::ports(options.value()?)?);
                if negated {
                    self.and(Field::SourcePort, true, ports.clone())?;
                    return self.and(Field::DestinationPort, true, ports);
                }
                self.either_port = Some(ports);
                Ok(())
            }
            "--syn" => self.and(Field::TcpFlags, negated, words::flags("FIN,SYN,RST,ACK", "SYN")?),
            "--tcp-flags" => {
                let (mask, value) = (options.value()?, options.value()?);
                self.and(Field::TcpFlags, negated, words::flags(mask, value)?)
            }
            "--icmp-type" | "--icmpv6-type" => match words::icmp_type(options.value()?)? {
                None if negated => Err("`! --icmp-type any` is about nothing".into()),
                None => Ok(()),
                Some((_, Some(_))) if negated => Err("a type and its code cannot be negated together".into()),
                Some((kind, code)) => {
                    self.and(Field::IcmpType, negated, number(kind))?;
                    code.map_or(Ok(()), |code| self.and(Field::IcmpCode, false, number(code)))
                }
            },
            "--length" => self.numbers(Field::Length, options),
            "--ttl-eq" | "--ttl" | "--hl-eq" => self.numbers(Field::Ttl, options),
            "--ttl-lt" | "--hl-lt" => {
                let bound =
                    words::number(options.value()?)?.checked_sub(1).ok_or("nothing is less than 0")?;
                self.and(Field::Ttl, negated, Values::Ranges(vec![0..=bound]))
            }
            "--ttl-gt" | "--hl-gt" => {
                let bound = words::number(options.value()?)?;
                self.and(Field::Ttl, negated, Values::Ranges(vec![bound.saturating_add(1)..=255]))
            }
            "--dscp" => self.numbers(Field::Dscp, options),
            "--mac-source" => {
                let mac = words::mac(options.value()?)?;
                self.and(Field::SourceMac, negated, Values::Macs(vec![mac]))
            }
            "--src-range" => self.range(Field::Source, options),
            "--dst-range" => self.range(Field::Destination, options),
            "--ctstate" | "--state" => self.state(options),
            "--comment" => options.value().map(|_| ()),
            _ if name.starts_with("--hashlimit-") => self.hash_limit(options),
            "-j" | "--jump" => {
                let target = options.value()?;
                self.target(target, options)
            }
            "-g" | "--goto" => {
                self.target = Target::Goto(options.value()?.into());
                Ok(())
            }
            _ => Err(format!("`{name}` has no counterpart")),
        }
    }

    fn and(&mut self, field: Field, negated: bool, values: Values) -> Result<(), String> {
        Ok(self.conditions.and(field, negated, values)?)
    }

    fn prefix(&mut self, field: Field, options: &mut Options<'_>) -> Result<(), String> {
        let prefix = prefix(options.value()?)?;
        self.and(field, options.negated, prefixes([prefix]))
    }

    fn range(&mut self, field: Field, options: &mut Options<'_>) -> Result<(), String> {
        let text = options.value()?;
        let ends = text.split_once('-').unwrap_or((text, text));
        let (Ok(first), Ok(last)) = (ends.0.parse(), ends.1.parse()) else {
            return Err(format!("`{text}` is no range of addresses"));
        };
        match range::prefixes(first, last) {
            list if list.is_empty() => Err(format!("`{text}` is no range of addresses")),
            list => self.and(field, options.negated, prefixes(list)),
        }
    }

    fn ports(&mut self, field: Field, options: &mut Options<'_>) -> Result<(), String> {
        let ports = words::ports(options.value()?)?;
        self.and(field, options.negated, Values::Ranges(ports))
    }

    fn numbers(&mut self, field: Field, options: &mut Options<'_>) -> Result<(), String> {
        let range = words::range(options.value()?)?;
        self.and(field, options.negated, Values::Ranges(vec![range]))
    }

    fn state(&mut self, options: &mut Options<'_>) -> Result<(), String> {
        let text = options.value()?;
        let (established, note) = words::states(text, options.negated)?;
        self.notes.extend(note.map(str::to_owned));
        established.map_or(Ok(()), |established| self.and(Field::Established, !established, Values::Present))
    }

    fn target(&mut self, target: &str, options: &mut Options<'_>) -> Result<(), String> {
        // Options of the target stand behind it, to the end.
        let mut rest = std::mem::take(&mut options.rest).iter().map(String::as_str);
        self.target = match target {
            "ACCEPT" => Target::Accept,
            "DROP" => Target::Drop,
            "RETURN" => Target::Return,
            "REJECT" => {
                let with = rest.by_ref().skip_while(|word| *word != "--reject-with").nth(1);
                Target::Reject(with.unwrap_or("icmp-port-unreachable").into())
            }
            "LOG" => {
                if rest.any(|word| word == "--log-prefix") {
                    self.notes.push("the prefix of its messages is not kept".into());
                }
                Target::Log
            }
            "MARK" => match (rest.next(), rest.next()) {
                (Some("--set-xmark" | "--set-mark"), Some(text)) => words::mark(text)?.map_or_else(
                    || Target::Unknown("only whole marks can be set, and not to 0".into()),
                    Target::Mark,
                ),
                _ => Target::Unknown("only `--set-xmark` has a counterpart".into()),
            },
            _ if target.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
                && words::TARGETS.contains(&target) =>
            {
                Target::Unknown(format!("the target `{target}` has no counterpart"))
            }
            chain => Target::Jump(chain.into()),
        };
        Ok(())
    }

    fn hash_limit(&mut self, options: &mut Options<'_>) -> Result<(), String> {
        let (name, value) = (options.name, options.value()?);
        let limit = self.hash_limit.get_or_insert_default();
        let length =
            |text: &str| text.parse::<u8>().map_err(|_| format!("`{text}` is no length of a prefix"));
        match name {
            "--hashlimit-above" if !options.negated => limit.above = Some(words::rate(value)?),
            "--hashlimit-above" | "--hashlimit-upto" => {
                return Err("`--hashlimit-upto` is about what is within a rate, and `limit` drops what exceeds one: write \
                            `limit … per source` and, below, `accept …`"
                    .into());
            }
            "--hashlimit-burst" => limit.burst = Some(words::number(value)?),
            "--hashlimit-mode" => limit.mode = value.into(),
            "--hashlimit-srcmask" => limit.source_mask = Some(length(value)?),
            "--hashlimit-dstmask" => limit.destination_mask = Some(length(value)?),
            // How its table is kept.
            "--hashlimit-name"
            | "--hashlimit-htable-size"
            | "--hashlimit-htable-max"
            | "--hashlimit-htable-expire"
            | "--hashlimit-htable-gcinterval" => {}
            _ => return Err(format!("`{name}` has no counterpart")),
        }
        Ok(())
    }

    fn finish_limit(&mut self) -> Result<(), String> {
        let Some(limit) = self.hash_limit.take() else { return Ok(()) };
        let (packets, per_milliseconds) = limit.above.ok_or("the rate is missing")?;
        let is_six = self.families == V6;
        let lengths =
            |mask: Option<u8>| if is_six { (32, mask.unwrap_or(128)) } else { (mask.unwrap_or(32), V6_HOST) };
        let key = match &*limit.mode {
            "" => LimitKey::Rule,
            "srcip" => {
                let (v4, v6) = lengths(limit.source_mask);
                LimitKey::Source { v4, v6 }
            }
            "dstip" => {
                let (v4, v6) = lengths(limit.destination_mask);
                LimitKey::Destination { v4, v6 }
            }
            mode => return Err(format!("a limit for each `{mode}` has no counterpart")),
        };
        let burst = limit.burst.unwrap_or(BURST);
        self.limit = Some(Limit { packets, per_milliseconds, burst, key });
        Ok(())
    }
}
