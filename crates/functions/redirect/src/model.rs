//! Answering echo requests, said a second time and naively, for tests: the reply is built from the request's parts and
//! its checksums are computed in full.

use abi::{Action, Reason, Step};
use wire::model::{self, Ip, Part};

use crate::logic::{Env, NextHop, Query};

/// What becomes of a frame that arrives, and its bytes afterwards.
pub fn reflect(frame: &[u8], env: &mut impl Env) -> (Step, Vec<u8>) {
    match answer(frame, env) {
        Ok((action, reply)) => (Step::Done(action, Reason::RedirectReflect), reply),
        Err(step) => (step, frame.to_vec()),
    }
}

fn answer(frame: &[u8], env: &mut impl Env) -> Result<(Action, Vec<u8>), Step> {
    let refuse = |reason| Step::Done(Action::Pass, reason);
    let Ok(dissected) = model::dissect(frame, frame.len()) else {
        return Err(refuse(Reason::Malformed));
    };
    let Some(ip) = dissected.ip else { return Err(Step::Next) };
    if !ip.is_icmp() {
        return Err(Step::Next);
    }
    let request = if ip.version == 4 { 8 } else { 128 };
    let seen = if ip.part == Part::Later { None } else { ip.payload.get(..2) };
    if seen.is_some_and(|type_code| type_code != [request, 0]) {
        return Err(Step::Next);
    }
    let whole = dissected.vlans.is_empty()
        && !ip.has_options
        && ip.part == Part::All
        && ip.payload.len() >= 8
        && ip.total_length >= header_length(&ip) + 8;
    if !whole || !may_be_answered(&ip) {
        return Err(refuse(Reason::RedirectNotPlain));
    }
    if !env.is_local(words(ip.destination)) {
        return Err(refuse(Reason::RedirectNotLocal));
    }
    let query = Query {
        version: ip.version,
        length: ip.total_length as u16,
        source: words(ip.destination),
        destination: words(ip.source),
    };
    let hop = env.route(&query).map_err(refuse)?;
    if !env.serves(hop.ifindex) {
        return Err(refuse(Reason::RedirectForeignPort));
    }
    Ok((env.send(hop.ifindex), reply(&ip, &hop)))
}

fn header_length(ip: &Ip<'_>) -> usize {
    if ip.version == 4 { 20 } else { 40 }
}

/// RFC 1122 section 3.2.1: no wrong checksums, no sources that are not one host. Link-local ones are the kernel's.
fn may_be_answered(ip: &Ip<'_>) -> bool {
    match ip.source {
        [first, ..] if ip.version == 4 => {
            checksum(&[&ip.packet[..20]]) == 0 && !matches!(first, 0 | 127 | 224..)
        }
        source => {
            let (last, front) = source.split_last().expect("sixteen bytes");
            let unspecified_or_loopback = front.iter().all(|byte| *byte == 0) && *last <= 1;
            let link_local = source[0] == 0xfe && source[1] / 64 == 2;
            !unspecified_or_loopback && !link_local && source[0] != 0xff
        }
    }
}

/// New headers around the request's own identifier, sequence number and data.
fn reply(ip: &Ip<'_>, hop: &NextHop) -> Vec<u8> {
    let icmp_length = ip.total_length - header_length(ip);
    let (icmp, padding) = ip.payload.split_at(icmp_length);
    let mut reply = [&hop.destination_mac[..], &hop.source_mac].concat();
    let (kind, pseudo_header) = if ip.version == 4 {
        let mut header = ip.packet[..20].to_vec();
        header[8] = 64;
        header[10..12].fill(0);
        header[12..16].copy_from_slice(ip.destination);
        header[16..20].copy_from_slice(ip.source);
        let sum = checksum(&[&header]).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        reply.extend([0x08, 0x00]);
        reply.extend(header);
        (0, Vec::new())
    } else {
        reply.extend([0x86, 0xdd]);
        reply.extend(&ip.packet[..7]);
        reply.push(64);
        reply.extend(ip.destination);
        reply.extend(ip.source);
        let length = (icmp_length as u32).to_be_bytes();
        (129, [ip.destination, ip.source, &length, &[0, 0, 0, 58]].concat())
    };
    // A request whose checksum was wrong gets a reply whose checksum is as wrong: whoever reads it drops it.
    let right = checksum(&[&pseudo_header, &[request_kind(ip), 0, 0, 0], &icmp[4..]]);
    let found = model::number(&icmp[2..4]) as u16;
    let error = ones_complement_difference(found, right);
    let new = ones_complement_sum(checksum(&[&pseudo_header, &[kind, 0, 0, 0], &icmp[4..]]), error);
    reply.extend([kind, 0]);
    // Zero has two forms; as a checksum of anything it is all zeroes.
    reply.extend(if new == 0xffff { [0, 0] } else { new.to_be_bytes() });
    reply.extend(&icmp[4..]);
    reply.extend(padding);
    reply
}

fn request_kind(ip: &Ip<'_>) -> u8 {
    if ip.version == 4 { 8 } else { 128 }
}

fn ones_complement_sum(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}

fn ones_complement_difference(a: u16, b: u16) -> u16 {
    ones_complement_sum(a, !b)
}

/// RFC 1071; 0 over a header whose checksum is right.
fn checksum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let sum = bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |b| u64::from(*b)));
    let sum: u64 = sum.sum();
    !(match sum % 0xffff {
        0 if sum > 0 => 0xffff,
        rest => rest as u16,
    })
}

fn words(address: &[u8]) -> [u32; 4] {
    let mut all = [0; 16];
    all[16 - address.len()..].copy_from_slice(address);
    [0, 4, 8, 12].map(|at| model::number(&all[at..at + 4]))
}
