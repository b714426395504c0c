//! From words to numbers, and to ranges of them.

use std::ops::RangeInclusive;

use policy::words::{did_you_mean, shown};

use crate::rule::{
    ast::Field,
    names,
    values::{Element, Reader},
};

/// What a field's numbers are.
pub struct Numbers {
    /// With its article.
    pub noun: &'static str,
    pub most: u32,
    /// What can be written besides numbers.
    names: &'static str,
}

impl Numbers {
    pub const fn of(field: Field) -> Option<Self> {
        let (noun, most, names) = match field {
            Field::SourcePort | Field::DestinationPort => ("a port", 65_535, ", or a service as `ssh`"),
            Field::Protocol => ("a protocol", 255, ", or a name as `tcp`"),
            Field::IcmpType => ("a type", 255, ", or a name as `echo-request`"),
            Field::IcmpCode => ("a code", 255, ""),
            // IPv6 does not count its own header.
            Field::Length => ("a length", 65_575, ""),
            Field::Ttl => ("a TTL", 255, ""),
            Field::Dscp => ("a DSCP", 63, ", or a class as `ef`"),
            Field::Vlan => ("a VLAN id", 4095, ""),
            Field::Ethertype => ("an ethertype", 65_535, ", or a name as `arp`"),
            Field::Version => ("a version", 6, ""),
            Field::Fragment => ("a fragment", 2, ""),
            _ => return None,
        };
        Some(Self { noun, most, names })
    }

    /// The largest number of a field.
    pub fn most(field: Field) -> u32 {
        Self::of(field).map_or(u32::MAX, |numbers| numbers.most)
    }
}

/// Sorted, without overlaps; neighbours are one range.
pub fn merged(ranges: Vec<RangeInclusive<u32>>) -> Vec<RangeInclusive<u32>> {
    joined(ranges, 1)
}

/// Sorted, without overlaps; neighbours stay apart, since a number that is written by itself says more than a range does: `icmp`
/// is IPv4's, and a rule that names what a host cannot do without does not spare it.
pub fn apart(ranges: Vec<RangeInclusive<u32>>) -> Vec<RangeInclusive<u32>> {
    joined(ranges, 0)
}

/// One of those that overlap or lie no further apart than this.
fn joined(mut ranges: Vec<RangeInclusive<u32>>, distance: u32) -> Vec<RangeInclusive<u32>> {
    ranges.sort_by_key(|range| *range.start());
    let mut kept: Vec<RangeInclusive<u32>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match kept.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(distance) => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => kept.push(range),
        }
    }
    kept
}

/// All other numbers up to the largest; ranges are sorted and without overlaps.
pub fn complement(ranges: &[RangeInclusive<u32>], most: u32) -> Vec<RangeInclusive<u32>> {
    let mut others = Vec::with_capacity(ranges.len() + 1);
    let mut next = Some(0);
    for range in ranges {
        if let Some(start) = next.filter(|start| start < range.start()) {
            others.push(start..=range.start() - 1);
        }
        next = range.end().checked_add(1);
    }
    others.extend(next.filter(|start| *start <= most).map(|start| start..=most));
    others
}

impl Reader<'_, '_> {
    pub fn range(&mut self, element: &Element<'_>) -> Option<RangeInclusive<u32>> {
        let Element { sign, text, .. } = *element;
        let numbers = Numbers::of(self.field)?;
        let most = numbers.most;
        // Names have hyphens, too: `echo-request`.
        let bounds = match self.named(element)? {
            Some(_) => None,
            None => text.split_once('-'),
        };
        if let Some((first, last)) = bounds.filter(|(first, _)| digits(first).is_some()) {
            if !sign.is_empty() {
                let hint = format!("write `{sign} {}`, or the range without `{sign}`", shown(first));
                return self.error(element, format!("`{sign}` and a range do not go together"), hint);
            }
            if last.is_empty() {
                let hint = format!("write `{first}-{most}`, or `>= {first}`");
                return self.error(element, format!("the range `{}` has no end", shown(text)), hint);
            }
            let (first, last) = (self.number(element, first)?, self.number(element, last)?);
            if first > last {
                let hint = format!("did you mean `{last}-{first}`?");
                return self.error(element, format!("`{}` ends before it begins", shown(text)), hint);
            }
            return Some(first..=last);
        }
        let number = match self.named(element)? {
            Some(number) => number,
            None => self.number(element, text)?,
        };
        let range = match sign {
            "<" => number.checked_sub(1).map(|last| 0..=last),
            "<=" => Some(0..=number),
            ">" => (number < most).then(|| number + 1..=most),
            ">=" => Some(number..=most),
            _ => Some(number..=number),
        };
        if range.is_none() {
            let (bound, than) = if sign == "<" { (0, "less") } else { (most, "more") };
            let message = format!("{} of {than} than {bound} does not exist", numbers.noun);
            let hint = format!("{} is a number from 0 to {most}", numbers.noun);
            return self.error(element, message, hint);
        }
        range
    }

    /// The number that a name stands for; `Some(None)` when it is no name.
    #[expect(clippy::option_option, reason = "wrong, no name, and a number are three things")]
    fn named(&mut self, element: &Element<'_>) -> Option<Option<u32>> {
        let text = element.text;
        Some(match self.field {
            Field::SourcePort | Field::DestinationPort => names::number(names::SERVICES, text),
            Field::Dscp => names::number(names::DSCP_CLASSES, text),
            Field::Protocol => names::protocol(text),
            Field::Ethertype => names::ethertype(text),
            Field::IcmpType => {
                let icmp = self.context.icmp;
                let found: Vec<u32> = icmp.iter().filter_map(|icmp| icmp.type_number(text)).collect();
                if let [v4, v6] = found[..]
                    && v4 != v6
                    && self.context.says_icmp
                {
                    let message = format!("`{}` is {v4} in icmp and {v6} in icmpv6", shown(text));
                    let hint = format!("write a rule for each: `icmp type {text}` and `icmpv6 type {text}`");
                    return self.error(element, message, hint);
                }
                found.first().copied()
            }
            _ => None,
        })
    }

    /// A number that the field can have.
    fn number(&mut self, element: &Element<'_>, text: &str) -> Option<u32> {
        let numbers = Numbers::of(self.field)?;
        match digits(text) {
            Some(number) if number <= u64::from(numbers.most) => Some(number as u32),
            Some(_) => {
                let message =
                    format!("{} is at most {}, and this is `{}`", numbers.noun, numbers.most, shown(text));
                let hint = format!("write a number from 0 to {}", numbers.most);
                self.error(element, message, hint)
            }
            None => {
                if text.starts_with('@') {
                    let hint = "sets hold prefixes, for `from` and `to`";
                    return self.error(element, format!("`{}` is not {}", shown(text), numbers.noun), hint);
                }
                let hint = self.near_name(text).unwrap_or_else(|| {
                    format!("write a number from 0 to {}, a range as 5-7{}", numbers.most, numbers.names)
                });
                self.error(element, format!("`{}` is not {}", shown(text), numbers.noun), hint)
            }
        }
    }

    fn near_name(&self, text: &str) -> Option<String> {
        match self.field {
            Field::SourcePort | Field::DestinationPort => did_you_mean(text, first(names::SERVICES)),
            Field::Dscp => did_you_mean(text, first(names::DSCP_CLASSES)),
            Field::Protocol => did_you_mean(text, names::protocol_names()),
            Field::Ethertype => did_you_mean(text, names::ethertype_names()),
            Field::IcmpType => {
                did_you_mean(text, self.context.icmp.iter().flat_map(|icmp| icmp.type_names()))
            }
            _ => None,
        }
    }
}

fn first(table: &'static [(&str, u32)]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|(name, _)| *name)
}

/// A number in decimal or, behind `0x`, hexadecimal digits; as large as can be when it is larger.
pub fn digits(text: &str) -> Option<u64> {
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |hex| (hex, 16));
    let sound = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    sound.then(|| u64::from_str_radix(digits, radix).unwrap_or(u64::MAX))
}
