//! Packets as bytes: in hex, or in a capture's file.

use std::{
    fs::File,
    io::{BufReader, Read as _, Seek as _},
    path::Path,
};

use pcap_file::{
    DataLink, PcapError,
    pcap::PcapReader,
    pcapng::{Block, PcapNgReader},
};

use crate::failure::Failure;

/// Bytes of hex digits; spaces, colons and `0x` may stand between.
pub fn hex(text: &str) -> Result<Vec<u8>, Failure> {
    let joined = text.replace("0x", "");
    let is_between = |c: &char| !c.is_whitespace() && *c != ':';
    let digits: Vec<char> = joined.chars().filter(is_between).collect();
    let value = |digit: char| digit.to_digit(16).ok_or(digit);
    let digits = digits.into_iter().map(value).collect::<Result<Vec<u32>, char>>();
    let digits =
        digits.map_err(|wrong| Failure::usage(format!("`{wrong}` in --packet is no hex digit"), None))?;
    if digits.len() % 2 != 0 {
        let cause = format!("--packet has {} hex digits, and two make a byte", digits.len());
        return Err(Failure::usage(cause, None));
    }
    Ok(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

/// Hands the packets of a capture, pcap or pcapng, to `each`, until it returns `false`.
pub fn capture(
    path: &Path,
    mut each: impl FnMut(&[u8], u32) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let failed =
        |why: &dyn std::fmt::Display| Failure::failed(format!("cannot read {}: {why}", path.display()), None);
    let no_ethernet = |link: DataLink| {
        let cause = format!("{} has packets of type {link:?}", path.display());
        Failure::failed(cause, Some("capture on an Ethernet interface, not on `any`"))
    };
    let mut file = File::open(path).map_err(|error| failed(&error))?;
    let mut magic = [0; 4];
    file.read_exact(&mut magic).and_then(|()| file.rewind()).map_err(|error| failed(&error))?;
    let file = BufReader::new(file);
    // The section header block's type, which reads the same in both byte orders.
    if magic != [0x0a, 0x0d, 0x0d, 0x0a] {
        let mut reader = PcapReader::new(file).map_err(|error| failed(&describe(&error)))?;
        let link = reader.header().datalink;
        if link != DataLink::ETHERNET {
            return Err(no_ethernet(link));
        }
        while let Some(packet) = reader.next_packet() {
            let packet = packet.map_err(|error| failed(&describe(&error)))?;
            if !each(&packet.data, packet.orig_len)? {
                break;
            }
        }
        return Ok(());
    }
    let mut reader = PcapNgReader::new(file).map_err(|error| failed(&describe(&error)))?;
    let mut links = Vec::new();
    while let Some(block) = reader.next_block() {
        let (interface, data, length) = match block.map_err(|error| failed(&describe(&error)))? {
            Block::SectionHeader(_) => {
                links.clear();
                continue;
            }
            Block::InterfaceDescription(interface) => {
                links.push(interface.linktype);
                continue;
            }
            Block::EnhancedPacket(packet) => (packet.interface_id as usize, packet.data, packet.original_len),
            Block::SimplePacket(packet) => (0, packet.data, packet.original_len),
            _ => continue,
        };
        match links.get(interface) {
            Some(DataLink::ETHERNET) => {}
            link => return Err(no_ethernet(link.copied().unwrap_or(DataLink::NULL))),
        }
        if !each(&data, length)? {
            break;
        }
    }
    Ok(())
}

fn describe(error: &PcapError) -> String {
    match error {
        PcapError::IncompleteBuffer => "it ends in the middle of a packet".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_as_people_have_it() {
        for text in ["0a0bff", "0A 0B\nFF", "0a:0b:ff", "0x0a0bff", "0x0a 0x0b 0xff"] {
            assert_eq!(hex(text).ok(), Some(vec![0x0a, 0x0b, 0xff]), "{text}");
        }
        for wrong in ["0", "0g", "0a0b0"] {
            assert!(hex(wrong).is_err(), "{wrong}");
        }
    }
}
