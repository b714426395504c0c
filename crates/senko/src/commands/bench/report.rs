//! The table: what was measured, beside what, and whether it is as good as it must be.

use std::io::{self, Write};

use serde::Serialize;

use crate::render::{Table, json_line};

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub name: String,
    /// Nanoseconds a packet; of rows about something else, in their `unit`.
    pub value: f64,
    pub unit: &'static str,
    /// What it is compared with, measured in the same run.
    pub beside: Option<Beside>,
    /// What it must be, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bar: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Beside {
    pub name: &'static str,
    pub value: f64,
    /// The figure over it.
    pub ratio: f64,
}

impl Row {
    /// A program against the bare floor; `most` is how many ns over it may be.
    pub fn over_floor(name: String, ns: f64, floor: f64, most: Option<f64>) -> Self {
        Self {
            name,
            value: ns,
            unit: "ns",
            beside: Some(Beside { name: "floor", value: floor, ratio: ns / floor }),
            bar: most.map(|most| format!("≤ floor + {most:.0} ns")),
            // The bar is in whole nanoseconds.
            holds: most.map(|most| (ns - floor).round() <= most),
        }
    }

    /// A figure beside another, and how many times the other it may be.
    pub fn ratio(name: &str, ns: f64, beside: &'static str, other: f64, most: Option<(f64, &str)>) -> Self {
        Self::paired(name, ns, beside, other, ns / other, most)
    }

    /// As [`Row::ratio`], with a ratio that was taken round by round.
    pub fn paired(
        name: &str,
        ns: f64,
        beside: &'static str,
        other: f64,
        ratio: f64,
        most: Option<(f64, &str)>,
    ) -> Self {
        Self {
            name: name.into(),
            value: ns,
            unit: "ns",
            beside: Some(Beside { name: beside, value: other, ratio }),
            bar: most.map(|(_, words)| words.into()),
            holds: most.map(|(most, _)| ratio <= most),
        }
    }

    /// A figure that may be at most `most`.
    pub fn at_most(name: &str, value: f64, unit: &'static str, most: f64) -> Self {
        let bar = Some(format!("≤ {most:.0} {unit}"));
        Self { name: name.into(), value, unit, beside: None, bar, holds: Some(value <= most) }
    }

    /// A figure that has no bar.
    pub fn measured(name: &str, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, beside: None, bar: None, holds: None }
    }

    fn compared(&self) -> String {
        match &self.beside {
            Some(Beside { name: "floor", value, ratio }) => {
                format!("floor {value:.1}: {:+.1} ns, {ratio:.2}x", self.value - value)
            }
            Some(Beside { name, value, ratio }) => format!("{name} {value:.1}: {ratio:.3}x"),
            None => String::new(),
        }
    }

    fn verdict(&self) -> &'static str {
        match self.holds {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        }
    }
}

/// The rows, shown on standard error as they come.
#[derive(Debug)]
pub struct Report {
    rows: Vec<Row>,
    only: Vec<String>,
}

impl Report {
    pub fn new(only: Vec<String>) -> Self {
        Self { rows: Vec::new(), only }
    }

    /// Whether a row of this name is asked for; the dear ones ask first.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only))
    }

    pub fn push(&mut self, row: Row) {
        if self.wants(&row.name) {
            eprintln!("senko: {}: {:.1} {} ({})", row.name, row.value, row.unit, row.compared());
            self.rows.push(row);
        }
    }

    /// Whether a row misses its bar.
    pub fn misses(&self) -> bool {
        self.rows.iter().any(|row| row.holds == Some(false))
    }

    pub fn write(&self, out: &mut impl Write, markdown: bool, json: bool) -> io::Result<()> {
        if json {
            return self.rows.iter().try_for_each(|row| json_line(out, row));
        }
        let cells = |row: &Row| {
            let bar = row.bar.clone().unwrap_or_default();
            vec![
                row.name.clone(),
                format!("{:.1} {}", row.value, row.unit),
                row.compared(),
                bar,
                row.verdict().into(),
            ]
        };
        let header = ["row", "figure", "beside it, same run", "bar", "holds"];
        if markdown {
            writeln!(out, "| {} |\n|{}", header.join(" | "), " --- |".repeat(header.len()))?;
            return self.rows.iter().try_for_each(|row| writeln!(out, "| {} |", cells(row).join(" | ")));
        }
        let mut table = Table::new(&header);
        for row in &self.rows {
            table.row(cells(row));
        }
        table.write(out)
    }
}
