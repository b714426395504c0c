//! Removing a program from an interface, whoever put it there.

use std::os::fd::AsFd;

use super::ifindex;
use crate::{
    Error, Occupant,
    netlink::{Refused, set_xdp},
    sys::{self, Attr, Command},
};

/// Removes `occupant` from its interface, if it is still there. A link stays in its owner's hands, attached to
/// nothing; what was attached over netlink leaves no trace.
pub fn detach(interface: &str, occupant: &Occupant) -> Result<(), Error> {
    let ifindex = ifindex(interface)?;
    let failed = Error::system(format!("{interface}: detach program {}", occupant.program_id));
    if let Some(link) = occupant.link() {
        let done = sys::fd_by_id(Command::LinkFdById, link.id).and_then(|fd| {
            let mut attr = Attr::new(4).fd(0, fd.as_fd());
            // SAFETY: no addresses.
            unsafe { sys::bpf(Command::LinkDetach, &mut attr) }
        });
        return done.map(drop).map_err(failed);
    }
    if !occupant.links.is_empty() {
        return Err(super::take_over::ambiguous(interface, occupant));
    }
    let program = match sys::fd_by_id(Command::ProgFdById, occupant.program_id) {
        Ok(program) => program,
        Err(error) => return Err(failed(error)),
    };
    set_xdp(ifindex, occupant.mode.flags(), None, Some(program.as_fd()))
        .map_err(|Refused { source, .. }| failed(source))
}
