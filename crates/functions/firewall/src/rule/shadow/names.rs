//! Numbers for the prefixes and sets that rules name, and which prefix is in which.

use policy::{Cidr, Sets, What};
use prefix::{PrefixV4, PrefixV6};

use crate::rule::{
    ast::Field,
    check::V4,
    shadow::{
        index::Fast,
        region::{Constraint, Region, small},
    },
};

/// No condition, or one that is not looked up.
pub const ANY: u32 = 0;

/// Those of one field.
pub struct Names<'a> {
    field: Field,
    sets: &'a Sets,
    /// Sorted; their numbers begin with 1.
    prefixes: Vec<Cidr>,
    /// By a prefix's number, the next one around it, or [`ANY`].
    around: Vec<u32>,
    /// By rule, the number of what it names first, or [`ANY`].
    first: Vec<u32>,
    set_names: Fast<&'a str, u32>,
    /// By number: a known rule stands there.
    is_used: Vec<bool>,
}

impl<'a> Names<'a> {
    pub fn new(regions: &[Region<'a>], field: Field, sets: &'a Sets) -> Self {
        let mut list: Vec<(Cidr, Option<u32>)> = Vec::with_capacity(regions.len());
        let mut set_names: Fast<&'a str, u32> = Fast::default();
        for (region, at) in regions.iter().zip(0..) {
            for (index, what) in listed(region, field).iter().enumerate() {
                match what {
                    What::Prefix(prefix) => list.push((*prefix, (index == 0).then_some(at))),
                    What::Set(name) if !set_names.contains_key(name.as_str()) => {
                        set_names.insert(name, ANY);
                        let elements = small(name, sets).into_iter().flat_map(policy::Set::iter);
                        list.extend(elements.map(|prefix| (prefix, None)));
                    }
                    What::Set(_) => {}
                }
            }
        }
        // A prefix comes before all that is in it.
        list.sort_unstable_by_key(|(prefix, _)| *prefix);
        let mut first = vec![ANY; regions.len()];
        let mut prefixes: Vec<Cidr> = Vec::with_capacity(list.len());
        let mut around = vec![ANY];
        let mut open: Vec<(Cidr, u32)> = Vec::new();
        for (prefix, rule) in list {
            if prefixes.last() != Some(&prefix) {
                while open.pop_if(|(outer, _)| !outer.contains(prefix)).is_some() {}
                around.push(open.last().map_or(ANY, |(_, number)| *number));
                prefixes.push(prefix);
                open.push((prefix, prefixes.len() as u32));
            }
            if let Some(rule) = rule {
                first[rule as usize] = prefixes.len() as u32;
            }
        }
        for (number, next) in set_names.values_mut().zip(around.len() as u32..) {
            *number = next;
        }
        let is_used = vec![false; around.len() + set_names.len()];
        Self { field, sets, prefixes, around, first, set_names, is_used }
    }

    fn number(&self, prefix: Cidr) -> Option<u32> {
        self.prefixes.binary_search(&prefix).ok().map(|at| at as u32 + 1)
    }

    /// Under what a rule is registered.
    pub fn of(&self, at: usize, region: &Region<'_>, numbers: &mut Vec<u32>) {
        numbers.clear();
        let list = listed(region, self.field);
        if let [What::Prefix(_)] | [] = list {
            return numbers.push(self.first[at]);
        }
        for what in list {
            match what {
                What::Prefix(prefix) => numbers.extend(self.number(*prefix)),
                What::Set(name) => {
                    numbers.extend(self.set_names.get(name.as_str()));
                    let elements = small(name, self.sets).into_iter().flat_map(policy::Set::iter);
                    numbers.extend(elements.filter_map(|prefix| self.number(prefix)));
                }
            }
        }
    }

    pub fn use_all(&mut self, numbers: &[u32]) {
        for number in numbers {
            self.is_used[*number as usize] = true;
        }
    }

    /// Under what rules are registered that may contain this one. They cover all that it names, so that one of it tells.
    pub fn around(&self, at: usize, region: &Region<'_>, numbers: &mut Vec<u32>) {
        numbers.clear();
        numbers.push(ANY);
        let inmost = match listed(region, self.field) {
            [What::Prefix(_), ..] => Some(self.first[at]),
            [What::Set(name), ..] => {
                let set = self.set_names.get(name.as_str()).copied();
                numbers.extend(set.filter(|number| self.is_used[*number as usize]));
                small(name, self.sets).and_then(|set| set.iter().next()).and_then(|first| self.number(first))
            }
            // What IP implies is all addresses of the families.
            [] if region.families() & V4 != 0 => {
                PrefixV4::truncated(0, 0).and_then(|all| self.number(Cidr::V4(all)))
            }
            [] if region.families() != 0 => {
                PrefixV6::truncated(0, 0).and_then(|all| self.number(Cidr::V6(all)))
            }
            [] => None,
        };
        let mut next = inmost.unwrap_or(ANY);
        while next != ANY {
            if self.is_used[next as usize] {
                numbers.push(next);
            }
            next = self.around[next as usize];
        }
    }
}

/// The prefixes and sets of a condition that is not negated.
fn listed<'r, 'a>(region: &'r Region<'a>, field: Field) -> &'r [&'a What] {
    match region.get(field) {
        Some(Constraint::Prefixes(list)) if !list.negated => list.values(),
        _ => &[],
    }
}
