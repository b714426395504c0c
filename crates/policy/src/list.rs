//! Files with a prefix a line: `#` begins a comment, empty lines do not count.

use std::ops::Range;

use prefix::{PrefixV4, PrefixV6};

use crate::cidr::{Cidr, CidrError};

/// A line that holds more than a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// From 1.
    pub number: u32,
    /// Where `text` begins in the file.
    pub start: usize,
    /// Without comment and white space around.
    pub text: &'a str,
}

/// The lines that hold something, in order.
pub fn lines(file: &str) -> impl Iterator<Item = Line<'_>> {
    let mut next = 0;
    file.split('\n').zip(1..).filter_map(move |(line, number)| {
        let start = next;
        next += line.len() + 1;
        let before_comment = line.split_once('#').map_or(line, |(text, _)| text);
        let from = before_comment.trim_ascii_start();
        let start = start + before_comment.len() - from.len();
        let text = from.trim_ascii_end();
        (!text.is_empty()).then_some(Line { number, start, text })
    })
}

/// What stands in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elements {
    /// Sorted, without duplicates.
    pub v4: Vec<PrefixV4>,
    pub v6: Vec<PrefixV6>,
    /// The first lines that are no prefix.
    pub broken: Vec<(Range<usize>, CidrError)>,
    /// How many more there are.
    pub more_broken: usize,
}

/// Reads a whole file; `most_broken` broken lines are kept, the rest is counted.
pub fn read(file: &str, most_broken: usize) -> Elements {
    let mut elements = Elements::default();
    for line in lines(file) {
        match line.text.parse() {
            Ok(Cidr::V4(prefix)) => elements.v4.push(prefix),
            Ok(Cidr::V6(prefix)) => elements.v6.push(prefix),
            Err(error) if elements.broken.len() < most_broken => {
                elements.broken.push((line.start..line.start + line.text.len(), error));
            }
            Err(_) => elements.more_broken += 1,
        }
    }
    // Stable: files are mostly sorted, which this kind of sort is quick at.
    elements.v4.sort();
    elements.v4.dedup();
    elements.v6.sort();
    elements.v6.dedup();
    elements
}

/// The line that has exactly this prefix.
pub fn line_of(file: &str, prefix: Cidr) -> Option<Line<'_>> {
    lines(file).find(|line| line.text.parse() == Ok(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "# block list\r\n\r\n192.0.2.0/24 # documentation\r\n\t2001:db8::/32\n10.0.0.0/8\n192.0.2.0/24";

    #[test]
    fn comments_and_empty_lines_do_not_count() {
        let found: Vec<(u32, &str)> = lines(FILE).map(|line| (line.number, line.text)).collect();
        let expected = [(3, "192.0.2.0/24"), (4, "2001:db8::/32"), (5, "10.0.0.0/8"), (6, "192.0.2.0/24")];
        assert_eq!(found, expected);
        assert!(lines(FILE).all(|line| FILE[line.start..].starts_with(line.text)));
    }

    #[test]
    fn elements_are_sorted_and_stand_once() {
        let elements = read(FILE, 1);
        let texts: Vec<String> = elements.v4.iter().map(|prefix| Cidr::V4(*prefix).to_string()).collect();
        assert_eq!(texts, ["10.0.0.0/8", "192.0.2.0/24"]);
        assert_eq!((elements.v6.len(), elements.broken, elements.more_broken), (1, vec![], 0));
    }

    #[test]
    fn broken_lines_are_found_and_counted() {
        let file = "10.0.0.1/8\n10.0.0.0/8\n  nonsense # why\nmore\nagain\n";
        let elements = read(file, 2);
        let broken: Vec<(&str, String)> =
            elements.broken.iter().map(|(at, error)| (&file[at.clone()], error.to_string())).collect();
        assert_eq!(broken[0].0, "10.0.0.1/8");
        assert!(broken[0].1.ends_with("did you mean 10.0.0.0/8?"), "{broken:?}");
        assert_eq!(broken[1].0, "nonsense");
        assert_eq!((broken.len(), elements.more_broken, elements.v4.len()), (2, 2, 1));
    }

    #[test]
    fn an_element_is_found_again() {
        let line = |text: &str| line_of(FILE, text.parse().expect("a prefix")).map(|line| line.number);
        assert_eq!(
            (line("192.0.2.0/24"), line("2001:db8::/32"), line("192.0.2.0/25")),
            (Some(3), Some(4), None)
        );
    }
}
