//! The section `[counter]`.

use policy::{Field, Function, Problems, Section, Shape, Valid, World};

const FIELDS: &[Field] = &[
    Field {
        name: "per",
        shape: Shape::Choices(&["protocol", "interface"]),
        about: "What is told apart.",
        default: "[\"protocol\", \"interface\"]",
    },
    Field {
        name: "icmp_types",
        shape: Shape::Bool,
        about: "Whether ICMP and ICMPv6 are also counted by type.",
        default: "false",
    },
];

/// The function in `senko.toml`.
pub struct Counter;

impl Function for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn about(&self) -> &'static str {
        "Counts packets and bytes."
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn read(
        &self,
        section: &Section<'_>,
        _world: &World<'_>,
        problems: &mut Problems,
    ) -> Option<Box<dyn Valid>> {
        let per = section.choices("per", problems);
        let icmp_types = section.bool("icmp_types", problems);
        let per = per?;
        if per.is_empty() {
            let at = section.value("per").map(|value| value.at);
            let hint = "name \"protocol\", \"interface\" or both; to count nothing, remove [counter]";
            problems.error(at, "`per` is empty, so there is nothing to count by", Some(hint.into()));
            return None;
        }
        let has = |name| per.iter().any(|word| word.word == name);
        let counting = Counting {
            per_protocol: has("protocol"),
            per_interface: has("interface"),
            icmp_types: icmp_types?,
        };
        Some(Box::new(counting))
    }
}

/// A sound section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counting {
    pub per_protocol: bool,
    pub per_interface: bool,
    pub icmp_types: bool,
}
