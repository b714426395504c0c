//! Taking the place of a program that is on an interface already, in one step.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use super::{
    Attachment, Mode, attach,
    hold::{Hold, update_link},
    ifindex, refused,
};
use crate::{
    Error, Occupant, Program, inventory,
    netlink::{Refused, set_xdp},
    sys::{self, Command},
};

/// How often the program may change hands between our look and our update.
const ATTEMPTS: usize = 4;

/// Attaches `program` where another one is, atomically: a frame meets the old program or the new one, and always one.
/// A link is updated and keeps its mode; what was attached over netlink is exchanged over netlink. Where nothing is
/// attached this is [`attach`].
pub fn take_over(program: &Program, interface: &str, mode: Mode) -> Result<Attachment, Error> {
    let ifindex = ifindex(interface)?;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let occupants = inventory::occupants(interface)?;
        let Some(occupant) = pick(&occupants, mode) else { return attach(program, interface, mode) };
        if mode != Mode::Auto && mode != occupant.mode {
            return Err(Error::CannotReplace {
                interface: interface.into(),
                why: format!(
                    "the program there runs in {} mode, and the one in its place cannot run in {mode} mode",
                    occupant.mode
                ),
                remedy: format!(
                    "leave out --mode, or free the interface with `senko unload {interface} --force` first"
                ),
            });
        }
        let former = sys::fd_by_id(Command::ProgFdById, occupant.program_id);
        let former = match former {
            Ok(former) => former,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
            Err(error) => return Err(Error::system("look at the program that is attached")(error)),
        };
        match exchange(program, ifindex, occupant, former) {
            Ok(hold) => {
                return Ok(Attachment {
                    hold,
                    interface: interface.into(),
                    ifindex,
                    mode: occupant.mode,
                    fallback: None,
                });
            }
            Err(Failed::Changed(source)) => last = Some(source),
            Err(Failed::Ambiguous) => return Err(ambiguous(interface, occupant)),
            Err(Failed::Refused(Refused { source, words })) => {
                return Err(refused::with_words(program, interface, occupant.mode, source, words));
            }
        }
    }
    let source = last.unwrap_or_else(|| io::Error::from_raw_os_error(libc::EBUSY));
    Err(Error::system(format!("{interface}: its program changes faster than it can be replaced"))(source))
}

enum Failed {
    /// Another program is there by now: look again.
    Changed(io::Error),
    /// Several links could be the one.
    Ambiguous,
    Refused(Refused),
}

/// Native and offload can be on one interface at once; generic is alone.
fn pick(occupants: &[Occupant], mode: Mode) -> Option<&Occupant> {
    occupants.iter().find(|occupant| occupant.mode == mode).or_else(|| match mode {
        Mode::Offload => None,
        _ => occupants.iter().find(|occupant| occupant.mode != Mode::Offload),
    })
}

fn exchange(program: &Program, ifindex: u32, occupant: &Occupant, former: OwnedFd) -> Result<Hold, Failed> {
    let refused = |source: io::Error| Failed::Refused(source.into());
    let ours = program.fd().try_clone_to_owned().map_err(refused)?;
    match (&occupant.links[..], occupant.link()) {
        (_, Some(link)) => {
            let link = sys::fd_by_id(Command::LinkFdById, link.id).map_err(Failed::Changed)?;
            match update_link(link.as_fd(), program.fd(), former.as_fd()) {
                Ok(()) => Ok(Hold::taken(link, ours, former)),
                Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOLINK)) => {
                    Err(Failed::Changed(error))
                }
                Err(error) => Err(refused(error)),
            }
        }
        ([], None) => {
            match set_xdp(ifindex, occupant.mode.flags(), Some(program.fd()), Some(former.as_fd())) {
                Ok(()) => Ok(Hold::netlink(ifindex, occupant.mode, ours)),
                Err(refused) if refused.source.raw_os_error() == Some(libc::EEXIST) => {
                    Err(Failed::Changed(refused.source))
                }
                Err(refused) => Err(Failed::Refused(refused)),
            }
        }
        (_, None) => Err(Failed::Ambiguous),
    }
}

pub fn ambiguous(interface: &str, occupant: &Occupant) -> Error {
    let ids: Vec<String> = occupant.links.iter().map(|link| link.id.to_string()).collect();
    Error::CannotReplace {
        interface: interface.into(),
        why: format!(
            "links {} attach the same program to interfaces of this number in different network namespaces, and \
             the kernel does not say which is which",
            ids.join(", ")
        ),
        remedy: "stop the processes that hold the links, or remove their pins".into(),
    }
}
