//! From the rules of a leaf to its cells.

use crate::{BoxRule, Cell, Test, known::Known};

/// The cells of these rules, in their order, with only the conditions that the path leaves open.
pub fn cells(boxes: &[BoxRule], rules: &[u32], known: &Known) -> Vec<Cell> {
    let mut cells = Vec::new();
    for rule in rules {
        let rule = &boxes[*rule as usize];
        let mut open: Vec<(u8, Test)> = rule
            .conditions
            .iter()
            .filter(|condition| !known.of(condition.word).implies(condition.test))
            .map(|condition| (condition.word, condition.test))
            .collect();
        // What few keys pass comes first.
        open.sort_by_key(|(_, test)| test.size());
        let count = open.len();
        cells.extend(open.into_iter().enumerate().map(|(index, (word, test))| {
            let skip = (count - index + 1) as u8;
            match test {
                Test::Range { low, high } => Cell::condition(word, u32::MAX, low, high - low, skip),
                Test::Bits { mask, value } => Cell::condition(word, mask, value, 0, skip),
            }
        }));
        cells.push(Cell::verdict(rule.verdict));
    }
    cells.push(Cell::END);
    cells
}
