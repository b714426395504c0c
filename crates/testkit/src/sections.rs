//! Sections of `senko.toml` from text alone, for the tests of functions.

use std::{collections::BTreeMap, sync::Arc};

use policy::{Cidr, Function, Interface, Problem, Problems, Section, Set, Sets, Sources, Span, Valid, World};
use toml::de::DeTable;

/// What sections can refer to.
pub struct Scene {
    pub interfaces: Vec<Interface>,
    pub sets: Sets,
    pub addresses: Vec<std::net::IpAddr>,
}

impl Scene {
    /// # Panics
    /// When an element is no prefix.
    pub fn new(interfaces: &[&str], sets: &[(&str, &[&str])]) -> Self {
        let at = nowhere();
        let interface =
            |(slot, name): (u32, &&str)| Interface { name: (*name).into(), mode: "auto".into(), slot, at };
        let set = |(name, elements): &(&str, &[&str])| {
            let mut prefixes: Vec<Cidr> =
                elements.iter().map(|text| text.parse().unwrap_or_else(|e| panic!("{e}"))).collect();
            prefixes.sort();
            let v4 = prefixes.iter().filter_map(|prefix| match prefix {
                Cidr::V4(prefix) => Some(*prefix),
                Cidr::V6(_) => None,
            });
            let v6 = prefixes.iter().filter_map(|prefix| match prefix {
                Cidr::V6(prefix) => Some(*prefix),
                Cidr::V4(_) => None,
            });
            let set =
                Set { v4: Arc::new(v4.collect()), v6: Arc::new(v6.collect()), file: None, watch: false, at };
            ((*name).into(), set)
        };
        Self {
            interfaces: (0..).zip(interfaces).map(interface).collect(),
            sets: sets.iter().map(set).collect::<BTreeMap<String, Set>>(),
            addresses: Vec::new(),
        }
    }

    pub fn world(&self) -> World<'_> {
        World { interfaces: &self.interfaces, sets: &self.sets, addresses: &self.addresses }
    }

    /// Reads what would stand below `[name]`. Problems are `error 1:9 "text": message; hint`.
    pub fn read(&self, function: &dyn Function, text: &str) -> (Option<Box<dyn Valid>>, Vec<String>) {
        let mut sources = Sources::default();
        let source = sources.add("senko.toml", text.into());
        let (table, errors) = DeTable::parse_recoverable(text);
        assert!(errors.is_empty(), "{text}: {errors:?}");
        let section = Section::new(function.fields(), source, table.get_ref(), 0..0);
        let mut problems = Problems::default();
        section.check_keys(&mut problems);
        let valid = function.read(&section, &self.world(), &mut problems);
        assert!(valid.is_some() || problems.has_errors(), "silently refused: {text}");
        (valid, problems.iter().map(|problem| line(problem, &sources)).collect())
    }
}

/// A problem in one line.
pub fn line(problem: &Problem, sources: &Sources) -> String {
    let place = |span: Span| {
        let (line, column) = sources.line_column(span);
        format!("{line}:{column} `{}`", sources.text(span))
    };
    let mut text = problem.severity.name().to_owned();
    text += &problem.at.map(|at| format!(" {}", place(at))).unwrap_or_default();
    text += &format!(": {}", problem.message);
    text +=
        &problem.also.as_ref().map(|(at, label)| format!(" ({label}: {})", place(*at))).unwrap_or_default();
    text + &problem.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default()
}

fn nowhere() -> Span {
    let source = Sources::default().add("nowhere", String::new());
    Span { source, start: 0, end: 0 }
}
