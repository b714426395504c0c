//! From the rules of a leaf to its cells.

use crate::{
    BoxRule, Cell, Test,
    cell::{Ask, Tuple},
    known::Known,
    walk::word,
};

/// The cells of these rules, in their order, with only the conditions that the path leaves open. None: no rule.
pub fn cells(boxes: &[BoxRule], rules: &[u32], known: &Known) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut last = 0;
    for rule in rules {
        last = cells.len();
        let rule = &boxes[*rule as usize];
        let mut tuple = Tuple::ALL;
        let mut others: Vec<(u8, Test)> = Vec::new();
        for condition in &rule.conditions {
            let is_open = !known.of(condition.word).implies(condition.test);
            if is_open && !take(&mut tuple, condition.word, condition.test) {
                others.push((condition.word, condition.test));
            }
        }
        // What few keys pass comes first.
        others.sort_by_key(|(_, test)| test.size());
        let pairs = others.chunks(2);
        let count = pairs.len();
        cells.extend(pairs.enumerate().map(|(index, pair)| {
            let other = pair.get(1).map_or(Ask::NOTHING, |(word, test)| ask(*word, *test));
            Cell::asks(ask(pair[0].0, pair[0].1), other, (count - index + 1) as u8)
        }));
        cells.push(Cell::rule(tuple, rule.verdict));
    }
    for cell in &mut cells[last..] {
        *cell = cell.last();
    }
    cells
}

fn ask(word: u8, test: Test) -> Ask {
    match test {
        Test::Range { low, high } => Ask { word, mask: u32::MAX, low, span: high - low },
        Test::Bits { mask, value } => Ask { word, mask, low: value, span: 0 },
    }
}

/// Makes the condition one of the tuple; `false`: it cannot be.
fn take(tuple: &mut Tuple, word: u8, test: Test) -> bool {
    if word == word::FLAG {
        let is_zero = test == (Test::Range { low: 0, high: 0 });
        tuple.flagged &= !is_zero;
        return is_zero;
    }
    let Test::Range { low, high } = test else { return false };
    let inside = low ^ high;
    let is_prefix = inside & inside.wrapping_add(1) == 0 && low & inside == 0;
    let (field, most) = match word {
        word::SOURCE | word::DESTINATION => {
            let field = if word == word::SOURCE { &mut tuple.source } else { &mut tuple.destination };
            if is_prefix {
                *field = (low, inside.count_ones());
            }
            return is_prefix;
        }
        word::SOURCE_PORT => (&mut tuple.source_port, Tuple::ALL.source_port.1),
        word::DESTINATION_PORT => (&mut tuple.destination_port, Tuple::ALL.destination_port.1),
        word::PROTOCOL => (&mut tuple.protocol, Tuple::ALL.protocol.1),
        _ => return false,
    };
    *field = (low, high.min(most));
    low <= most
}
