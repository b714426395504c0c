//! Attaching XDP programs to interfaces by `bpf_link`.

mod detach;
mod hold;
mod refused;
mod take_over;

use std::{
    ffi::CString,
    fmt, io,
    os::fd::{BorrowedFd, OwnedFd},
};

pub use detach::detach;
pub use refused::Circumstances;
pub use take_over::take_over;

use self::hold::Hold;
use crate::{
    Error, Program,
    sys::{self, Attr, Command},
};

const BPF_XDP: u32 = 37;

/// Where in the receive path a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Native, else generic, and say so.
    Auto,
    /// In the driver, before the kernel allocates an `sk_buff`.
    Native,
    /// In the network core, for drivers without native support: the `sk_buff` is already there.
    Generic,
    /// In the card.
    Offload,
}

impl Mode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Offload => "offload",
        }
    }

    /// `XDP_FLAGS_*_MODE` in `include/uapi/linux/if_link.h`.
    pub(crate) const fn flags(self) -> u32 {
        match self {
            Self::Auto => 0,
            Self::Generic => 1 << 1,
            Self::Native => 1 << 2,
            Self::Offload => 1 << 3,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A program on an interface. Dropping it detaches the program, or puts the former one back if it took one's place,
/// unless [`Attachment::keep`] was called.
#[derive(Debug)]
pub struct Attachment {
    hold: Hold,
    pub interface: String,
    pub ifindex: u32,
    /// Never `Auto`.
    pub mode: Mode,
    /// Why native was refused, when `Auto` fell back to generic: a sentence for the user.
    pub fallback: Option<String>,
}

impl Attachment {
    /// Puts another program in the place of this one in one atomic step: no frame meets neither or both.
    pub fn replace(&self, program: &Program) -> Result<(), Error> {
        self.hold
            .replace(self.ifindex, self.mode, program)
            .map_err(Error::system(format!("{}: replace the program", self.interface)))
    }

    /// The link; `None` when the attachment is over netlink, which leaves no object behind.
    pub fn link(&self) -> Option<BorrowedFd<'_>> {
        self.hold.link()
    }

    /// Leaves the program where it is: a pinned link stays by its pin, a netlink attachment by itself.
    pub fn keep(&mut self) {
        self.hold.keep();
    }
}

/// The index of an interface of this network namespace.
pub fn ifindex(interface: &str) -> Result<u32, Error> {
    let unknown = || Error::NoInterface(interface.into());
    let name = CString::new(interface).map_err(|_| unknown())?;
    // SAFETY: the name is a live C string.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(unknown()),
        index => Ok(index),
    }
}

/// Whether an interface with this index is in this network namespace.
pub fn ifindex_exists(ifindex: u32) -> bool {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: the buffer is as long as the call wants.
    !unsafe { libc::if_indextoname(ifindex, name.as_mut_ptr()) }.is_null()
}

/// Attaches `program`. `Auto` tries native first and says in [`Attachment::fallback`] why it was refused.
pub fn attach(program: &Program, interface: &str, mode: Mode) -> Result<Attachment, Error> {
    let ifindex = ifindex(interface)?;
    let done = |link, mode, fallback| Attachment {
        hold: Hold::own(link),
        interface: interface.into(),
        ifindex,
        mode,
        fallback,
    };
    let first = if mode == Mode::Auto { Mode::Native } else { mode };
    let refusal = match create_link(program.fd(), ifindex, first) {
        Ok(link) => return Ok(done(link, first, None)),
        Err(source) => refused::explain(program, interface, ifindex, first, source),
    };
    // Somebody else's program, or a missing permission, is not a reason to fall back.
    let may_fall_back = match &refusal {
        Error::Attach { source, .. } => {
            !matches!(source.raw_os_error(), Some(libc::EBUSY | libc::EEXIST | libc::EPERM | libc::ENODEV))
        }
        _ => false,
    };
    if mode != Mode::Auto || !may_fall_back {
        return Err(refusal);
    }
    match create_link(program.fd(), ifindex, Mode::Generic) {
        Ok(link) => Ok(done(link, Mode::Generic, Some(crate::diagnose(&refusal).sentence()))),
        Err(_) => Err(refusal),
    }
}

fn create_link(program: BorrowedFd<'_>, ifindex: u32, mode: Mode) -> io::Result<OwnedFd> {
    let mut attr = Attr::new(48).fd(0, program).u32(4, ifindex).u32(8, BPF_XDP).u32(12, mode.flags());
    // SAFETY: no addresses; the command returns a descriptor.
    unsafe { sys::bpf_fd(Command::LinkCreate, &mut attr) }
}
