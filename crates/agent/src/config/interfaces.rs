//! `[[interface]]`.

use policy::{Field, Interface, Problems, Section, Shape, SourceId, Value, Written, words::shown};
use toml::de::DeValue;

/// The keys of `[[interface]]`.
pub const FIELDS: &[Field] = &[
    Field {
        name: "name",
        shape: Shape::Text,
        about: "The interface's name, as `ip link` shows it.",
        default: "",
    },
    Field {
        name: "mode",
        shape: Shape::Choice(&["auto|unspecified", "native|drv", "generic|skb", "offload|hw"]),
        about: "How the program is attached: `auto` is native where the driver can, else generic.",
        default: "\"auto\"",
    },
];

/// The longest name that the kernel gives an interface (`IFNAMSIZ` less its final zero).
const LONGEST_NAME: usize = 15;

pub fn read(tables: &[(Value<'_>, SourceId)], problems: &mut Problems) -> Vec<Interface> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for (value, source) in tables {
        let DeValue::Table(table) = value.value else { continue };
        let section = Section::new(FIELDS, *source, table, value.at.start..value.at.end);
        section.check_keys(problems);
        let mode = section.choice("mode", problems);
        let name = section.text("name", problems);
        if section.value("name").is_none() {
            let hint = "add the name that `ip link` shows: name = \"eth0\"";
            problems.error(value.at, "this interface has no `name`", Some(hint.into()));
        }
        let (Some(Written { text: name, at }), Some(mode)) = (name, mode) else { continue };
        if let Some(wrong) = wrong_name(&name) {
            problems.error(at, format!("`{}` is no name of an interface: {wrong}", shown(&name)), None);
        } else if let Some(first) = interfaces.iter().find(|interface| interface.name == name) {
            let first = first.at;
            problems
                .error(at, format!("`{name}` is there twice"), Some("remove one of the two".into()))
                .also(first, "first here");
        } else {
            let slot = interfaces.len() as u32;
            if slot == abi::interface::MAX {
                let most = abi::interface::MAX;
                problems.error(at, format!("this is one interface more than the {most} there can be"), None);
            }
            interfaces.push(Interface { name, mode: mode.word.into(), slot, at });
        }
    }
    interfaces
}

/// The rules of `dev_valid_name` in the kernel's `net/core/dev.c`.
fn wrong_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > LONGEST_NAME {
        Some("the kernel's have 15 bytes at most")
    } else if name.contains(|c: char| c == '/' || c == ':' || c.is_ascii_whitespace() || c.is_control())
        || matches!(name, "." | "..")
    {
        Some("the kernel's have no `/`, no `:` and no white space")
    } else {
        None
    }
}
