//! Attaching for a moment, to see whether a driver takes it.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use crate::{
    Error, Mode, ifindex, netlink, probe,
    sys::{self, Attr, Command},
};

/// What a trial showed.
#[derive(Debug)]
pub enum Trial {
    Works,
    /// The interface has a program; a trial would disturb it, so there was none.
    Occupied,
    Refused(io::Error),
}

impl Trial {
    /// Attaches a program that passes every frame in one mode and detaches it at once. In native mode many drivers
    /// reset their rings, which costs a moment of traffic: only do this when it was asked for.
    pub fn run(interface: &str, mode: Mode) -> Result<Self, Error> {
        let index = ifindex(interface)?;
        if !netlink::link(interface)?.programs.is_empty() {
            return Ok(Self::Occupied);
        }
        let flags = match mode {
            Mode::Auto => 0,
            Mode::Generic => 1 << 1,
            Mode::Native => 1 << 2,
            Mode::Offload => 1 << 3,
        };
        let pass = 2;
        let attempt = probe::xdp_program(pass, 0).and_then(|program| link(program.as_fd(), index, flags));
        // With frags a larger MTU is taken: the driver does support native mode.
        let attempt = match attempt {
            Err(_) if mode == Mode::Native => {
                let frags = crate::program::HAS_FRAGS;
                let second =
                    probe::xdp_program(pass, frags).and_then(|program| link(program.as_fd(), index, flags));
                if second.is_ok() { second } else { attempt }
            }
            _ => attempt,
        };
        Ok(match attempt {
            // The link ends with its descriptor, here.
            Ok(_) => Self::Works,
            Err(error) => Self::Refused(error),
        })
    }
}

fn link(program: BorrowedFd<'_>, ifindex: u32, flags: u32) -> io::Result<OwnedFd> {
    let xdp = 37;
    let mut attr = Attr::new(48).fd(0, program).u32(4, ifindex).u32(8, xdp).u32(12, flags);
    // SAFETY: no addresses; the command returns a descriptor.
    unsafe { sys::bpf_fd(Command::LinkCreate, &mut attr) }
}
