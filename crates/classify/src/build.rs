//! From boxes to a tree.

use std::collections::HashMap;

use crate::{
    Bounds, BoxRule, Cell, Slot,
    cut::{self, Children, Cut},
    known::Known,
    leaf,
    slot::MOST_SLOTS,
    walk::{MOST_CELLS, MOST_CELLS_OF_EACH, MOST_STEPS},
};

/// Rules that are not cut any more, of a list so short that all of it is in the nearest cache.
const LEAF_RULES: usize = 4;
const SHORT: usize = 64;

/// And of longer ones: to compare a packet costs less than a step into memory that is in no cache.
const LEAF_RULES_OF_MANY: usize = 10;

/// Rules of a leaf that are worth any memory to cut.
const MANY_RULES: usize = 16;

/// What is being built: all trees share the arrays.
#[derive(Debug, Default)]
pub struct Builder {
    pub slots: Vec<Slot>,
    pub cells: Vec<Cell>,
    leaves: HashMap<Vec<Cell>, u32>,
    groups: HashMap<Vec<Slot>, u32>,
    /// How far a walk can go in what was built.
    pub bounds: Bounds,
    /// A rule in some leaf asks for more than the five-tuple.
    asks_more: bool,
    /// Memory is not to be more than that.
    most_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildError {
    /// So many rules apply in one place that a packet would have to be compared with all of them: those that overlap there,
    /// by their order.
    Overlap {
        rules: usize,
        first: u32,
        last: u32,
    },
    TooLarge,
}

impl Builder {
    /// With room for the roots.
    pub fn new(roots: u32, most_bytes: usize) -> Self {
        Self {
            slots: vec![Slot::EMPTY; roots as usize],
            cells: vec![Cell::NOTHING],
            most_bytes,
            ..Self::default()
        }
    }

    /// Builds the tree of these boxes, which are in order. `first_only`: what stands behind a rule that matches does not
    /// matter.
    pub fn tree(&mut self, boxes: &[BoxRule], rules: Vec<u32>, first_only: bool) -> Result<Slot, BuildError> {
        let leaf_rules = if boxes.len() > SHORT { LEAF_RULES_OF_MANY } else { LEAF_RULES };
        Tree { builder: self, boxes, first_only, leaf_rules }.node(rules, &Known::NOTHING, 0)
    }

    /// Builds these trees, of which the first match counts, at the roots from `root` on. `true`: their steps are by the
    /// five-tuple, which they may be, and they ask for nothing else.
    pub fn trees(
        &mut self,
        boxes: &[BoxRule],
        trees: Vec<Vec<u32>>,
        root: u32,
        may_be_by_five: bool,
    ) -> Result<bool, BuildError> {
        // Slots are their own, so that they can become others.
        self.groups.clear();
        self.asks_more = false;
        let from = self.slots.len();
        let roots = root as usize..root as usize + trees.len();
        for (at, rules) in roots.clone().zip(trees) {
            self.slots[at] = self.tree(boxes, rules, true)?;
        }
        self.groups.clear();
        if self.asks_more || !may_be_by_five {
            return Ok(false);
        }
        let own = || roots.clone().chain(from..self.slots.len());
        let by_five: Option<Vec<Slot>> = own().map(|at| self.slots[at].by_five()).collect();
        let Some(by_five) = by_five else { return Ok(false) };
        for (at, slot) in own().zip(by_five).collect::<Vec<_>>() {
            self.slots[at] = slot;
        }
        Ok(true)
    }

    pub fn bytes(&self) -> usize {
        size_of_val(&self.slots[..]) + size_of_val(&self.cells[..])
    }

    /// The place of these cells, which may be there already.
    fn leaf(&mut self, cells: Vec<Cell>, least: u32) -> Slot {
        let at = *self.leaves.entry(cells).or_insert_with_key(|cells| {
            let at = self.cells.len() as u32;
            self.cells.extend(cells);
            at
        });
        Slot::leaf(at, least)
    }

    fn children(&mut self, children: Vec<Slot>) -> u32 {
        *self.groups.entry(children).or_insert_with_key(|children| {
            let at = self.slots.len() as u32;
            self.slots.extend(children);
            at
        })
    }
}

/// Neighbouring children, `first..end`.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: u32,
    end: u32,
}

impl Run {
    /// The bits in which some of its numbers differ from one.
    fn differ(self, one: u32) -> u32 {
        let inside = self.first ^ (self.end - 1);
        // Between two numbers that differ in a bit every bit below takes both values.
        let below = if inside == 0 { 0 } else { u32::MAX >> inside.leading_zeros() };
        below | self.first ^ one
    }
}

struct Tree<'a> {
    builder: &'a mut Builder,
    boxes: &'a [BoxRule],
    first_only: bool,
    leaf_rules: usize,
}

impl Tree<'_> {
    fn node(&mut self, mut rules: Vec<u32>, known: &Known, depth: u32) -> Result<Slot, BuildError> {
        let settled = |rule: &u32| {
            let conditions = &self.boxes[*rule as usize].conditions;
            conditions.iter().all(|condition| known.of(condition.word).implies(condition.test))
        };
        if self.first_only
            && let Some(decides) = rules.iter().position(settled)
        {
            rules.truncate(decides + 1);
        }
        self.builder.bounds.steps = self.builder.bounds.steps.max(depth);
        if rules.len() <= self.leaf_rules || depth == MOST_STEPS {
            return self.leaf(&rules, known);
        }
        let mut cut = cut::best(self.boxes, &rules, known, cut::REPLICATION);
        if cut.is_none() && rules.len() > MANY_RULES {
            cut = cut::best(self.boxes, &rules, known, f64::MAX);
        }
        let Some(cut) = cut else { return self.leaf(&rules, known) };
        let mut children = vec![Slot::EMPTY; 1 << cut.bits];
        let mut groups: Vec<(Vec<u32>, Vec<Run>)> = self.divide(&rules, cut, known).into_iter().collect();
        // The same rules make the same tree each time.
        groups.sort_unstable_by_key(|(_, runs)| runs[0].first);
        for (list, runs) in groups {
            let first = runs[0].first;
            let differ = runs.iter().fold(0, |differ, run| differ | run.differ(first));
            let known = known.with(cut.word, (cut.mask() & !differ) << cut.shift, first << cut.shift);
            let slot = self.node(list, &known, depth + 1)?;
            for run in runs {
                children[run.first as usize..run.end as usize].fill(slot);
            }
        }
        if children.iter().all(|child| *child == children[0]) {
            return Ok(children[0]);
        }
        let at = self.builder.children(children);
        if self.builder.bytes() > self.builder.most_bytes || self.builder.slots.len() > MOST_SLOTS {
            return Err(BuildError::TooLarge);
        }
        Ok(Slot::cut(cut.word, cut.shift, cut.bits, at))
    }

    /// The rules of each child; children with the same rules are one. Children without rules are left out.
    fn divide(&self, rules: &[u32], cut: Cut, known: &Known) -> HashMap<Vec<u32>, Vec<Run>> {
        let children = 1 << cut.bits;
        // Where rules begin and end, child by child; within a child in their order.
        let (mut begins, mut ends) = (Vec::new(), Vec::new());
        for rule in rules {
            let mut span = |low: u32, high: u32| {
                begins.push((low, *rule));
                ends.push((high + 1, *rule));
            };
            match cut.children(self.boxes[*rule as usize].test(cut.word), known.of(cut.word)) {
                Children::None => {}
                Children::Span(low, high) => span(low, high),
                Children::Bits { mask, value } => {
                    (0..children).filter(|child| child & mask == value).for_each(|child| span(child, child));
                }
            }
        }
        begins.sort_unstable();
        ends.sort_unstable();
        let mut groups: HashMap<Vec<u32>, Vec<Run>> = HashMap::new();
        let mut active: Vec<u32> = Vec::new();
        let (mut begun, mut ended, mut child) = (0, 0, 0);
        while child < children {
            while let Some((_, rule)) = ends.get(ended).filter(|(at, _)| *at == child) {
                let at = active.binary_search(rule).unwrap_or_else(|at| at);
                active.remove(at);
                ended += 1;
            }
            while let Some((_, rule)) = begins.get(begun).filter(|(at, _)| *at == child) {
                let at = active.binary_search(rule).unwrap_or_else(|at| at);
                active.insert(at, *rule);
                begun += 1;
            }
            let next = [begins.get(begun), ends.get(ended)].into_iter().flatten().map(|(at, _)| *at).min();
            let next = next.unwrap_or(children);
            if !active.is_empty() {
                let run = Run { first: child, end: next };
                match groups.get_mut(&active[..]) {
                    Some(runs) => runs.push(run),
                    None => {
                        groups.insert(active.clone(), vec![run]);
                    }
                }
            }
            child = next;
        }
        groups
    }

    fn leaf(&mut self, rules: &[u32], known: &Known) -> Result<Slot, BuildError> {
        let order = |rule: u32| self.boxes[rule as usize].verdict.order;
        let Some(first) = rules.first() else { return Ok(Slot::EMPTY) };
        let cells = leaf::cells(self.boxes, rules, known);
        self.builder.asks_more |= !cells.iter().all(Cell::is_rule);
        let most = if self.first_only { MOST_CELLS } else { MOST_CELLS_OF_EACH };
        if cells.len() > most as usize {
            let (first, last) = (order(*first), order(rules[rules.len() - 1]));
            return Err(BuildError::Overlap { rules: rules.len(), first, last });
        }
        let bounds = &mut self.builder.bounds;
        let bound = if self.first_only { &mut bounds.cells } else { &mut bounds.cells_of_each };
        *bound = (*bound).max(cells.len() as u32);
        Ok(self.builder.leaf(cells, order(*first)))
    }
}
