//! pcapng files (draft-ietf-opsawg-pcapng) that Wireshark and tcpdump open, with what only XDP knows: the receive
//! queue, and the verdict with its reason.
//!
//! Written by hand: the crates that write pcapng have no options for queue and verdict.

use std::{io, io::Write, time::Duration};

use crate::record::Packet;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// Tells readers our byte order.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u16 = 1;

/// Option codes (sections 3.5, 4.1, 4.2 and 4.3 of the draft).
mod option {
    pub const END: u16 = 0;
    pub const COMMENT: u16 = 1;
    pub const SHB_USER_APPLICATION: u16 = 4;
    pub const IF_NAME: u16 = 2;
    pub const IF_TIME_RESOLUTION: u16 = 9;
    pub const EPB_QUEUE: u16 = 6;
    pub const EPB_VERDICT: u16 = 7;
}

/// First byte of a verdict: the number that follows is an XDP action.
const VERDICT_XDP: u8 = 2;

/// Ten to the minus nine seconds.
const NANOSECONDS: u8 = 9;

/// How many bytes at the begin of `blocks`, which begins with a block, are whole blocks.
pub fn whole_blocks(blocks: &[u8]) -> usize {
    let mut whole = 0;
    while let Some(length) = blocks.get(whole + 4..whole + 8) {
        let length = length.try_into().map_or(0, u32::from_ne_bytes) as usize;
        if length == 0 || whole + length > blocks.len() {
            break;
        }
        whole += length;
    }
    whole
}

/// A file being written.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a file whose interface ids are the positions in `interfaces`.
    pub fn new(out: W, interfaces: &[String], snaplen: u32) -> io::Result<Self> {
        let mut writer = Self { out, block: Vec::new() };
        writer.begin(SECTION_HEADER);
        writer.u32(BYTE_ORDER_MAGIC);
        writer.u16(1);
        writer.u16(0);
        // The section's length is not known beforehand.
        writer.block.extend(u64::MAX.to_ne_bytes());
        writer.option(option::SHB_USER_APPLICATION, concat!("senko ", env!("CARGO_PKG_VERSION")).as_bytes());
        writer.end()?;
        for name in interfaces {
            writer.begin(INTERFACE_DESCRIPTION);
            writer.u16(LINKTYPE_ETHERNET);
            writer.u16(0);
            writer.u32(snaplen);
            writer.option(option::IF_NAME, name.as_bytes());
            writer.option(option::IF_TIME_RESOLUTION, &[NANOSECONDS]);
            writer.end()?;
        }
        Ok(writer)
    }

    /// Writes a packet that came in `time` after 1970.
    pub fn packet(&mut self, interface: u32, time: Duration, packet: &Packet<'_>) -> io::Result<()> {
        let time = time.as_nanos() as u64;
        self.begin(ENHANCED_PACKET);
        self.u32(interface);
        self.u32((time >> 32) as u32);
        self.u32(time as u32);
        self.u32(packet.bytes.len() as u32);
        self.u32(packet.header.length);
        self.padded(packet.bytes);
        let comment = format!("senko: {} ({})", packet.verdict(), packet.reason());
        self.option(option::COMMENT, comment.as_bytes());
        self.option(option::EPB_QUEUE, &packet.header.queue.to_ne_bytes());
        let mut verdict = [0; 9];
        verdict[0] = VERDICT_XDP;
        verdict[1..].copy_from_slice(&u64::from(packet.header.verdict).to_ne_bytes());
        self.option(option::EPB_VERDICT, &verdict);
        self.end()
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// A block: type, length, body, length.
    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.u32(kind);
        self.u32(0);
    }

    fn end(&mut self) -> io::Result<()> {
        self.option(option::END, &[]);
        let length = (self.block.len() as u32 + 4).to_ne_bytes();
        self.block[4..8].copy_from_slice(&length);
        self.block.extend(length);
        self.out.write_all(&self.block)
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        self.u16(code);
        self.u16(value.len() as u16);
        self.padded(value);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.block.extend(bytes);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn u16(&mut self, value: u16) {
        self.block.extend(value.to_ne_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.block.extend(value.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use abi::{Action, Reason};
    use pcap_file::pcapng::{Block, PcapNgReader};

    use super::*;
    use crate::shared::RecordHeader;

    #[test]
    fn a_torn_block_is_not_whole() {
        let mut file = Vec::new();
        Writer::new(&mut file, &["vetha".into()], 96).expect("memory");
        let section = u32::from_ne_bytes([file[4], file[5], file[6], file[7]]) as usize;
        assert_eq!(whole_blocks(&file), file.len());
        for torn in [section, section + 3, section + 8, file.len() - 1] {
            assert_eq!(whole_blocks(&file[..torn]), section, "{torn}");
        }
        assert_eq!(whole_blocks(&file[..section - 1]), 0);
    }

    /// Read back by another implementation.
    #[test]
    fn another_reader_finds_what_was_written() {
        let bytes = [7_u8; 61];
        let header = RecordHeader {
            time: 0,
            length: 1500,
            captured: 61,
            queue: 3,
            verdict: Action::Drop as u32,
            reason: Reason::FirewallDrop as u32,
            ifindex: 9,
        };
        let time = Duration::new(1_764_000_000, 123_456_789);
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file, &["vetha".into(), "vethb".into()], 65504).expect("memory");
        writer.packet(1, time, &Packet { header, bytes: &bytes }).expect("memory");

        let mut reader = PcapNgReader::new(file.as_slice()).expect("a section header");
        let mut packets = 0;
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block.expect("a well-formed block") {
                assert_eq!((packet.interface_id, packet.original_len), (1, 1500));
                assert_eq!(packet.data, Cow::Borrowed(&bytes[..]));
                let options = format!("{:?}", packet.options);
                assert!(options.contains("senko: drop (firewall_drop)"), "{options}");
                assert!(options.contains("code: 6, length: 4, value: [3, 0, 0, 0]"), "{options}");
                assert!(options.contains("code: 7, length: 9, value: [2, 1, 0"), "{options}");
                packets += 1;
            }
        }
        assert_eq!(packets, 1);
        let names: Vec<String> = reader.interfaces().iter().map(|i| format!("{:?}", i.options)).collect();
        assert!(names[0].contains("vetha") && names[1].contains("vethb"), "{names:?}");
    }
}
