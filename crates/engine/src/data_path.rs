//! The data path's maps and programs one by one, as a gateway makes them: maps first, then a program for each interface
//! that reads them.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use abi::{Action, Direction, stage::BESIDE};

use crate::{
    Attachment, Error, Globals, LoadChoices, Map, MapChoice, MapSpec, Program, XdpLink,
    bpffs::{self, c_path},
    floor, inventory,
    pipeline::{PROGRAM, load_own, own_object, smallest_maps},
    program::HAS_FRAGS,
    sys::{self, Attr, Command},
};

/// The maps that the data path's program names, as the object declares them, without its data sections.
pub fn map_specs() -> Result<BTreeMap<String, MapSpec>, Error> {
    Ok(own_object()?.map_specs().filter(|(name, _)| !is_section(name)).collect())
}

/// Makes all maps of the data path: `sizes` says how many entries some have, `shared` are used as they are, and those that
/// neither names are as small as they can be.
pub fn create_maps(
    sizes: &BTreeMap<String, u32>,
    shared: &BTreeMap<String, Arc<Map>>,
) -> Result<BTreeMap<String, Arc<Map>>, Error> {
    let mut choices = LoadChoices::default();
    for (name, entries) in smallest_maps() {
        choices.maps.entry(name.into()).or_default().max_entries = Some(entries);
    }
    for (name, entries) in sizes {
        choices.maps.entry(name.clone()).or_default().max_entries = Some(*entries);
    }
    choices.maps.extend(reuse(shared));
    let mut loaded = own_object()?.load(&choices)?;
    loaded.maps.retain(|name, _| !is_section(name));
    Ok(loaded.maps)
}

/// Loads the program with these read-only globals over existing maps. `frags`: for frames of several buffers; the caller
/// sets `FRAGS` in `STAGES`.
pub fn load_program(
    globals: Globals,
    frags: bool,
    maps: &BTreeMap<String, Arc<Map>>,
) -> Result<Program, Error> {
    if globals.get::<u32>("STAGES").unwrap_or(0) & !BESIDE == 0 {
        // What the verifier leaves of the pipeline then still reads its globals, which is a nanosecond.
        return floor::returning(Action::Pass, PROGRAM, if frags { HAS_FRAGS } else { 0 });
    }
    let choices = LoadChoices {
        globals,
        frags,
        maps: reuse(maps).collect(),
        programs: vec![PROGRAM.into()],
        ..LoadChoices::default()
    };
    let mut loaded = load_own(choices)?;
    loaded.programs.remove(PROGRAM).ok_or_else(|| Error::NoProgram(format!(" named `{PROGRAM}`")))
}

/// Loads the program that remembers what an interface sends, or that marks what comes in.
pub fn load_classifier(
    direction: Direction,
    globals: Globals,
    maps: &BTreeMap<String, Arc<Map>>,
) -> Result<Program, Error> {
    let name = direction.program();
    let choices = LoadChoices {
        globals,
        maps: reuse(maps).collect(),
        programs: vec![name.into()],
        ..LoadChoices::default()
    };
    let mut loaded = own_object()?.load(&choices)?;
    loaded.programs.remove(name).ok_or_else(|| Error::NoProgram(format!(" named `{name}`")))
}

fn reuse(maps: &BTreeMap<String, Arc<Map>>) -> impl Iterator<Item = (String, MapChoice)> {
    let choice = |map: &Arc<Map>| MapChoice { reuse: Some(map.clone()), ..MapChoice::default() };
    maps.iter().map(move |(name, map)| (name.clone(), choice(map)))
}

/// `.rodata` and its like: each program has its own.
fn is_section(name: &str) -> bool {
    name.starts_with('.')
}

/// Whether an error of attaching may be the MTU's: then a program for frames of several buffers is worth a try.
pub fn may_be_mtu(error: &Error) -> bool {
    crate::pipeline::may_be_mtu(error)
}

/// A link that outlives the process by its pin.
#[derive(Debug)]
pub struct PinnedLink(OwnedFd);

impl PinnedLink {
    /// `Ok(None)`: nothing is pinned there.
    pub fn open(path: &Path) -> Result<Option<Self>, Error> {
        open(path).map(|fd| fd.map(Self))
    }

    /// Pins a fresh attachment's link; from then on the attachment lives by its pin.
    pub fn pin(mut attachment: Attachment, path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Pin { path: path.into(), source };
        let link = attachment.link().ok_or_else(|| failed(std::io::ErrorKind::Unsupported.into()))?;
        let own = link.try_clone_to_owned().map_err(failed)?;
        pin(link, path)?;
        attachment.keep();
        Ok(Self(own))
    }

    /// Ends the attachment before the call returns (5.9): without its pin a link ends a little later, in a worker's time.
    pub fn detach(&self) -> Result<(), Error> {
        let mut attr = Attr::new(4).fd(0, self.0.as_fd());
        // SAFETY: no addresses.
        unsafe { sys::bpf(Command::LinkDetach, &mut attr) }
            .map(drop)
            .map_err(Error::system("detach the program"))
    }

    /// `ifindex` is 0 when the interface is gone.
    pub fn facts(&self) -> Option<XdpLink> {
        inventory::xdp_link(self.0.as_fd())
    }

    /// Exchanges the program in one step: a frame meets the old one or the new one, and always one.
    pub fn update(&self, program: &Program) -> Result<(), Error> {
        let mut attr = Attr::new(16).fd(0, self.0.as_fd()).fd(4, program.fd());
        // SAFETY: no addresses.
        unsafe { sys::bpf(Command::LinkUpdate, &mut attr) }
            .map(drop)
            .map_err(Error::system("exchange the program"))
    }
}

impl Program {
    /// A program that is pinned; `Ok(None)`: nothing is pinned there.
    pub fn open_pinned(path: &Path) -> Result<Option<Self>, Error> {
        open(path).map(|fd| fd.map(Self::from_fd))
    }
}

impl Program {
    /// Pins it; the path's directory exists.
    pub fn pin_at(&self, path: &Path) -> Result<(), Error> {
        pin(self.fd(), path)
    }
}

impl Map {
    /// A map that is pinned; `Ok(None)`: nothing is pinned there.
    pub fn open_at(path: &Path) -> Result<Option<Self>, Error> {
        let failed = |source| Error::Pin { path: path.into(), source };
        open(path)?.map(|fd| Self::from_fd(fd).map_err(failed)).transpose()
    }

    /// As [`open_at`](Self::open_at), for looking only: what would change the map fails.
    pub fn open_to_read(path: &Path) -> Result<Option<Self>, Error> {
        const BPF_F_RDONLY: u32 = 1 << 3;
        let failed = |source| Error::Pin { path: path.into(), source };
        let name = c_path(path).map_err(failed)?;
        match sys::open_pinned_with(&name, BPF_F_RDONLY) {
            Ok(fd) => Self::from_fd(fd).map(Some).map_err(failed),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(source)),
        }
    }

    /// Pins it; the path's directory exists.
    pub fn pin_at(&self, path: &Path) -> Result<(), Error> {
        pin(self.fd(), path)
    }
}

fn pin(fd: BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
    c_path(path)
        .and_then(|path| sys::pin(fd, &path))
        .map_err(|source| Error::Pin { path: path.into(), source })
}

fn open(path: &Path) -> Result<Option<OwnedFd>, Error> {
    match bpffs::open(path) {
        Ok(fd) => Ok(Some(fd)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Pin { path: path.into(), source }),
    }
}
