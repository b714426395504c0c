//! A configuration as lines, for `plan`: what stands in the files, without order, comments and layout.

use std::{collections::BTreeSet, path::Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{config::Files, record::Record};

/// The lines of the configuration's own files, sorted: `firewall.default = "accept"`, `firewall.drop: "@blocklist"`,
/// `interface eth0: mode = "auto"`.
pub fn of(files: &dyn Files, paths: &[impl AsRef<Path>]) -> Vec<String> {
    let mut lines = BTreeSet::new();
    for path in
        paths.iter().map(AsRef::as_ref).filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
    {
        // It was read a moment ago; what cannot be read now has no lines.
        let text = files.read(path).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(table) = text.and_then(|text| text.parse::<Table>().ok()) {
            section("", &table, &mut lines);
        }
    }
    lines.into_iter().collect()
}

fn section(prefix: &str, table: &Table, lines: &mut BTreeSet<String>) {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) if inner.contains_key("file") => {
                lines.insert(format!("{name} = {value}"));
            }
            Value::Table(inner) => {
                if inner.is_empty() {
                    lines.insert(format!("[{name}]"));
                }
                section(&name, inner, lines);
            }
            Value::Array(items) if items.iter().all(Value::is_table) && !items.is_empty() => {
                for item in items.iter().filter_map(Value::as_table) {
                    tables(&name, item, lines);
                }
            }
            Value::Array(items) => {
                lines.extend(items.iter().map(|item| format!("{name}: {item}")));
            }
            _ => {
                lines.insert(format!("{name} = {value}"));
            }
        }
    }
}

/// One of several tables of a name: `[[interface]]`.
fn tables(name: &str, table: &Table, lines: &mut BTreeSet<String>) {
    let own = table.get("name").map_or_else(String::new, |name| match name {
        Value::String(name) => format!(" {name}"),
        other => format!(" {other}"),
    });
    lines.insert(format!("{name}{own}"));
    for (key, value) in table.iter().filter(|(key, _)| *key != "name") {
        lines.insert(format!("{name}{own}: {key} = {value}"));
    }
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// `+`, `-` or `~`.
    pub sign: char,
    pub text: String,
}

/// What is different between two generations, as a user would say it.
pub fn changes(former: Option<&Record>, next: &Record) -> Vec<Change> {
    let none = Vec::new();
    let before = former.map_or(&none, |record| &record.lines);
    let change = |sign, text: &String| Change { sign, text: text.clone() };
    // They are sorted, and may be a hundred thousand.
    let has = |lines: &[String], line: &String| lines.binary_search(line).is_ok();
    let gone = before.iter().filter(|line| !has(&next.lines, line)).map(|line| change('-', line));
    let new = next.lines.iter().filter(|line| !has(before, line)).map(|line| change('+', line));
    let mut changes: Vec<Change> = gone.chain(new).collect();
    for (name, set) in &next.sets {
        match former.and_then(|record| record.sets.get(name)) {
            Some(known) if known != set => {
                let text = if known.elements == set.elements {
                    format!("@{name}: other elements, as many ({})", set.elements)
                } else {
                    format!("@{name}: {} elements, before {}", set.elements, known.elements)
                };
                changes.push(Change { sign: '~', text });
            }
            _ => {}
        }
    }
    for interface in &next.interfaces {
        let known = former.and_then(|record| record.interface(&interface.name));
        if known.is_some_and(|known| known.program != interface.program) && changes.is_empty() {
            changes.push(Change { sign: '~', text: format!("interface {}: its program", interface.name) });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Memory;

    #[test]
    fn lines_say_what_stands_in_the_files() {
        let text = "# c\n[[interface]]\nname = 'eth0'\nmode = 'auto'\n[sets]\na = ['10.0.0.0/8']\nb = { file = 'b.txt' }\n\
                    [firewall]\ndefault = 'drop'\ndrop = ['@a', '192.0.2.1']\n[counter]\n";
        let files = Memory::new([("/etc/senko.toml", text)]);
        let lines = of(&files, &["/etc/senko.toml", "/etc/b.txt"]);
        assert_eq!(
            lines,
            [
                "[counter]",
                "firewall.default = \"drop\"",
                "firewall.drop: \"192.0.2.1\"",
                "firewall.drop: \"@a\"",
                "interface eth0",
                "interface eth0: mode = \"auto\"",
                "sets.a: \"10.0.0.0/8\"",
                "sets.b = { file = \"b.txt\" }",
            ]
        );
    }
}
