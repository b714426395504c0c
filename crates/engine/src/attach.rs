//! Attaching XDP programs to interfaces by `bpf_link`.

use std::{
    ffi::CString,
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use crate::{
    Error, Program,
    sys::{self, Attr, Command},
};

const BPF_XDP: u32 = 37;

/// Where in the receive path a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    const fn flags(self) -> u32 {
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

/// A program on an interface. Dropping it detaches, unless the link is pinned.
#[derive(Debug)]
pub struct Attachment {
    link: OwnedFd,
    pub interface: String,
    pub ifindex: u32,
    /// Never `Auto`.
    pub mode: Mode,
    /// Why native was refused, when `Auto` fell back to generic.
    pub fallback: Option<String>,
}

impl Attachment {
    /// Puts another program in the place of this one in one atomic step: no frame meets neither or both.
    pub fn replace(&self, program: &Program) -> Result<(), Error> {
        let mut attr = Attr::new(16).fd(0, self.link.as_fd()).fd(4, program.fd());
        // SAFETY: no addresses.
        unsafe { sys::bpf(Command::LinkUpdate, &mut attr) }
            .map(drop)
            .map_err(Error::system(format!("{}: replace the program", self.interface)))
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
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
    let try_mode = |mode: Mode| create_link(program.fd(), ifindex, mode);
    let done =
        |link, mode, fallback| Attachment { link, interface: interface.into(), ifindex, mode, fallback };
    let refused = |mode: Mode, source| Error::Attach {
        interface: interface.into(),
        mode: mode.name(),
        source,
        extack: None,
    };
    if mode != Mode::Auto {
        return try_mode(mode).map(|link| done(link, mode, None)).map_err(|source| refused(mode, source));
    }
    let native = match try_mode(Mode::Native) {
        Ok(link) => return Ok(done(link, Mode::Native, None)),
        Err(error) => error,
    };
    // Somebody else's program is not a reason to fall back.
    if matches!(native.raw_os_error(), Some(libc::EBUSY | libc::EEXIST | libc::EPERM)) {
        return Err(refused(Mode::Native, native));
    }
    match try_mode(Mode::Generic) {
        Ok(link) => Ok(done(link, Mode::Generic, Some(native.to_string()))),
        Err(_) => Err(refused(Mode::Native, native)),
    }
}

fn create_link(program: BorrowedFd<'_>, ifindex: u32, mode: Mode) -> io::Result<OwnedFd> {
    let mut attr = Attr::new(48).fd(0, program).u32(4, ifindex).u32(8, BPF_XDP).u32(12, mode.flags());
    // SAFETY: no addresses; the command returns a descriptor.
    unsafe { sys::bpf_fd(Command::LinkCreate, &mut attr) }
}
