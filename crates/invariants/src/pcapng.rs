use std::time::Duration;

use capture::{
    pcapng::{Writer, whole_blocks},
    record::Packet,
    shared::RecordHeader,
};
use pcap_file::pcapng::{Block, PcapNgReader};

use crate::Bytes;

/// What the writer writes another reader reads, packet by packet; and a file that was torn anywhere ends in a whole block.
/// The bytes are interfaces' names, and packets one after the other.
pub fn pcapng(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let [count, snaplen @ ..]: [u8; 5] = bytes.array();
    // As the kernel has them: at most fifteen bytes (`IFNAMSIZ`), and no NUL.
    let names: Vec<String> = (0..=count % 4)
        .map(|_| {
            let [length] = bytes.array();
            String::from_utf8_lossy(bytes.take(usize::from(length % 16))).replace('\0', "0")
        })
        .collect();
    let mut packets = Vec::new();
    while !bytes.0.is_empty() && packets.len() < 64 {
        let [interface, captured, rest @ ..]: [u8; 2 + 4 + 4 + 4 + 4 + 8] = bytes.array();
        let mut rest = Bytes(&rest);
        let mut word = || u32::from_le_bytes(rest.array());
        let (length, queue, verdict, reason) = (word(), word(), word(), word());
        let time = u64::from_le_bytes(rest.array());
        let data = bytes.take(usize::from(captured));
        let captured = data.len() as u32;
        let header = RecordHeader { time: 0, length, captured, queue, verdict, reason, ifindex: 1 };
        packets.push((u32::from(interface) % names.len() as u32, Duration::from_nanos(time), header, data));
    }
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, &names, u32::from_le_bytes(snaplen)).expect("memory");
    for (interface, time, header, data) in &packets {
        writer.packet(*interface, *time, &Packet { header: *header, bytes: data }).expect("memory");
    }
    writer.flush().expect("memory");
    let ends = ends_of_blocks(&file);
    read_back(&file, &names, &packets);
    assert_eq!(whole_blocks(&file), file.len());
    for torn in (0..file.len()).step_by(1 + file.len() / 97) {
        let whole = whole_blocks(&file[..torn]);
        let expected = ends.iter().copied().take_while(|end| *end <= torn).last().unwrap_or(0);
        assert_eq!(whole, expected, "torn at {torn}");
    }
}

/// Where each block ends, which its length says twice.
fn ends_of_blocks(file: &[u8]) -> Vec<usize> {
    let (mut at, mut ends) = (0, Vec::new());
    while at < file.len() {
        let length = u32::from_ne_bytes(file[at + 4..at + 8].try_into().expect("four bytes")) as usize;
        let again = &file[at + length - 4..at + length];
        assert_eq!(again, (length as u32).to_ne_bytes(), "a block ends with its length");
        at += length;
        ends.push(at);
    }
    ends
}

fn read_back(file: &[u8], names: &[String], packets: &[(u32, Duration, RecordHeader, &[u8])]) {
    let mut reader = PcapNgReader::new(file).expect("a section header");
    let mut expected = packets.iter();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(read) = block.expect("a well-formed block") {
            let (interface, time, header, data) = expected.next().expect("no packet that was not written");
            assert_eq!((read.interface_id, read.original_len), (*interface, header.length));
            assert_eq!((read.timestamp.as_nanos(), &read.data[..]), (time.as_nanos(), *data));
        }
    }
    assert!(expected.next().is_none(), "a packet is missing");
    assert_eq!(reader.interfaces().len(), names.len());
    for (interface, name) in reader.interfaces().iter().zip(names) {
        let options = format!("{:?}", interface.options);
        assert!(options.contains(&format!("{name:?}")), "{name:?} in {options}");
    }
}
