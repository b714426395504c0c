//! The grammar: from a rule's text to an action and conditions.

use std::ops::Range;

use policy::{Problems, World, words::shown};

use crate::rule::{
    ast::{Field, Match, Rule, Values},
    check,
    names::{self, Icmp},
    numbers::digits,
    place::Place,
    token::{Token, tokens},
    values::{self, Context, Element},
    words::{self, Keyword},
};

/// Reads a rule, and says all that is wrong with it. `None` when it cannot be used.
pub fn read(text: &str, place: Place, world: &World<'_>, problems: &mut Problems) -> Option<Rule> {
    let mut reader = Reader {
        text,
        tokens: tokens(text),
        next: 0,
        place,
        world,
        problems: Problems::default(),
        action: None,
    };
    let rule = reader.rule();
    let rule = rule.filter(|_| !reader.problems.has_errors());
    // Of a rule that cannot be read, half of what would be said about its meaning is wrong.
    if let Some(rule) = &rule {
        check::check(rule, world, &mut reader.problems);
    }
    let rule = rule.filter(|_| !reader.problems.has_errors());
    reader.problems.sort();
    problems.append(reader.problems);
    rule
}

pub(super) struct Reader<'a> {
    pub text: &'a str,
    pub tokens: Vec<Token<'a>>,
    pub next: usize,
    pub place: Place,
    pub world: &'a World<'a>,
    pub problems: Problems,
    /// The word of the action, where there is one.
    pub action: Option<&'a str>,
}

/// A condition as it is written.
struct Condition<'a> {
    field: Field,
    negated: bool,
    operand: Operand<'a>,
    at: Range<usize>,
}

enum Operand<'a> {
    Elements(Vec<Element<'a>>),
    Values(Values),
}

impl<'a> Reader<'a> {
    fn rule(&mut self) -> Option<Rule> {
        let head = self.head();
        let mut conditions = Vec::new();
        while let Some(token) = self.peek() {
            // What cannot be read is complained of once, up to the next condition.
            match self.condition(&token) {
                Some(condition) => conditions.push(condition),
                None => self.skip(),
            }
        }
        let matches = self.matches(conditions);
        let (log, action) = head?;
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(Rule { action, log, matches: matches?, text, at: self.place.at })
    }

    pub fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).cloned()
    }

    pub fn take(&mut self) -> Option<Token<'a>> {
        let token = self.peek()?;
        self.next += 1;
        Some(token)
    }

    /// Takes the next token when it is this one.
    pub fn eat(&mut self, text: &str) -> bool {
        let is_next = self.peek().is_some_and(|token| token.text == text);
        self.next += usize::from(is_next);
        is_next
    }

    pub fn error<T>(
        &mut self,
        at: &Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<T> {
        self.problems.error(self.place.span(at), message, Some(hint.into()));
        None
    }

    /// Goes on to the next word that begins a condition.
    fn skip(&mut self) {
        while let Some(token) = self.peek() {
            if Keyword::of(token.text).is_some_and(Keyword::is_condition) {
                break;
            }
            self.next += 1;
        }
    }

    /// Where the last token ends.
    pub fn end(&self) -> usize {
        self.next.checked_sub(1).map_or(0, |last| self.tokens[last].at.end)
    }

    fn condition(&mut self, first: &Token<'a>) -> Option<Condition<'a>> {
        let negated = self.eat("not");
        let Some(token) = self.peek() else {
            return self.error(
                &first.at,
                "`not` stands before nothing",
                "write it behind a condition's word: `port not 80`",
            );
        };
        if token.text == "{" {
            return self.protocols(first, negated);
        }
        let keyword = Keyword::of(token.text);
        self.next += 1;
        let (field, values) = match keyword {
            Some(Keyword::Number(field, number)) => (field, Values::Ranges(vec![number..=number])),
            Some(Keyword::Present(field)) => (field, Values::Present),
            Some(Keyword::Fragment) => (Field::Fragment, self.fragment(&token)?),
            Some(Keyword::Values(_) | Keyword::Hop) if negated => {
                let rest = self.text[token.at.end..].split_whitespace().next().unwrap_or("…");
                let hint = format!("write it behind the word: `{} not {}`", token.text, shown(rest));
                return self.error(&first.at, format!("`not` stands before `{}`", token.text), hint);
            }
            Some(Keyword::Values(field)) => return self.values(field, &token),
            Some(Keyword::Hop) => {
                if !self.eat("limit") {
                    return self.error(&token.at, "`hop` stands alone", "write `hop limit` or `ttl`");
                }
                return self.values(Field::Ttl, &token);
            }
            Some(Keyword::Not) => {
                return self.error(&token.at, "`not` stands twice", "leave both out");
            }
            Some(Keyword::Action | Keyword::OfLimit) | None => return self.stranger(&token, keyword),
        };
        let at = first.at.start..self.end();
        Some(Condition { field, negated, operand: Operand::Values(values), at })
    }

    /// A word that begins no condition.
    fn stranger<T>(&mut self, token: &Token<'a>, keyword: Option<Keyword>) -> Option<T> {
        let text = shown(token.text);
        let second = format!("a rule has one action: `{text}` is a second one");
        let (message, hint) = match (keyword, self.action) {
            (Some(Keyword::OfLimit), _) => {
                let hint = "write it behind the rate: `limit 10/s burst 20 per source`";
                (format!("`{text}` belongs to `limit`"), hint.into())
            }
            (Some(_), _) if text == "log" => {
                let hint = "begin with it: `log drop from 192.0.2.1`";
                ("`log` stands before the action and the conditions".into(), hint.into())
            }
            (Some(_), Some("limit")) if text == "drop" => {
                (second, "leave it out: a limit drops what exceeds it".into())
            }
            (Some(_), Some(first @ ("limit" | "count" | "mark"))) => {
                (second, format!("behind `{first}`, packets go on: write `{text}` in a rule below"))
            }
            (Some(_), Some(first)) => {
                (second, format!("`{first}` is the first: give `{text}` a rule of its own"))
            }
            (Some(_), None) => {
                (format!("`{text}` stands behind a condition"), format!("begin with the action: `{text} …`"))
            }
            (None, _) if !token.is_word() => {
                let hint = match &*text {
                    "=" | "==" => "leave it out: `port 80` is a port that equals 80",
                    "!" | "!=" => "write `not`, as in `port not 80`",
                    "," | "}" => "alternatives stand in braces: `{tcp, udp}`, `port {80, 443}`",
                    _ => "write what is compared before it: `length > 512`",
                };
                (format!("`{text}` stands where a condition begins"), hint.into())
            }
            (None, _) => {
                let known = words::CONDITIONS.iter().chain(&words::PROTOCOLS).copied();
                let hint = words::advice(token.text, known).unwrap_or_else(|| self.kind_of(token.text));
                (format!("there is no condition `{text}`"), hint)
            }
        };
        self.error(&token.at, message, hint)
    }

    /// What a word without its condition's word may be meant as.
    fn kind_of(&self, text: &str) -> String {
        if text.starts_with('@') || text.parse::<policy::Cidr>().is_ok() {
            return format!("say of which end: `from {0}` or `to {0}`", shown(text));
        }
        if digits(text).is_some() || names::number(names::SERVICES, text).is_some() {
            return format!("say what it is: `port {0}`, `sport {0}`, …", shown(text));
        }
        let is_interface = self.world.interfaces.iter().any(|interface| interface.name == text);
        if is_interface {
            return format!("write `on {}`", shown(text));
        }
        format!("conditions are {}, and protocols as tcp", words::CONDITIONS.join(", "))
    }

    /// `{tcp, udp}`, whose word may be left out.
    fn protocols(&mut self, first: &Token<'a>, negated: bool) -> Option<Condition<'a>> {
        let (_, elements) = self.elements(Field::Protocol, first)?;
        let at = first.at.start..self.end();
        if let Some(other) = elements.iter().find(|element| names::protocol(element.text).is_none()) {
            let message = format!(
                "`{}` is no protocol, and a list without a word before it is one of protocols",
                shown(other.text)
            );
            return self.error(&other.at.clone(), message, "name what is compared: `port {80, 443}`");
        }
        Some(Condition { field: Field::Protocol, negated, operand: Operand::Elements(elements), at })
    }

    fn fragment(&mut self, word: &Token<'a>) -> Option<Values> {
        let negated = self.peek().filter(|token| token.text == "not");
        let which = self.tokens.get(self.next + usize::from(negated.is_some())).map(|token| token.text);
        if let (Some(not), Some(which @ ("first" | "later"))) = (negated, which) {
            self.next += 2;
            let hint = format!("write `not fragment {which}`");
            return self.error(&(word.at.start..not.at.end), "`not` stands behind `fragment`", hint);
        }
        let range = if self.eat("first") {
            1..=1
        } else if self.eat("later") {
            2..=2
        } else {
            1..=2
        };
        Some(Values::Ranges(vec![range]))
    }

    fn values(&mut self, field: Field, word: &Token<'a>) -> Option<Condition<'a>> {
        let (negated, elements) = self.elements(field, word)?;
        let at = word.at.start..self.end();
        Some(Condition { field, negated, operand: Operand::Elements(elements), at })
    }

    /// The conditions with their values. Names of ICMP types are read last, since they depend on the protocol.
    fn matches(&mut self, conditions: Vec<Condition<'a>>) -> Option<Vec<Match>> {
        let mut matches: Vec<Option<Match>> = conditions.iter().map(|_| None).collect();
        let mut icmp = vec![Icmp::V4, Icmp::V6];
        let mut says_icmp = false;
        for late in [false, true] {
            for (condition, found) in conditions.iter().zip(&mut matches) {
                if (condition.field == Field::IcmpType) == late {
                    *found = self.matched(condition, &icmp, says_icmp);
                }
            }
            let protocols = matches.iter().flatten().find(|found| found.field == Field::Protocol);
            if let Some(protocols) = protocols {
                let named: Vec<Icmp> =
                    icmp.iter().copied().filter(|icmp| protocols.allows(icmp.protocol())).collect();
                says_icmp = !named.is_empty();
                icmp = if says_icmp { named } else { icmp };
            }
        }
        matches.into_iter().collect()
    }

    fn matched(&mut self, condition: &Condition<'a>, icmp: &[Icmp], says_icmp: bool) -> Option<Match> {
        let Condition { field, negated, ref operand, ref at } = *condition;
        let values = match operand {
            Operand::Values(values) => values.clone(),
            Operand::Elements(elements) => {
                let context = Context { place: self.place, world: self.world, icmp, says_icmp };
                values::values(field, elements, &context, &mut self.problems)?
            }
        };
        Some(Match { field, negated, values, at: self.place.span(at) })
    }
}
