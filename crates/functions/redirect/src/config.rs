//! The section `[redirect]`.

use std::collections::BTreeMap;

use policy::{Cable, Field, Function, Problems, Section, Shape, Valid, World, Written};

const FIELDS: &[Field] = &[
    Field {
        name: "cables",
        shape: Shape::Cables,
        about: "Pairs of interfaces that are joined: every frame that comes in by one leaves by the other.",
        default: "",
    },
    Field {
        name: "reflect",
        shape: Shape::Choices(&["icmp"]),
        about: "What is answered for this host without the kernel's stack: `icmp` is echo requests, ICMPv6 among them.",
        default: "[]",
    },
    Field {
        name: "on",
        shape: Shape::Interfaces,
        about: "The interfaces on which requests are answered; without it, all that are in no cable.",
        default: "",
    },
];

/// The function in `senko.toml`.
pub struct Redirect;

impl Function for Redirect {
    fn name(&self) -> &'static str {
        "redirect"
    }

    fn about(&self) -> &'static str {
        "Sends frames out of a port instead of up to the kernel."
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn read(
        &self,
        section: &Section<'_>,
        world: &World<'_>,
        problems: &mut Problems,
    ) -> Option<Box<dyn Valid>> {
        let before = problems.errors();
        let cables = section.cables("cables", world, problems);
        let reflect = section.choices("reflect", problems);
        let on = section.interfaces("on", world, problems);
        let ends = ends(&cables, problems);
        for name in on.iter().flatten() {
            if let Some(end) = ends.get(name.text.as_str()) {
                let message = format!("`{}` is in a cable, which leaves nothing to answer", name.text);
                problems
                    .error(name.at, message, Some("take it out of the one or the other".into()))
                    .also(end.at, "in this cable");
            }
        }
        let reflects = reflect.as_ref().is_some_and(|words| !words.is_empty());
        if let (Some(value), Some(false)) = (section.value("on"), reflect.as_ref().map(|_| reflects)) {
            let hint = "add reflect = [\"icmp\"], or remove it";
            problems.warning(value.at, "`on` does nothing without `reflect`", Some(hint.into()));
        }
        let free = world.interfaces.iter().map(|interface| &interface.name);
        let free: Vec<String> = free.filter(|name| !ends.contains_key(name.as_str())).cloned().collect();
        let answering = match on {
            _ if !reflects => Vec::new(),
            Some(names) => names.into_iter().map(|name| name.text).collect(),
            None => free.clone(),
        };
        if problems.errors() > before {
            return None;
        }
        if reflects && answering.is_empty() && !world.interfaces.is_empty() {
            let at = section.value("reflect").map(|value| value.at);
            problems.warning(at, "no interface is left on which requests could be answered", None);
        }
        let cables = cables.into_iter().map(|cable| cable.ends.map(|end| end.text)).collect();
        Some(Box::new(Ways { cables, answering, free }))
    }
}

/// A sound section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    pub cables: Vec<[String; 2]>,
    /// The interfaces on which echo requests are answered.
    pub answering: Vec<String>,
    /// The interfaces that are in no cable, by which answers may leave.
    pub free: Vec<String>,
}

/// The ends of all cables by name; each can be in one.
fn ends<'a>(cables: &'a [Cable], problems: &mut Problems) -> BTreeMap<&'a str, &'a Written> {
    let mut ends: BTreeMap<&str, &Written> = BTreeMap::new();
    for cable in cables {
        let [one, other] = &cable.ends;
        if one.text == other.text {
            let message = format!("this cable joins `{}` to itself", one.text);
            problems.error(cable.at, message, None);
            continue;
        }
        for end in [one, other] {
            if let Some(first) = ends.get(end.text.as_str()) {
                problems
                    .error(end.at, format!("`{}` is in two cables", end.text), None)
                    .also(first.at, "first here");
            } else {
                ends.insert(&end.text, end);
            }
        }
    }
    ends
}
