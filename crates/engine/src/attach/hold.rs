//! What keeps a program on its interface, and what happens when it is let go.

use std::{
    cell::RefCell,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use crate::{
    Mode, Program,
    netlink::{Refused, set_xdp},
    sys::{self, Attr, Command},
};

/// `BPF_F_REPLACE`: only if the link runs the expected program.
const REPLACE: u32 = 1 << 2;

#[derive(Debug)]
pub struct Hold {
    /// The last descriptor or pin of a link that closes detaches its program. None: attached over netlink, which
    /// nothing ends but another request.
    link: Option<OwnedFd>,
    /// In a cell, because replacing our program changes which one is taken off, and nothing that callers see.
    at_end: RefCell<Option<AtEnd>>,
}

#[derive(Debug)]
enum AtEnd {
    /// The link is somebody's, and their descriptor or pin may outlive us: the program that was in it goes back. If
    /// they are gone, the link ends with our descriptor.
    PutBack { ours: OwnedFd, former: OwnedFd },
    /// Over netlink.
    Detach { ifindex: u32, mode: Mode, ours: OwnedFd },
}

/// Puts `program` into a link that runs `expected`. `EPERM`: it runs another one by now.
pub fn update_link(
    link: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    expected: BorrowedFd<'_>,
) -> io::Result<()> {
    let mut attr = Attr::new(16).fd(0, link).fd(4, program).u32(8, REPLACE).fd(12, expected);
    // SAFETY: no addresses.
    unsafe { sys::bpf(Command::LinkUpdate, &mut attr) }.map(drop)
}

impl Hold {
    /// By a link of our own.
    pub fn own(link: OwnedFd) -> Self {
        Self { link: Some(link), at_end: RefCell::new(None) }
    }

    /// By somebody's link that runs our program by now.
    pub fn taken(link: OwnedFd, ours: OwnedFd, former: OwnedFd) -> Self {
        Self { link: Some(link), at_end: RefCell::new(Some(AtEnd::PutBack { ours, former })) }
    }

    pub fn netlink(ifindex: u32, mode: Mode, ours: OwnedFd) -> Self {
        Self { link: None, at_end: RefCell::new(Some(AtEnd::Detach { ifindex, mode, ours })) }
    }

    pub fn link(&self) -> Option<BorrowedFd<'_>> {
        self.link.as_ref().map(AsFd::as_fd)
    }

    pub fn replace(&self, ifindex: u32, mode: Mode, program: &Program) -> io::Result<()> {
        let next = program.fd().try_clone_to_owned()?;
        let mut at_end = self.at_end.borrow_mut();
        match (&self.link, &*at_end) {
            (Some(link), Some(AtEnd::PutBack { ours, .. })) => {
                update_link(link.as_fd(), program.fd(), ours.as_fd())?;
            }
            (Some(link), _) => {
                let mut attr = Attr::new(16).fd(0, link.as_fd()).fd(4, program.fd());
                // SAFETY: no addresses.
                unsafe { sys::bpf(Command::LinkUpdate, &mut attr) }?;
            }
            (None, at_end) => {
                let ours = match at_end {
                    Some(AtEnd::Detach { ours, .. }) => Some(ours.as_fd()),
                    _ => None,
                };
                set_xdp(ifindex, mode.flags(), Some(program.fd()), ours)
                    .map_err(|Refused { source, .. }| source)?;
            }
        }
        if let Some(AtEnd::PutBack { ours, .. } | AtEnd::Detach { ours, .. }) = &mut *at_end {
            *ours = next;
        }
        Ok(())
    }

    /// Leaves the program where it is.
    pub fn keep(&mut self) {
        *self.at_end.get_mut() = None;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Nobody is left to tell about an error; both requests fail harmlessly when somebody was faster.
        let _ = match (&self.link, self.at_end.get_mut()) {
            (Some(link), Some(AtEnd::PutBack { ours, former })) => {
                update_link(link.as_fd(), former.as_fd(), ours.as_fd()).map_err(Refused::from)
            }
            (_, Some(AtEnd::Detach { ifindex, mode, ours })) => {
                set_xdp(*ifindex, mode.flags(), None, Some(ours.as_fd()))
            }
            _ => Ok(()),
        };
    }
}
