//! From what is live and what is wanted to the steps between: data that is printed, counted and executed. Pure.

use std::collections::BTreeMap;

use abi::Direction;
use policy::Contents;

use crate::{
    desired::{Desired, Program},
    record::Record,
};

/// One step. Paths and names are of the generation that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A directory for the generation's pins.
    MakeDirectory,
    /// Opens the maps that the live generation's programs use too.
    Share {
        maps: Vec<String>,
    },
    /// Makes all other maps.
    CreateMaps {
        sizes: BTreeMap<String, u32>,
    },
    Fill {
        map: String,
    },
    PinMap {
        map: String,
    },
    /// Elements of a shared map that begin at zero.
    Zero {
        map: String,
        elements: Vec<u32>,
    },
    Load {
        interface: String,
    },
    /// Loads the program that remembers what interfaces send, or that marks what comes in, and pins it.
    LoadClassifier {
        direction: Direction,
    },
    /// What an interface sends is remembered from here on, before a program asks for it; what comes in is marked as soon as a
    /// program says so.
    AttachClassifier {
        direction: Direction,
        interface: String,
    },
    /// An interface without a program of ours gets one.
    Attach {
        interface: String,
    },
    PinProgram {
        interface: String,
    },
    WriteRecord,
    /// From here on the new generation is the one that is to be live; a killed process's successor goes on from here.
    Commit,
    SwitchClassifier {
        direction: Direction,
        interface: String,
    },
    /// A frame meets the old program or the new one, and always one.
    Switch {
        interface: String,
    },
    ReadBack,
    /// An interface that is not in the configuration any more.
    Detach {
        interface: String,
    },
    /// What an interface sends is not remembered any more, or what comes in not marked.
    DetachClassifier {
        direction: Direction,
        interface: String,
    },
    /// The pins of the former generation.
    Retire {
        generation: u64,
    },
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub from: Option<u64>,
    pub generation: u64,
    pub steps: Vec<Step>,
}

/// Changes in tables that fit before one must be built anew; about a megabyte each.
pub const HEADROOM: u32 = 1024;

/// Which of the interfaces exist, which have a link of this gateway's already, and which a program beside it; by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Present {
    pub exists: Vec<String>,
    pub linked: Vec<String>,
    pub classified: Vec<(Direction, String)>,
}

/// Plans the way from the live generation to a new one.
pub fn plan(live: Option<&Record>, desired: &Desired, sizes: &MapSizes, present: &Present) -> Plan {
    let generation = live.map_or(1, |record| record.generation + 1);
    let mut steps = vec![Step::MakeDirectory];
    let (mut shared, mut create, mut fill, mut zero) = (Vec::new(), BTreeMap::new(), Vec::new(), Vec::new());
    for (name, contents) in &desired.maps {
        let keep = live.is_some_and(|record| record.maps.get(name) == desired.digests.get(name));
        if let Contents::Carried { zero: elements, .. } = contents
            && keep
            && !elements.is_empty()
        {
            zero.push(Step::Zero { map: name.clone(), elements: elements.clone() });
        }
        if keep {
            shared.push(name.clone());
            shared.extend(sizes.companion(contents).map(Into::into));
        } else {
            create.extend(sizes.of(name, contents));
            fill.push(name.clone());
        }
    }
    if !shared.is_empty() {
        steps.push(Step::Share { maps: shared });
    }
    steps.push(Step::CreateMaps { sizes: create });
    steps.extend(fill.into_iter().map(|map| Step::Fill { map }));
    steps.extend(sizes.names.iter().map(|map| Step::PinMap { map: map.clone() }));
    steps.extend(zero);
    for program in &desired.programs {
        steps.push(Step::Load { interface: program.interface.clone() });
    }
    let needs = |direction: Direction, interface: &String| {
        let is_it = |program: &&Program| program.interface == *interface;
        desired.programs.iter().find(is_it).is_some_and(|program| program.knob.needs(direction))
    };
    for direction in Direction::ALL {
        if desired.programs.iter().any(|program| program.knob.needs(direction)) {
            steps.push(Step::LoadClassifier { direction });
        }
    }
    let exists = |interface: &String| present.exists.contains(interface);
    let classified = |direction: Direction, interface: &String| {
        present.classified.iter().any(|(known, name)| *known == direction && name == interface)
    };
    let linked = |interface: &String| present.linked.contains(interface);
    let interfaces = || desired.programs.iter().map(|program| &program.interface);
    // Whether it has one already.
    let classifiers = |has: bool| {
        let of = move |direction| interfaces().map(move |interface| (direction, interface));
        Direction::ALL.into_iter().flat_map(of).filter(move |(direction, name)| {
            exists(name) && needs(*direction, name) && classified(*direction, name) == has
        })
    };
    steps.extend(
        classifiers(false)
            .map(|(direction, interface)| Step::AttachClassifier { direction, interface: interface.clone() }),
    );
    for interface in interfaces().filter(|name| exists(name) && !linked(name)) {
        steps.push(Step::Attach { interface: interface.clone() });
    }
    steps.extend(interfaces().map(|interface| Step::PinProgram { interface: interface.clone() }));
    steps.extend([Step::WriteRecord, Step::Commit]);
    steps.extend(
        classifiers(true)
            .map(|(direction, interface)| Step::SwitchClassifier { direction, interface: interface.clone() }),
    );
    for interface in interfaces().filter(|name| exists(name) && linked(name)) {
        steps.push(Step::Switch { interface: interface.clone() });
    }
    steps.push(Step::ReadBack);
    for former in live.iter().flat_map(|record| &record.interfaces) {
        if !interfaces().any(|name| *name == former.name) {
            steps.push(Step::Detach { interface: former.name.clone() });
        }
    }
    // Only now does no program need it any more.
    for (direction, interface) in
        present.classified.iter().filter(|(direction, name)| !needs(*direction, name))
    {
        steps.push(Step::DetachClassifier { direction: *direction, interface: interface.clone() });
    }
    if let Some(record) = live {
        steps.push(Step::Retire { generation: record.generation });
    }
    Plan { from: live.map(|record| record.generation), generation, steps }
}

/// What maps there are, and how large they become.
#[derive(Debug, Clone)]
pub struct MapSizes {
    /// All maps of the data path.
    pub names: Vec<String>,
}

impl MapSizes {
    /// Entries of the map, and of the one that belongs to it.
    pub fn of(&self, name: &str, contents: &Contents) -> Vec<(String, u32)> {
        use policy::PrefixTable::{V4, V6};
        match contents {
            Contents::Prefixes(table) => {
                // The reader has checked the lists.
                let sizes = match table {
                    V4 { list, .. } => prefix::Sizes::of(list),
                    V6 { list, .. } => prefix::Sizes::of(list),
                };
                let sizes = sizes.unwrap_or(prefix::Sizes { nodes: 256, lines: 0 }).with_headroom(HEADROOM);
                let lines = match table {
                    V4 { lines, .. } | V6 { lines, .. } => *lines,
                };
                vec![(name.into(), sizes.nodes), (lines.into(), sizes.lines)]
            }
            Contents::Entries { max_entries, .. }
            | Contents::Ports { max_entries, .. }
            | Contents::PortsByIndex { max_entries, .. }
            | Contents::Carried { max_entries, .. } => vec![(name.into(), *max_entries)],
            Contents::Random { .. } => vec![(name.into(), 1)],
            Contents::Array { element, bytes } => vec![(name.into(), (bytes.len() / element) as u32)],
        }
    }

    fn companion(&self, contents: &Contents) -> Option<&'static str> {
        use policy::PrefixTable::{V4, V6};
        match contents {
            Contents::Prefixes(V4 { lines, .. } | V6 { lines, .. }) => Some(lines),
            _ => None,
        }
    }
}

/// Whether what is wanted is live already.
pub fn is_live(record: &Record, desired: &Desired) -> bool {
    let programs = record.interfaces.len() == desired.programs.len()
        && record.interfaces.iter().zip(&desired.programs).all(|(recorded, wanted)| {
            recorded.name == wanted.interface
                && recorded.mode == wanted.mode.name()
                && recorded.program == wanted.digest()
        });
    programs && record.maps == desired.digests
}
