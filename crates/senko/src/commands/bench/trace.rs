//! Packets that a program writes into the frame, one after the other.

use std::os::fd::AsRawFd as _;

use engine::{LoadChoices, LoadedObject, Program};

use super::cable::Port;
use crate::failure::Failure;

/// Packets of a trace, as the bench object has room for them.
pub const PACKETS: usize = 1 << 17;

pub const HAND_ON: &str = "next_of_trace";
pub const REDIRECT: &str = "redirect_trace";

/// The program that makes the packets and hands them on to another. `sources`: bits of the source that are a counter's.
pub fn handing_on(packets: &[[u32; 5]], sources: u32, next: &Program) -> Result<LoadedObject, Failure> {
    let object = maker(HAND_ON, packets, sources)?;
    let fd = next.fd().as_raw_fd();
    object.map("NEXT")?.set(&0_u32, &fd)?;
    Ok(object)
}

/// The program that makes the packets and sends them out of a port.
pub fn redirecting(packets: &[[u32; 5]], ifindex: u32) -> Result<LoadedObject, engine::Error> {
    let object = maker(REDIRECT, packets, 0)?;
    object.map("PORT")?.set(&0_u32, &Port { ifindex, program: 0 })?;
    Ok(object)
}

fn maker(program: &str, packets: &[[u32; 5]], sources: u32) -> Result<LoadedObject, engine::Error> {
    let mut choices = LoadChoices { programs: vec![program.into()], ..LoadChoices::default() };
    choices.globals.set("TRACE_SOURCES", sources);
    let object = engine::load_rivals(&choices)?;
    let map = object.map("TRACE")?;
    for (packet, at) in packets.iter().cycle().take(PACKETS).zip(0_u32..) {
        // As small as it can be: the trace goes through the caches that the tables want.
        let [source, destination, source_port, destination_port, protocol] = *packet;
        map.set(&at, &[source, destination, source_port << 16 | destination_port, protocol])?;
    }
    Ok(object)
}
