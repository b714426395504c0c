//! A program that sees what an interface sends, or what comes in by it behind XDP: on a link from Linux 6.6 on, in a filter of `tc`
//! before. Either lives by a pin, whose name is the interface's number, in a directory named after the direction, and ends with
//! [`detach`].

use std::{
    ffi::OsStr,
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use abi::Direction;

use crate::{
    Error, Program,
    bpffs::{self, Pinned, c_path},
    ifindex_exists,
    netlink::tc,
    sys::{self, Attr, Command},
};

/// `BPF_F_BEFORE`: without another program to stand before, before all.
const BEFORE: u32 = 1 << 3;
/// `BPF_LINK_TYPE_TCX`.
const LINK_TCX: u32 = 11;

/// The variable that lets tests on new kernels do as old ones do.
const WITHOUT_LINKS: &str = "SENKO_TEST_NO_TCX";

/// What runs there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// 0: the interface is gone.
    pub ifindex: u32,
    pub program_id: u32,
}

/// `BPF_TCX_INGRESS`, `BPF_TCX_EGRESS`.
const fn attach_type(direction: Direction) -> u32 {
    match direction {
        Direction::Ingress => 46,
        Direction::Egress => 47,
    }
}

/// Lets a program see what the interface with this number receives or sends, and pins it.
pub fn attach(program: &Program, direction: Direction, ifindex: u32, pin: &Path) -> Result<(), Error> {
    let failed = Error::system(format!("see the {} of interface {ifindex}", direction.name()));
    let refused = match create_link(program, direction, ifindex) {
        Ok(link) => return pin_at(link.as_fd(), pin),
        Err(error) => error,
    };
    // No such kind of link: an older kernel, where the place is unknown as well.
    if refused.raw_os_error() != Some(libc::EINVAL) {
        return Err(failed(refused));
    }
    // The pins come first: what a killed process leaves is found by them.
    pin_at(program.fd(), pin)?;
    pin_at(program.fd(), &made(pin))?;
    let done = tc::add_clsact(ifindex).and_then(|is_new| {
        if !is_new {
            fs::remove_file(made(pin))?;
        }
        tc::set_filter(ifindex, direction, program.fd())
    });
    done.map_err(|error| {
        let _ = detach(direction, pin);
        failed(error)
    })
}

/// Exchanges the program in one step.
pub fn replace(program: &Program, direction: Direction, pin: &Path) -> Result<(), Error> {
    let failed = || Error::system(format!("exchange the program on {}", direction.name()));
    match open(pin).map_err(failed())? {
        Some(Attached::Link(link)) => {
            let mut attr = Attr::new(16).fd(0, link.as_fd()).fd(4, program.fd());
            // SAFETY: no addresses.
            unsafe { sys::bpf(Command::LinkUpdate, &mut attr) }.map(drop).map_err(failed())
        }
        Some(Attached::Filter { ifindex }) => {
            tc::set_filter(ifindex, direction, program.fd()).map_err(failed())?;
            // The pin would keep the former program, and its maps.
            let fresh = beside(pin, "new");
            let _ = fs::remove_file(&fresh);
            pin_at(program.fd(), &fresh)?;
            fs::rename(&fresh, pin).map_err(failed())
        }
        None => Err(failed()(io::ErrorKind::NotFound.into())),
    }
}

/// What runs by a pin; `None`: nothing does.
pub fn facts(direction: Direction, pin: &Path) -> Option<Facts> {
    match open(pin).ok()?? {
        Attached::Link(link) => {
            let mut info = [0; 64];
            sys::info(link.as_fd(), &mut info).ok()?;
            let word = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
            (word(0) == LINK_TCX).then(|| Facts { ifindex: word(16), program_id: word(8) })
        }
        Attached::Filter { ifindex } => {
            let program_id = tc::filter(ifindex, direction).ok()??;
            Some(Facts { ifindex, program_id })
        }
    }
}

/// Ends what lives by a pin and removes it; what is not there is gone already.
pub fn detach(direction: Direction, pin: &Path) -> Result<(), Error> {
    let removed = |path: &Path| match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let done = match open(pin) {
        Ok(Some(Attached::Link(link))) => {
            // A kernel that cannot is a moment late.
            let mut attr = Attr::new(4).fd(0, link.as_fd());
            // SAFETY: no addresses.
            let _ = unsafe { sys::bpf(Command::LinkDetach, &mut attr) };
            Ok(())
        }
        Ok(Some(Attached::Filter { ifindex })) if ifindex_exists(ifindex) => {
            remove_filter(ifindex, direction, pin)
        }
        // The interface has taken its filters with it.
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    done.and_then(|()| removed(&made(pin)))
        .and_then(|()| removed(pin))
        .map_err(Error::system(format!("take the program off {}", direction.name())))
}

fn remove_filter(ifindex: u32, direction: Direction, pin: &Path) -> io::Result<()> {
    if tc::filter(ifindex, direction)?.is_some() {
        tc::remove_filter(ifindex, direction)?;
    }
    if made(pin).exists() && !tc::remove_clsact(ifindex)? {
        // Who is there last takes it away: if that is our other program, it has to know.
        let other = beside_in(direction.other(), pin);
        if other.exists() && !made(&other).exists() {
            fs::rename(made(pin), made(&other))?;
        }
    }
    Ok(())
}

/// The pin of the interface's program of the other direction.
fn beside_in(direction: Direction, pin: &Path) -> PathBuf {
    let directory = pin.parent().and_then(Path::parent).unwrap_or(Path::new("")).join(direction.name());
    directory.join(pin.file_name().unwrap_or_default())
}

/// The pin that says that the interface's place for filters is of our making.
fn made(pin: &Path) -> PathBuf {
    beside(pin, "clsact")
}

/// Another pin of the same interface. bpffs takes no dots.
fn beside(pin: &Path, word: &str) -> PathBuf {
    let name = pin.file_name().and_then(OsStr::to_str).unwrap_or_default();
    pin.with_file_name(format!("{name}-{word}"))
}

/// The programs that see what an interface of this network namespace receives or sends, whoever put them there.
pub fn programs(direction: Direction, ifindex: u32) -> Result<Vec<u32>, Error> {
    let mut ids = [0_u32; 64];
    let mut attr = Attr::new(64)
        .u32(0, ifindex)
        .u32(4, attach_type(direction))
        .ptr(16, ids.as_mut_ptr())
        .u32(24, ids.len() as u32);
    // SAFETY: the kernel writes as many ids as there is room for.
    let known = match unsafe { sys::bpf(Command::ProgQuery, &mut attr) } {
        Ok(_) => attr.get_u32(24) as usize,
        // Older kernels have no such place, and an interface that nobody has looked at has none.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOENT)) => 0,
        Err(error) => {
            return Err(Error::system(format!("query the programs on {}", direction.name()))(error));
        }
    };
    let filters = tc::programs(ifindex, direction)
        .map_err(Error::system(format!("list the filters on {}", direction.name())))?;
    Ok(ids.into_iter().take(known).chain(filters).collect())
}

enum Attached {
    Link(OwnedFd),
    Filter { ifindex: u32 },
}

fn open(pin: &Path) -> io::Result<Option<Attached>> {
    let fd = match bpffs::open(pin) {
        Ok(fd) => fd,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !matches!(bpffs::pinned(pin), Some(Pinned::Program(_))) {
        return Ok(Some(Attached::Link(fd)));
    }
    let ifindex = pin.file_name().and_then(OsStr::to_str).and_then(|name| name.parse().ok());
    ifindex.map(|ifindex| Some(Attached::Filter { ifindex })).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn create_link(program: &Program, direction: Direction, ifindex: u32) -> io::Result<OwnedFd> {
    if std::env::var_os(WITHOUT_LINKS).is_some() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // A mark is there for all programs of what comes in; what is remembered is what leaves, behind all that rewrite it.
    let flags = if direction == Direction::Ingress { BEFORE } else { 0 };
    let mut attr =
        Attr::new(48).fd(0, program.fd()).u32(4, ifindex).u32(8, attach_type(direction)).u32(12, flags);
    // SAFETY: no addresses; the command returns a descriptor.
    unsafe { sys::bpf_fd(Command::LinkCreate, &mut attr) }
}

fn pin_at(fd: std::os::fd::BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
    c_path(path)
        .and_then(|path| sys::pin(fd, &path))
        .map_err(|source| Error::Pin { path: path.into(), source })
}
