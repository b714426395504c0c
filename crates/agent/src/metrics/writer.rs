//! The text format: a head for each metric, then a line for each of its series.

use std::fmt::Write as _;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

/// Writes metrics one after the other. One without series is left out.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
    name: String,
    /// Where the metric's head begins, while it has no series.
    empty: Option<usize>,
}

impl Writer {
    /// Begins a metric. `about` is one line of plain words.
    pub fn metric(&mut self, name: &str, kind: Kind, about: &str) {
        self.drop_empty();
        self.name = name.into();
        self.empty = Some(self.text.len());
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = writeln!(self.text, "# HELP {name} {about}\n# TYPE {name} {kind}");
    }

    /// A series of the metric that was begun.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.empty = None;
        self.text += &self.name;
        for (at, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{name}=\"{}\"", if at == 0 { '{' } else { ',' }, Escaped(value));
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    pub fn finish(mut self) -> String {
        self.drop_empty();
        self.text
    }

    fn drop_empty(&mut self) {
        if let Some(begin) = self.empty.take() {
            self.text.truncate(begin);
        }
    }
}

/// A label's value between its quotes.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_stand_before_series_and_values_are_escaped() {
        let mut out = Writer::default();
        out.metric("a_total", Kind::Counter, "As.");
        out.sample(&[], 1_u64);
        out.metric("none", Kind::Gauge, "Nothing.");
        out.metric("b", Kind::Gauge, "Bs.");
        out.sample(&[("x", "a\\b\"c\nd"), ("y", "")], 1.5);
        out.metric("none_either", Kind::Gauge, "Nothing.");
        let text = "# HELP a_total As.\n# TYPE a_total counter\na_total 1\n\
                    # HELP b Bs.\n# TYPE b gauge\nb{x=\"a\\\\b\\\"c\\nd\",y=\"\"} 1.5\n";
        assert_eq!(out.finish(), text);
    }
}
