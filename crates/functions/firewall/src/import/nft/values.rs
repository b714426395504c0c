//! The right side of a match.

use std::{net::IpAddr, ops::RangeInclusive};

use policy::Cidr;
use serde_json::Value;

use crate::{
    import::{
        iptables::words::mac,
        nft::{Key, Tables, names},
        range,
    },
    rule::{
        ast::Field,
        names as ours,
        numbers::{Numbers, digits},
    },
};

/// The alternatives: elements of a set, or the value itself.
pub fn alternatives(right: &Value, tables: &Tables, table: &Key) -> Result<Vec<Value>, String> {
    if let Some(name) = right.as_str().and_then(|text| text.strip_prefix('@')) {
        let key = (table.0.clone(), table.1.clone(), name.to_owned());
        return match tables.sets.get(&key) {
            None => Err(format!("there is no set `{name}`")),
            Some(Err(why)) => Err(format!("the set `{name}`: {why}")),
            Some(Ok(elements)) if elements.is_empty() => Err(format!("the set `{name}` is empty")),
            Some(Ok(elements)) => Ok(elements.clone()),
        };
    }
    let Some(set) = right.get("set") else { return Ok(vec![right.clone()]) };
    let elements = set.as_array().ok_or("its set is no list")?;
    Ok(elements
        .iter()
        .map(|element| element.get("elem").map_or(element, |inner| &inner["val"]).clone())
        .collect())
}

/// One number, by digits or name.
pub fn number(field: Field, six: bool, value: &Value) -> Result<u32, String> {
    let found = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => names::number(field, six, text).map(u64::from).or_else(|| digits(text)),
        _ => None,
    };
    let most = u64::from(Numbers::most(field));
    found
        .filter(|number| *number <= most)
        .map(|number| number as u32)
        .ok_or_else(|| format!("`{value}` is not known here"))
}

/// What a comparison leaves.
pub fn numbers(
    field: Field,
    six: bool,
    operator: &str,
    values: &[Value],
) -> Result<Vec<RangeInclusive<u32>>, String> {
    let most = Numbers::most(field);
    let one = |value: &Value| {
        if let Some(ends) = value.get("range").and_then(Value::as_array) {
            let [first, last] = &ends[..] else { return Err("a range has two ends".into()) };
            return match (operator, number(field, six, first)?, number(field, six, last)?) {
                ("==" | "!=" | "in", first, last) if first <= last => Ok(first..=last),
                _ => Err(format!("`{operator}` of a range has no counterpart")),
            };
        }
        let number = number(field, six, value)?;
        match operator {
            "==" | "!=" | "in" => Ok(number..=number),
            "<" if number > 0 => Ok(0..=number - 1),
            "<=" => Ok(0..=number),
            ">" if number < most => Ok(number + 1..=most),
            ">=" => Ok(number..=most),
            _ => Err(format!("no packet has {} {operator} {number}", crate::rule::words::name(field))),
        }
    };
    values.iter().map(one).collect()
}

/// Addresses, prefixes and ranges of them.
pub fn prefixes(values: &[Value]) -> Result<Vec<Cidr>, String> {
    let mut list = Vec::new();
    for value in values {
        let wrong = || format!("`{value}` is no address");
        let address =
            |value: &Value| value.as_str().and_then(|text| text.parse::<IpAddr>().ok()).ok_or_else(wrong);
        if let Some(prefix) = value.get("prefix") {
            let length = prefix["len"].as_u64().ok_or_else(wrong)?;
            let text = format!("{}/{length}", address(&prefix["addr"])?);
            list.push(text.parse::<Cidr>().map_err(|error| error.to_string())?);
        } else if let Some(ends) = value.get("range").and_then(Value::as_array) {
            let [first, last] = &ends[..] else { return Err(wrong()) };
            let parts = range::prefixes(address(first)?, address(last)?);
            if parts.is_empty() {
                return Err(wrong());
            }
            list.extend(parts);
        } else {
            list.push(address(value)?.to_string().parse::<Cidr>().map_err(|error| error.to_string())?);
        }
    }
    Ok(list)
}

pub fn macs(values: &[Value]) -> Result<Vec<[u8; 6]>, String> {
    values.iter().map(|value| mac(value.as_str().unwrap_or_default())).collect()
}

pub fn names(values: &[Value]) -> Result<Vec<&str>, String> {
    let name = |value: &'_ Value| match value.as_str() {
        Some(name) if name.ends_with('*') => {
            Err(format!("`{name}` is about all interfaces of that beginning: name each"))
        }
        Some(_) => Ok(()),
        None => Err(format!("`{value}` is no name")),
    };
    values.iter().try_for_each(name)?;
    Ok(values.iter().filter_map(Value::as_str).collect())
}

/// TCP flags: a name, a number, or several names.
pub fn flags(value: &Value) -> Result<u8, String> {
    let wrong = || format!("`{value}` is not known among TCP's flags");
    match value {
        Value::Number(number) => {
            number.as_u64().and_then(|number| u8::try_from(number).ok()).ok_or_else(wrong)
        }
        Value::String(name) => {
            ours::FLAGS.iter().find(|(known, _)| known == name).map(|(_, bit)| *bit).ok_or_else(wrong)
        }
        Value::Array(names) => names.iter().try_fold(0, |bits, name| Ok(bits | flags(name)?)),
        Value::Object(object) => object.get("|").ok_or_else(wrong).and_then(flags),
        _ => Err(wrong()),
    }
}
