//! From the words behind a condition to its values.

use std::{collections::BTreeSet, ops::Range};

use policy::{
    Cidr, Item, Problems, What, World, Written,
    cidr::CidrError,
    words::{did_you_mean, nearest, shown},
};

use crate::rule::{
    ast::{Field, Flags, Values},
    names::{self, Icmp},
    numbers::{Numbers, apart, merged},
    place::Place,
    words,
};

/// One of the alternatives behind a condition.
#[derive(Debug, Clone)]
pub struct Element<'a> {
    /// `<`, `<=`, `>`, `>=` or nothing.
    pub sign: &'a str,
    pub text: &'a str,
    /// Sign and text.
    pub at: Range<usize>,
}

/// What values may refer to.
pub struct Context<'a> {
    pub place: Place,
    pub world: &'a World<'a>,
    /// The protocols whose types may be meant.
    pub icmp: &'a [Icmp],
    /// The rule names them. Otherwise what is said of that is worth more than what would be said of the type.
    pub says_icmp: bool,
}

/// The values of a condition. What is wrong with any of them is said; `None` then.
pub fn values(
    field: Field,
    elements: &[Element<'_>],
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<Values> {
    let mut reader = Reader { field, context, problems };
    Some(match field {
        Field::Source | Field::Destination => {
            Values::Prefixes(once_each(reader.each(elements, Reader::item)?, |item| item.what.clone()))
        }
        Field::TcpFlags => {
            let flags = reader.each(elements, Reader::flags)?;
            Values::Flags(once_each(flags, |flags| (flags.mask, flags.value)))
        }
        Field::SourceMac | Field::DestinationMac => {
            Values::Macs(once_each(reader.each(elements, Reader::mac)?, |mac| *mac))
        }
        Field::Interface => {
            let interfaces = reader.each(elements, Reader::interface)?;
            Values::Interfaces(once_each(interfaces, |interface| interface.text.clone()))
        }
        Field::Protocol | Field::Ethertype => Values::Ranges(apart(reader.each(elements, Reader::range)?)),
        _ => Values::Ranges(merged(reader.each(elements, Reader::range)?)),
    })
}

/// Without what an earlier element says, in the order in which they are written.
fn once_each<T, K: Ord>(elements: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = BTreeSet::new();
    elements.into_iter().filter(|element| seen.insert(key(element))).collect()
}

pub(super) struct Reader<'a, 'b> {
    pub field: Field,
    pub context: &'a Context<'b>,
    problems: &'a mut Problems,
}

impl Reader<'_, '_> {
    fn each<T>(
        &mut self,
        elements: &[Element<'_>],
        read: impl Fn(&mut Self, &Element<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let is_number = Numbers::of(self.field).is_some();
        let values: Vec<Option<T>> = elements
            .iter()
            .map(|element| {
                if element.sign.is_empty() || is_number {
                    return read(self, element);
                }
                let message = format!("`{}` compares numbers, and `{}` has none", element.sign, self.name());
                self.error(element, message, format!("leave `{}` out", element.sign))
            })
            .collect();
        values.into_iter().collect()
    }

    fn name(&self) -> &'static str {
        words::name(self.field)
    }

    pub fn error<T>(
        &mut self,
        element: &Element<'_>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<T> {
        self.problems.error(self.context.place.span(&element.at), message, Some(hint.into()));
        None
    }

    fn item(&mut self, element: &Element<'_>) -> Option<Item> {
        let text = element.text;
        let sets = self.context.world.sets;
        let what = if text == "@" {
            return self.error(element, "`@` stands before nothing", "write the name of a set behind it");
        } else if let Some(name) = text.strip_prefix('@') {
            if !sets.contains_key(name) {
                let hint = match nearest(name, sets.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `@{near}`?"),
                    None => format!("declare it in [sets]: {} = [\"192.0.2.0/24\"]", shown(name)),
                };
                return self.error(element, format!("there is no set `{}`", shown(name)), hint);
            }
            What::Set(name.into())
        } else {
            match text.parse::<Cidr>() {
                Ok(prefix) => What::Prefix(prefix),
                Err(error) => {
                    let (message, hint) = not_a_prefix(text, &error);
                    let set = sets.contains_key(text).then(|| format!("a set is written `@{text}`"));
                    return self.error(element, message, set.unwrap_or(hint));
                }
            }
        };
        Some(Item { what, text: text.into(), at: self.context.place.span(&element.at) })
    }

    fn interface(&mut self, element: &Element<'_>) -> Option<Written> {
        let known = || self.context.world.interfaces.iter().map(|interface| interface.name.as_str());
        let text = element.text;
        if known().any(|name| name == text) {
            return Some(Written { text: text.into(), at: self.context.place.span(&element.at) });
        }
        let text = shown(text);
        let hint = did_you_mean(&text, known())
            .unwrap_or_else(|| format!("add it to the configuration: [[interface]] name = \"{text}\""));
        self.error(element, format!("there is no [[interface]] with the name `{text}`"), hint)
    }

    fn mac(&mut self, element: &Element<'_>) -> Option<[u8; 6]> {
        let text = element.text;
        let mut mac = [0; 6];
        let mut parts = text.split(':');
        let sound = mac.iter_mut().all(|byte| {
            let part = parts.next().filter(|part| part.len() == 2);
            let part = part.filter(|part| part.bytes().all(|c| c.is_ascii_hexdigit()));
            part.and_then(|part| u8::from_str_radix(part, 16).ok()).map(|value| *byte = value).is_some()
        });
        if sound && parts.next().is_none() {
            return Some(mac);
        }
        let hint = "write six bytes, as 02:00:00:00:00:01";
        self.error(element, format!("`{}` is no MAC address", shown(text)), hint)
    }

    /// `syn`, `syn,ack`, `syn/syn,ack`, `none`.
    fn flags(&mut self, element: &Element<'_>) -> Option<Flags> {
        let (value, mask) = match element.text.split_once('/') {
            Some((value, mask)) => (value, Some(mask)),
            None => (element.text, None),
        };
        let bits = self.bits(element, value)?;
        let mask = match mask {
            // Exactly these: the flags of ECN, which any connection may have, only when they are named.
            None if bits & !names::PLAIN_FLAGS == 0 => names::PLAIN_FLAGS,
            None => 0xff,
            Some(mask) => self.bits(element, mask)?,
        };
        if mask == 0 {
            let hint = "behind `/` stand the flags that are compared: `flags syn/syn,ack`";
            return self.error(element, "no flag is compared", hint);
        }
        if bits & !mask != 0 {
            let name = flag_names(bits & !mask, ",");
            let message = format!("`{name}` is to be set, but is not among those that are compared");
            return self.error(element, message, "write it behind `/`, too: it is in no packet otherwise");
        }
        Some(Flags { mask, value: bits })
    }

    fn bits(&mut self, element: &Element<'_>, text: &str) -> Option<u8> {
        let mut bits = 0;
        for name in text.split([',', '+']).map(str::trim) {
            bits |= match name {
                "none" if text.trim() == "none" => 0,
                "all" => names::PLAIN_FLAGS,
                _ => {
                    let found = names::FLAGS.iter().find(|(known, _)| *known == name);
                    let Some((_, bit)) = found else {
                        let known = names::FLAGS.iter().map(|(known, _)| *known);
                        let hint = did_you_mean(name, known).unwrap_or_else(|| {
                            "flags are fin, syn, rst, psh, ack, urg, ece and cwr; `none` stands alone".into()
                        });
                        return self.error(element, format!("`{}` is no TCP flag", shown(name)), hint);
                    };
                    *bit
                }
            };
        }
        Some(bits)
    }
}

fn not_a_prefix(text: &str, error: &CidrError) -> (String, String) {
    match error {
        _ if matches!(text, "any" | "all") => {
            (format!("`{text}` is no address"), "a condition that everything meets is left out".into())
        }
        CidrError::HostBits { meant, .. } => {
            (format!("`{}` has bits set behind its length", shown(text)), format!("did you mean `{meant}`?"))
        }
        CidrError::Length { .. } => (error.to_string(), "an address alone is that one host".into()),
        CidrError::NotAPrefix(_) => {
            let hint = "write 192.0.2.0/24, 192.0.2.7, 2001:db8::/32, 2001:db8::1 or a set as @office";
            (format!("`{}` is no IP address or prefix", shown(text)), hint.into())
        }
    }
}

/// Names of flags; `none`.
pub fn flag_names(bits: u8, between: &str) -> String {
    let names: Vec<&str> =
        names::FLAGS.iter().filter(|(_, bit)| bits & bit != 0).map(|(name, _)| *name).collect();
    if names.is_empty() { "none".into() } else { names.join(between) }
}
