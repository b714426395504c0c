//! Output: JSON lines, plain tables, and talk.

use std::{
    fmt::Display,
    io::{self, Write},
    time::{Duration, SystemTime},
};

use serde::Serialize;

/// One JSON object on one line.
pub fn json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// A line on standard error. Unlike `eprintln!` it does not panic when nobody reads it any more (`2>&1 | head`).
pub fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "senko: {text}");
}

/// Columns that are as wide as their widest cell: text to the left, numbers to the right.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(|cell| (*cell).into()).collect()] }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell =
            |row: &'_ Vec<String>, column: usize| row.get(column).map_or("", String::as_str).to_owned();
        let width = |column| self.rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0);
        let is_number = |column| {
            let mut cells = self.rows.iter().skip(1).map(|row| cell(row, column)).filter(|c| !c.is_empty());
            cells.all(|c| c.starts_with(|c: char| c.is_ascii_digit()) && !c.contains([':', '/']))
        };
        let layout: Vec<(usize, bool)> =
            (0..columns).map(|column| (width(column), is_number(column))).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (width, number)) in layout.iter().enumerate() {
                let text = cell(row, column);
                let padding = " ".repeat(width - text.chars().count());
                line += &if *number { padding + &text } else { text + &padding };
                line += "  ";
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A number with a unit's prefix, as people read rates: 1234567 is `1.23 M`.
pub fn scaled(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.2} G", v / 1e9),
        v if v >= 1e6 => format!("{:.2} M", v / 1e6),
        v if v >= 1e4 => format!("{:.1} k", v / 1e3),
        v => format!("{v:.0}"),
    }
}

/// A time that has passed, in the two largest units that matter.
pub fn ago(unix_seconds: f64) -> String {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(unix_seconds.max(0.0));
    let seconds = SystemTime::now().duration_since(then).unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min {} s ago", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min ago", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h ago", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right() {
        let mut table = Table::new(&["protocol", "packets"]);
        table.row(vec!["tcp".into(), "7".into()]);
        table.row(vec!["icmpv6".into(), "12345".into()]);
        let mut out = Vec::new();
        table.write(&mut out).expect("memory");
        assert_eq!(
            String::from_utf8_lossy(&out),
            "protocol  packets\ntcp             7\nicmpv6      12345\n"
        );
    }
}
