//! From chains to a list: a chain's rules stand where it is called, with the caller's conditions added.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    import::{
        conditions::{Cannot, Conditions},
        draft::{Draft, Origin, Scope},
        iptables::{
            Chain, INCOMING, Rules,
            line::{Line, Target},
        },
    },
    rule::ast::{Action, Field, Values},
};

/// Calls in each other at most.
const DEPTH: usize = 16;

/// Rules that come of it at most: chains that call chains can become many.
const MOST: usize = 200_000;

pub struct Walk<'a> {
    rules: &'a Rules,
    scope: Scope,
    pub draft: &'a mut Draft,
    /// Lines that were translated or refused.
    seen: BTreeSet<usize>,
    /// Lines that, with what calls their chain, are about no packet: this makes a difference when no other call is.
    idle: BTreeMap<usize, Origin>,
}

/// Where the walk is.
#[derive(Clone, Copy)]
struct Here<'a> {
    table: &'a str,
    depth: usize,
    /// The chain that a packet meets next, whatever is accepted here.
    next: Option<&'a str>,
    /// What a packet meets that returns; `None` in a chain that is called.
    drops: Option<bool>,
}

impl<'a> Walk<'a> {
    pub fn new(rules: &'a Rules, scope: Scope, draft: &'a mut Draft) -> Self {
        Self { rules, scope, draft, seen: BTreeSet::new(), idle: BTreeMap::new() }
    }

    /// A chain of the kernel's own.
    pub fn base(&mut self, table: &str, name: &str, chain: &Chain, next: Option<&str>) {
        if let Some(declared) = chain.declared.as_ref().filter(|_| name == "INPUT") {
            let why =
                "its rules are about packets to this host, and here also about those that pass through it";
            self.draft.note(declared, why);
        }
        let here = Here { table, depth: 0, next, drops: chain.drops.or(Some(false)) };
        self.chain(here, chain, &Conditions::default());
    }

    fn chain(&mut self, here: Here<'_>, chain: &Chain, caller: &Conditions) {
        for (index, line) in chain.lines.iter().enumerate() {
            self.seen.insert(line.origin.line);
            let is_end = self.line(here, line, caller);
            if is_end {
                for dead in &chain.lines[index + 1..] {
                    self.seen.insert(dead.origin.line);
                    self.draft.refuse(
                        &dead.origin,
                        format!("line {} lets nothing through to it", line.origin.line),
                    );
                }
                return;
            }
        }
    }

    /// Whether no packet goes on.
    fn line(&mut self, here: Here<'_>, line: &Line, caller: &Conditions) -> bool {
        let origin = &line.origin;
        let alternatives = match &line.conditions {
            Ok(alternatives) => alternatives,
            Err(why) => {
                self.draft.refuse(origin, why.clone());
                return false;
            }
        };
        if alternatives.len() > 1 && !matches!(line.target, Target::Accept | Target::Drop | Target::Reject(_))
        {
            self.draft.refuse(origin, "either of two ports, and packets that go on: they would be met twice");
            return false;
        }
        if self.draft.imported.rules.len() >= MOST {
            self.draft.refuse(origin, format!("there are {MOST} rules already"));
            return false;
        }
        for conditions in alternatives {
            let mut all = caller.clone();
            match all.and_all(conditions) {
                Ok(()) => self.one(here, line, all),
                Err(Cannot::Meet) => {
                    self.idle.insert(origin.line, origin.clone());
                }
                Err(Cannot::Say(why)) => {
                    self.draft.refuse(origin, format!("together with the rule that calls its chain, {why}"));
                }
            }
        }
        let is_all = alternatives.iter().any(|conditions| conditions.list.is_empty()) && line.limit.is_none();
        is_all && matches!(line.target, Target::Return)
    }

    fn one(&mut self, here: Here<'_>, line: &Line, conditions: Conditions) {
        let origin = &line.origin;
        let scope = self.scope;
        if line.limit.is_some() && line.target != Target::Drop {
            return self
                .draft
                .refuse(origin, "what exceeds the limit is dropped here, whatever else was to be done");
        }
        if is_loopback(&conditions) {
            return self
                .draft
                .refuse(origin, "not needed: what a host sends to itself does not come in by the gateway");
        }
        let (log, action) = match &line.target {
            Target::Accept => (false, Action::Accept),
            Target::Return if here.drops == Some(false) => (false, Action::Accept),
            Target::Return if here.drops == Some(true) => (false, Action::Drop),
            Target::Drop => (false, line.limit.map_or(Action::Drop, Action::Limit)),
            Target::Reject(with) => {
                let note = differs(with, &conditions);
                if let Some(why) = note {
                    self.draft.note(origin, why);
                }
                (false, Action::Reject)
            }
            Target::Log => (true, Action::Log),
            Target::Mark(mark) => (false, Action::Mark(*mark)),
            Target::Jump(name) => return self.call(here, origin, name, &conditions),
            // Its own end is the end of the chain it is called in.
            Target::Return => return,
            Target::Goto(name) => {
                return self
                    .draft
                    .refuse(origin, format!("`-g {name}` does not come back: call the chain with `-j`"));
            }
            Target::Nothing => {
                return self.draft.refuse(origin, "it only counts: write `count NAME …`");
            }
            Target::Unknown(why) => return self.draft.refuse(origin, why.clone()),
        };
        if let (Action::Accept, Some(next)) = (&action, here.next) {
            let why = format!("it ends the table `{}` alone: {next} judges these packets, too", here.table);
            return self.draft.refuse(origin, why);
        }
        let before = self.draft.imported.rules.len();
        self.draft.rule(origin, scope, log, action, conditions);
        if self.draft.imported.rules.len() > before {
            for note in &line.notes {
                self.draft.note(origin, note.clone());
            }
        }
    }

    fn call(&mut self, here: Here<'_>, origin: &Origin, name: &str, conditions: &Conditions) {
        let rules = self.rules;
        let Some(chain) = rules.chain(here.table, name) else {
            return self.draft.refuse(
                origin,
                format!("the target `{name}` has no counterpart, and there is no such chain"),
            );
        };
        if here.depth == DEPTH {
            return self.draft.refuse(origin, "chains call chains too deep");
        }
        if let Some(line) = chain.lines.iter().find(|line| comes_back(line)) {
            let why = format!(
                "line {} returns from `{name}` before its end, which a list cannot do",
                line.origin.line
            );
            return self.draft.refuse(origin, why);
        }
        self.chain(Here { depth: here.depth + 1, drops: None, ..here }, chain, conditions);
    }

    /// Lists all that was not met.
    pub fn unreached(&mut self) {
        for (line, origin) in std::mem::take(&mut self.idle) {
            if !self.draft.imported.rules.iter().any(|translated| translated.line == line) {
                self.draft.refuse(&origin, "no packet meets it and the rule that calls its chain");
            }
        }
        for ((table, name), chain) in &self.rules.chains {
            let is_own = chain.drops.is_some() && !INCOMING.contains(&(table, name));
            let why = match name.as_str() {
                _ if table == "nat" => "addresses are not translated here".to_owned(),
                "FORWARD" => {
                    "packets that pass through are judged by the same rules as those to this host".into()
                }
                "OUTPUT" | "POSTROUTING" => "only what comes in is judged".into(),
                _ => format!("nothing that was translated calls `{name}`"),
            };
            if let Some(declared) = chain.declared.as_ref().filter(|_| is_own && chain.drops == Some(true)) {
                self.draft.refuse(declared, why.clone());
            }
            for line in chain.lines.iter().filter(|line| !self.seen.contains(&line.origin.line)) {
                self.draft.refuse(&line.origin, why.clone());
            }
        }
    }
}

/// A return that some packets take.
fn comes_back(line: &Line) -> bool {
    let is_all = line.conditions.as_ref().is_ok_and(|list| list.iter().any(|found| found.list.is_empty()));
    line.target == Target::Return && !is_all
}

fn is_loopback(conditions: &Conditions) -> bool {
    let on = conditions.get(Field::Interface).filter(|on| !on.negated);
    on.is_some_and(
        |on| matches!(&on.values, Values::Interfaces(names) if names.iter().any(|name| name.text == "lo")),
    )
}

/// How far the answer to the sender differs.
fn differs(with: &str, conditions: &Conditions) -> Option<String> {
    let protocol = conditions.get(Field::Protocol);
    let is_tcp = protocol.is_none_or(|protocol| protocol.allows(6));
    match with {
        "tcp-reset" => None,
        "icmp-port-unreachable" | "icmp6-port-unreachable" if !is_tcp => None,
        "icmp-port-unreachable" | "icmp6-port-unreachable" => {
            Some("TCP is answered by a reset, not by an ICMP message".into())
        }
        _ => Some(format!("the sender is not told `{with}`, but what `reject` tells")),
    }
}
