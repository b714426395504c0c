//! The grammar of what stands behind a condition's word: a value, or a list of them.

use policy::words::shown;

use crate::rule::{
    ast::Field,
    names,
    read::Reader,
    token::Token,
    values::Element,
    words::{self, Keyword},
};

impl<'a> Reader<'a> {
    /// What stands behind a condition's word.
    pub fn elements(&mut self, field: Field, word: &Token<'a>) -> Option<(bool, Vec<Element<'a>>)> {
        let negated = self.eat("not");
        let Some(open) = self.peek().filter(|token| token.text == "{") else {
            let mut element = self.element(field, word)?;
            if field == Field::TcpFlags {
                // `syn,ack` is one value. In braces the comma is between values, and flags are joined by `+`.
                while self.eat(",") {
                    let next = self.peek().filter(|next| self.may_be_value(field, next));
                    let Some(next) = next else {
                        return self.error(
                            &element.at,
                            "a flag is missing behind the comma",
                            "write `syn,ack`",
                        );
                    };
                    self.next += 1;
                    element.at.end = next.at.end;
                }
                element.text = &self.text[element.at.clone()];
            }
            return Some((negated, vec![element]));
        };
        self.next += 1;
        if self.eat("}") {
            let hint = "write what is meant, or leave the condition out";
            return self.error(&(open.at.start..self.end()), "this list is empty", hint);
        }
        let elements = self.list(field, word, &open);
        if elements.is_none() {
            self.skip_list();
        }
        Some((negated, elements?))
    }

    /// The elements of a list, and its end.
    fn list(&mut self, field: Field, word: &Token<'a>, open: &Token<'a>) -> Option<Vec<Element<'a>>> {
        let mut elements = Vec::new();
        loop {
            match self.peek() {
                Some(token) if token.text == "{" => {
                    let hint = "write one list";
                    return self.error(&token.at, "a list stands in a list", hint);
                }
                Some(token) if matches!(token.text, "," | "}") => {
                    let hint = "write a value, or leave the comma out";
                    return self.error(
                        &token.at,
                        format!("a value is missing before `{}`", token.text),
                        hint,
                    );
                }
                Some(token)
                    if token.is_word() && token.text != "not" && !self.may_be_value(field, &token) =>
                {
                    return self.not_closed(open, Some(&token));
                }
                Some(_) => elements.push(self.element(field, word)?),
                None => return self.not_closed(open, None),
            }
            match self.take() {
                Some(token) if token.text == "}" => return Some(elements),
                Some(token) if token.text == "," => {}
                Some(token) if self.may_be_value(field, &token) => {
                    let message = format!("a comma is missing before `{}`", shown(token.text));
                    let hint = "elements of a list are parted by commas";
                    return self.error(&token.at, message, hint);
                }
                next => {
                    // It may begin the next condition.
                    self.next -= usize::from(next.is_some());
                    return self.not_closed(open, next.as_ref());
                }
            }
        }
    }

    /// Goes on behind the list's end, when it comes before the next condition.
    fn skip_list(&mut self) {
        let rest = &self.tokens[self.next..];
        let begins = |token: &Token<'_>| {
            token.text != "not" && Keyword::of(token.text).is_some_and(Keyword::is_condition)
        };
        let before_next = rest.iter().take_while(|token| !begins(token));
        if let Some(end) = before_next.zip(1..).filter(|(token, _)| token.text == "}").last() {
            self.next += end.1;
        }
    }

    fn not_closed<T>(&mut self, open: &Token<'a>, next: Option<&Token<'a>>) -> Option<T> {
        let hint = match next {
            Some(token) => format!("write `}}` before `{}`", shown(token.text)),
            None => "write `}` behind its last element".into(),
        };
        self.error(&(open.at.start..self.end()), "this list does not end", hint)
    }

    /// Whether a word can be a value, rather than the beginning of the next condition. Some words are both.
    fn may_be_value(&self, field: Field, token: &Token<'_>) -> bool {
        let text = token.text;
        token.is_word()
            && (Keyword::of(text).is_none()
                || match field {
                    Field::Protocol => names::protocol(text).is_some(),
                    Field::Ethertype => names::ethertype(text).is_some(),
                    Field::IcmpType => text == "redirect",
                    Field::Interface => self.world.interfaces.iter().any(|known| known.name == text),
                    _ => false,
                })
    }

    fn element(&mut self, field: Field, word: &Token<'a>) -> Option<Element<'a>> {
        let sign = self.peek().filter(|token| token.text.starts_with(['<', '>']));
        self.next += usize::from(sign.is_some());
        match self.peek() {
            Some(value) if self.may_be_value(field, &value) => {
                self.next += 1;
                let start = sign.as_ref().map_or(value.at.start, |sign| sign.at.start);
                let sign = sign.map_or("", |sign| sign.text);
                Some(Element { sign, text: value.text, at: start..value.at.end })
            }
            Some(token) if matches!(token.text, "=" | "==" | "!" | "!=") => {
                let hint = if token.text.starts_with('=') { "leave it out" } else { "write `not`" };
                self.next += 1;
                self.error(&token.at, format!("there is no `{}` in rules", token.text), hint.to_owned())
            }
            Some(token) if token.text == "not" => {
                self.next += 1;
                let hint = format!("`not` stands once, before all values: `{} not {{1, 2}}`", word.text);
                self.error(&token.at, "`not` stands before a single value", hint)
            }
            next => {
                let at = sign.as_ref().map_or(&word.at, |sign| &sign.at);
                let before = sign.as_ref().map_or(words::name(field), |sign| sign.text);
                let follows = match next {
                    Some(token) => format!("`{}` follows", shown(token.text)),
                    None => "nothing follows".into(),
                };
                self.error(at, format!("a value is missing behind `{before}`: {follows}"), example(field))
            }
        }
    }
}

/// How a condition is written, for hints.
fn example(field: Field) -> String {
    let example = match field {
        Field::Source => "from 192.0.2.0/24",
        Field::Destination => "to 192.0.2.0/24",
        Field::Protocol => "protocol {tcp, 47}",
        Field::SourcePort => "sport 53",
        Field::DestinationPort => "port {80, 443}",
        Field::TcpFlags => "flags syn/syn,ack",
        Field::IcmpType => "type echo-request",
        Field::IcmpCode => "code 3",
        Field::Length => "length > 512",
        Field::Ttl => "ttl < 5",
        Field::Dscp => "dscp {ef, 10}",
        Field::Vlan => "vlan 100",
        Field::SourceMac => "smac 02:00:00:00:00:01",
        Field::DestinationMac => "dmac 02:00:00:00:00:01",
        Field::Ethertype => "ethertype 0x88cc",
        Field::Interface => "on eth0",
        Field::Version | Field::Fragment | Field::Options | Field::Established => words::name(field),
    };
    format!("write it as in `{example}`")
}
