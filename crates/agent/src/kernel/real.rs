//! The kernel.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use abi::Direction;
use engine::{Map, Mode, classifier, data_path, data_path::PinnedLink};
use policy::{Contents, PrefixTable};
use prefix::{LineV4, LineV6, Node, TableV4, TableV6};

use super::{Attached, ClassifierFacts, HostTable, Kernel, LinkFacts, Maps};
use crate::{
    desired::Program,
    error::Error,
    place::{Place, make_directory},
};

/// A gateway's part of the kernel.
pub struct Real {
    pins: PathBuf,
    run: PathBuf,
    /// Operations that this process may still do before it kills itself; tests ask for it.
    lives: Option<u32>,
}

/// The directory of the links' pins.
const LINKS: &str = "links";

/// The variable that says after how many operations a process kills itself as `kill -9` would.
const KILL_AFTER: &str = "SENKO_TEST_KILL_AFTER";

impl Real {
    pub fn new(place: &Place) -> Result<Self, Error> {
        make_directory(&place.run)?;
        engine::bpffs::expect_bpffs(&place.pins)?;
        make_directory(&place.pins)?;
        let lives = std::env::var(KILL_AFTER).ok().and_then(|number| number.parse().ok());
        Ok(Self { pins: place.pins.clone(), run: place.run.clone(), lives })
    }

    /// Something is about to be changed.
    fn operation(&mut self) {
        match &mut self.lives {
            Some(0) => {
                let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
            }
            Some(lives) => *lives -= 1,
            None => {}
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.pins.clone() } else { self.pins.join(path) }
    }
}

fn ifindex(interface: &str) -> Result<Option<u32>, Error> {
    match engine::ifindex(interface) {
        Ok(ifindex) => Ok(Some(ifindex)),
        Err(engine::Error::NoInterface(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes what a map is to hold. Of a prefix table, what later changes need.
pub fn fill(
    maps: &BTreeMap<String, Arc<Map>>,
    name: &str,
    contents: &Contents,
) -> Result<Option<HostTable>, Error> {
    let map = &maps[name];
    match contents {
        Contents::Prefixes(table) => return Ok(Some(build(maps, name, table)?)),
        Contents::Entries { entries, .. } => {
            for (key, value) in entries {
                map.set_raw(key, value)?;
            }
        }
        Contents::Ports { ports, .. } => {
            for (key, interface) in ports {
                if let Some(ifindex) = ifindex(interface)? {
                    enter(map, key, ifindex)?;
                }
            }
        }
        Contents::PortsByIndex { names, .. } => {
            for interface in names {
                if let Some(ifindex) = ifindex(interface)? {
                    enter(map, &ifindex.to_ne_bytes(), ifindex)?;
                }
            }
        }
        Contents::Array { bytes, .. } => map.write_elements(bytes)?,
        Contents::Random { bytes } => {
            let mut drawn = vec![0; *bytes];
            fs::File::open("/dev/urandom")
                .and_then(|mut source| source.read_exact(&mut drawn))
                .map_err(Error::io("read /dev/urandom"))?;
            map.set_raw(&0_u32.to_ne_bytes(), &drawn)?;
        }
        Contents::Carried { .. } => {}
    }
    Ok(None)
}

impl Kernel for Real {
    type Map = Arc<Map>;
    type Program = engine::Program;
    type Link = PinnedLinkOrFresh;
    type Table = HostTable;

    fn create_maps(
        &mut self,
        sizes: &BTreeMap<String, u32>,
        shared: &Maps<Self>,
    ) -> Result<Maps<Self>, Error> {
        self.operation();
        Ok(data_path::create_maps(sizes, shared)?)
    }

    fn fill(
        &mut self,
        maps: &Maps<Self>,
        name: &str,
        contents: &Contents,
    ) -> Result<Option<HostTable>, Error> {
        self.operation();
        fill(maps, name, contents)
    }

    fn adopt(&mut self, maps: &Maps<Self>, name: &str, contents: &Contents) -> Result<HostTable, Error> {
        let Contents::Prefixes(table) = contents else {
            return Err(Error::Refused(format!("map {name} is no prefix table")));
        };
        let unsound = |error: prefix::AdoptError| Error::Refused(format!("the table {name}: {error}"));
        let nodes = maps[name].mapped::<Node>()?;
        Ok(match table {
            PrefixTable::V4 { lines, list } => {
                HostTable::V4(TableV4::adopt(list, nodes, maps[*lines].mapped::<LineV4>()?).map_err(unsound)?)
            }
            PrefixTable::V6 { lines, list } => {
                HostTable::V6(TableV6::adopt(list, nodes, maps[*lines].mapped::<LineV6>()?).map_err(unsound)?)
            }
        })
    }

    fn zero(&mut self, map: &Arc<Map>, elements: &[u32]) -> Result<(), Error> {
        self.operation();
        let size = map.spec().value_size.next_multiple_of(8) as usize * engine::possible_cpus();
        for element in elements {
            map.set_raw(&element.to_ne_bytes(), &vec![0; size])?;
        }
        Ok(())
    }

    fn load(&mut self, program: &Program, frags: bool, maps: &Maps<Self>) -> Result<engine::Program, Error> {
        self.operation();
        Ok(data_path::load_program(program.globals(frags), frags, maps)?)
    }

    fn program_id(&self, program: &engine::Program) -> Result<u32, Error> {
        Ok(program.id()?)
    }

    fn attach(
        &mut self,
        program: &Program,
        loaded: &mut engine::Program,
        maps: &Maps<Self>,
    ) -> Result<Attached<Self::Link>, Error> {
        self.operation();
        let interface = &program.interface;
        let done = |attachment: engine::Attachment, frags| Attached {
            mode: attachment.mode,
            fallback: attachment.fallback.clone(),
            link: PinnedLinkOrFresh::Fresh(attachment),
            frags,
        };
        if matches!(program.mode, Mode::Auto | Mode::Native) {
            match engine::attach(loaded, interface, Mode::Native) {
                Ok(attachment) => return Ok(done(attachment, loaded.has_frags())),
                Err(error) if data_path::may_be_mtu(&error) => {
                    if let Ok(frags) = self.load(program, true, maps)
                        && let Ok(attachment) = engine::attach(&frags, interface, Mode::Native)
                    {
                        *loaded = frags;
                        return Ok(done(attachment, true));
                    }
                }
                Err(error) if program.mode == Mode::Native => return Err(error.into()),
                Err(_) => {}
            }
        }
        Ok(done(engine::attach(loaded, interface, program.mode)?, loaded.has_frags()))
    }

    fn switch(&mut self, link: &Self::Link, program: &engine::Program) -> Result<(), Error> {
        self.operation();
        match link {
            PinnedLinkOrFresh::Pinned(link) => Ok(link.update(program)?),
            PinnedLinkOrFresh::Fresh(attachment) => Ok(attachment.replace(program)?),
        }
    }

    fn link_facts(&self, link: &Self::Link) -> Option<LinkFacts> {
        let facts = match link {
            PinnedLinkOrFresh::Pinned(link) => link.facts(),
            PinnedLinkOrFresh::Fresh(attachment) => engine::inventory::xdp_link(attachment.link()?),
        }?;
        Some(LinkFacts { id: facts.id, ifindex: facts.ifindex, program_id: facts.program_id })
    }

    fn load_classifier(
        &mut self,
        program: &Program,
        direction: Direction,
        maps: &Maps<Self>,
    ) -> Result<engine::Program, Error> {
        self.operation();
        Ok(data_path::load_classifier(direction, program.globals(false), maps)?)
    }

    fn attach_classifier(
        &mut self,
        program: &engine::Program,
        direction: Direction,
        ifindex: u32,
        path: &str,
    ) -> Result<(), Error> {
        self.operation();
        Ok(classifier::attach(program, direction, ifindex, &self.path(path))?)
    }

    fn switch_classifier(
        &mut self,
        path: &str,
        direction: Direction,
        program: &engine::Program,
    ) -> Result<(), Error> {
        self.operation();
        Ok(classifier::replace(program, direction, &self.path(path))?)
    }

    fn classifier_facts(&mut self, direction: Direction, path: &str) -> Option<ClassifierFacts> {
        classifier::facts(direction, &self.path(path))
    }

    fn ifindex(&mut self, interface: &str) -> Result<Option<u32>, Error> {
        ifindex(interface)
    }

    fn pin_map(&mut self, map: &Arc<Map>, path: &str) -> Result<(), Error> {
        self.operation();
        Ok(map.pin_at(&self.path(path))?)
    }

    fn pin_program(&mut self, program: &engine::Program, path: &str) -> Result<(), Error> {
        self.operation();
        Ok(program.pin_at(&self.path(path))?)
    }

    fn pin_link(&mut self, link: Self::Link, path: &str) -> Result<Self::Link, Error> {
        self.operation();
        match link {
            PinnedLinkOrFresh::Fresh(attachment) => {
                Ok(PinnedLinkOrFresh::Pinned(PinnedLink::pin(attachment, &self.path(path))?))
            }
            pinned @ PinnedLinkOrFresh::Pinned(_) => Ok(pinned),
        }
    }

    fn open_map(&mut self, path: &str) -> Result<Option<Arc<Map>>, Error> {
        Ok(Map::open_at(&self.path(path))?.map(Arc::new))
    }

    fn open_program(&mut self, path: &str) -> Result<Option<engine::Program>, Error> {
        Ok(engine::Program::open_pinned(&self.path(path))?)
    }

    fn open_link(&mut self, path: &str) -> Result<Option<Self::Link>, Error> {
        Ok(PinnedLink::open(&self.path(path))?.map(PinnedLinkOrFresh::Pinned))
    }

    fn make_directory(&mut self, path: &str) -> Result<(), Error> {
        self.operation();
        make_directory(&self.path(path))
    }

    fn list(&mut self, path: &str) -> Result<Vec<String>, Error> {
        let path = self.path(path);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io(format!("look into {}", path.display()))(error)),
        };
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn remove(&mut self, path: &str) -> Result<(), Error> {
        self.operation();
        let has_links = path == LINKS || path.starts_with("links/");
        let first = path.split('/').next();
        let classifies = Direction::ALL.into_iter().find(|direction| first == Some(direction.name()));
        let path = self.path(path);
        if has_links {
            end_links(&path);
        }
        if let Some(direction) = classifies {
            end_classifiers(direction, &path)?;
        }
        remove(&path).map_err(Error::io(format!("remove {}", path.display())))
    }

    fn point(&mut self, name: &str, target: &str) -> Result<(), Error> {
        self.operation();
        if self.pointed(name)?.as_deref() == Some(target) {
            return Ok(());
        }
        let (path, fresh) = (self.path(name), self.path(&format!("{name}-new")));
        let done =
            remove(&fresh).and_then(|()| symlink(target, &fresh)).and_then(|()| fs::rename(&fresh, &path));
        done.map_err(Error::io(format!("let {} point to {target}", path.display())))
    }

    fn pointed(&mut self, name: &str) -> Result<Option<String>, Error> {
        let path = self.path(name);
        match fs::read_link(&path) {
            Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format!("read {}", path.display()))(error)),
        }
    }

    fn write_file(&mut self, name: &str, contents: &[u8]) -> Result<(), Error> {
        self.operation();
        write_whole(&self.run.join(name), contents)
    }

    fn read_file(&mut self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.run.join(name);
        match fs::read(&path) {
            Ok(contents) => Ok(Some(contents)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format!("read {}", path.display()))(error)),
        }
    }

    fn remove_file(&mut self, name: &str) -> Result<(), Error> {
        self.operation();
        let path = self.run.join(name);
        remove(&path).map_err(Error::io(format!("remove {}", path.display())))
    }
}

/// A link by its pin, or one that ends with this process.
pub enum PinnedLinkOrFresh {
    Pinned(PinnedLink),
    Fresh(engine::Attachment),
}

/// Writes a file beside its place and moves it there, so that a reader, or a successor, finds the old one or the new one. It is
/// not waited for until it is on a disk: all that stands below /run is about maps in the kernel, and both end with this boot.
/// Where /run is on a disk, that wait was nearly all of a live edit's time (8 ms for each of three files).
pub fn write_whole(path: &Path, contents: &[u8]) -> Result<(), Error> {
    use std::io::Write as _;
    let fresh = path.with_extension("new");
    let done = fs::File::create(&fresh)
        .and_then(|mut file| file.write_all(contents))
        .and_then(|()| fs::rename(&fresh, path));
    done.map_err(|error| {
        // What could not be written whole is not left half.
        let _ = fs::remove_file(&fresh);
        Error::io(format!("write {}", path.display()))(error)
    })
}

/// A port of a devmap: `struct bpf_devmap_val` begins with the interface's index. One that is not there yet is entered when
/// it comes.
fn enter(map: &Map, key: &[u8], ifindex: u32) -> Result<(), Error> {
    let mut value = vec![0; map.spec().value_size as usize];
    value[..4].copy_from_slice(&ifindex.to_ne_bytes());
    Ok(map.set_raw(key, &value)?)
}

/// Ends the attachment of a link's pin, or of all in a directory, so that whoever has taken links away finds their interfaces
/// without a program. A kernel that cannot is a moment late.
fn end_links(path: &Path) {
    if let Ok(entries) = fs::read_dir(path) {
        entries.flatten().for_each(|entry| end_links(&entry.path()));
    } else if let Ok(Some(link)) = PinnedLink::open(path) {
        let _ = link.detach();
    }
}

/// As [`end_links`], of the programs beside XDP's.
fn end_classifiers(direction: Direction, path: &Path) -> Result<(), Error> {
    let Ok(entries) = fs::read_dir(path) else { return Ok(classifier::detach(direction, path)?) };
    for entry in entries.flatten() {
        // Names that are no numbers belong to one that is.
        if entry.file_name().to_string_lossy().parse::<u32>().is_ok() {
            classifier::detach(direction, &entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(facts) if facts.is_dir() => {
            for entry in fs::read_dir(path)? {
                remove(&entry?.path())?;
            }
            fs::remove_dir(path)
        }
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn build(maps: &Maps<Real>, name: &str, table: &PrefixTable) -> Result<HostTable, Error> {
    let failed = |error: prefix::BuildError| Error::Refused(format!("the table {name}: {error}"));
    let nodes = maps[name].mapped::<Node>()?;
    Ok(match table {
        PrefixTable::V4 { lines, list } => {
            HostTable::V4(TableV4::build(list, nodes, maps[*lines].mapped::<LineV4>()?).map_err(failed)?)
        }
        PrefixTable::V6 { lines, list } => {
            HostTable::V6(TableV6::build(list, nodes, maps[*lines].mapped::<LineV6>()?).map_err(failed)?)
        }
    })
}
