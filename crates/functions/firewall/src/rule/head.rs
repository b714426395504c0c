//! The grammar of what a rule does: what stands before its conditions.

use policy::{
    Written,
    words::{did_you_mean, shown},
};

use crate::rule::{
    ast::{Action, Limit, LimitKey},
    numbers::digits,
    read::Reader,
    token::Token,
    words::{self, Keyword},
};

/// IPv6 addresses that share a bucket unless the rule says otherwise: a host has a /64 to choose from (RFC 4291 section 2.5.1,
/// RFC 8981), so a bucket for each address would limit nobody.
pub const V6_HOST: u8 = 64;

/// Characters of a counter's name at most.
const NAME: usize = 64;

impl<'a> Reader<'a> {
    /// `log 1/1000`, and the action. What is wrong with it is said, and the conditions can be read.
    pub fn head(&mut self) -> Option<(Option<u32>, Action)> {
        if self.peek().is_none() {
            let hint = "a rule says what it does, and to which packets: `drop from 192.0.2.0/24`";
            self.problems.error(self.place.at, "this rule is empty", Some(hint.into()));
            return None;
        }
        // What is wrong with `log` does not keep the action from being read.
        let log = if self.eat("log") { self.sample().map(Some) } else { Some(None) };
        let logs = log != Some(None);
        let action = self.action(logs);
        Some((log?, action?))
    }

    /// `1/1000`, or nothing for each packet.
    fn sample(&mut self) -> Option<u32> {
        let Some(token) = self.peek().filter(|token| token.text.starts_with(|c: char| c.is_ascii_digit()))
        else {
            return Some(1);
        };
        // `log 192.0.2.1` is an address without its `from`.
        if !token.text.bytes().all(|c| c.is_ascii_digit() || c == b'/') {
            return Some(1);
        }
        self.take();
        let text = shown(token.text);
        let Some((one, many)) = token.text.split_once('/') else {
            return self.error(
                &token.at,
                format!("`log` wants a share of the packets, not `{text}`"),
                format!("did you mean `log 1/{text}`?"),
            );
        };
        match (digits(one), digits(many).map(u32::try_from)) {
            (Some(1), Some(Ok(many @ 1..))) => Some(many),
            (Some(1), Some(Err(_))) => self.error(
                &token.at,
                format!("`{text}` is less than one packet in 4294967295"),
                "write a larger share, as `log 1/1000`",
            ),
            _ => self.error(
                &token.at,
                format!("`log` wants one packet in so many, not `{text}`"),
                "write `log 1/1000`",
            ),
        }
    }

    fn action(&mut self, logs: bool) -> Option<Action> {
        let Some(token) = self.peek() else { return Some(Action::Log) };
        match Keyword::of(token.text) {
            Some(Keyword::Action) if token.text != "log" => {}
            Some(Keyword::Action) => {
                while self.eat("log") {}
                self.action(true);
                return self.error(&token.at, "`log` stands twice", "leave one out");
            }
            _ if logs => return Some(Action::Log),
            keyword if keyword.is_some() || token.text == "{" => {
                let text = if token.text == "{" { "{tcp, udp}" } else { token.text };
                let message =
                    format!("`{}` says to which packets, and no action stands before it", token.text);
                return self.error(&token.at, message, format!("begin with {}: `drop {text} …`", actions()));
            }
            _ => {
                self.take();
                let hint = words::advice(token.text, words::ACTIONS);
                let hint = hint.unwrap_or_else(|| format!("a rule begins with {}", actions()));
                return self.error(&token.at, format!("there is no action `{}`", shown(token.text)), hint);
            }
        }
        self.take();
        self.action = Some(token.text);
        match token.text {
            "accept" => Some(Action::Accept),
            "drop" => Some(Action::Drop),
            "reject" => Some(Action::Reject),
            "count" => self.counter(&token),
            "mark" => self.mark(&token),
            "redirect" => self.redirect(&token),
            _ => self.limit(&token),
        }
    }

    /// The word behind an action, which is not one of a condition.
    fn argument(&mut self, action: &Token<'a>, wanted: &str, example: &str) -> Option<Token<'a>> {
        let next = self.peek();
        if let Some(word) = next.clone().filter(|word| word.is_word() && Keyword::of(word.text).is_none()) {
            self.take();
            return Some(word);
        }
        let follows = next.map_or("nothing follows".into(), |next| format!("`{}` follows", shown(next.text)));
        let message = format!("{wanted} is missing behind `{}`: {follows}", action.text);
        self.error(&action.at, message, format!("write it as in `{example}`"))
    }

    fn counter(&mut self, action: &Token<'a>) -> Option<Action> {
        let name = self.argument(action, "a name", "count dns udp port 53")?;
        let sound = name.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if !sound || name.text.len() > NAME {
            let hint = format!("names are letters, digits, `-`, `_` and `.`, {NAME} at most");
            return self.error(&name.at, format!("`{}` is no name for a counter", shown(name.text)), hint);
        }
        Some(Action::Count(name.text.into()))
    }

    fn mark(&mut self, action: &Token<'a>) -> Option<Action> {
        let word = self.argument(action, "a number", "mark 0x10 from 192.0.2.0/24")?;
        let text = shown(word.text);
        match digits(word.text).map(u32::try_from) {
            Some(Ok(0)) => {
                self.error(&word.at, "a mark of 0 is none: that is what packets have", "write 1 or more")
            }
            Some(Ok(mark)) => Some(Action::Mark(mark)),
            Some(Err(_)) => self.error(
                &word.at,
                format!("`{text}` is too large for a mark"),
                "a mark is at most 0xffffffff",
            ),
            None => self.error(&word.at, format!("`{text}` is no number"), "write the mark as 16 or 0x10"),
        }
    }

    fn redirect(&mut self, action: &Token<'a>) -> Option<Action> {
        let known =
            |reader: &Self, name: &str| reader.world.interfaces.iter().any(|known| known.name == name);
        let next = self.peek().filter(|next| known(self, next.text));
        let word = match next {
            // An interface may be called like a word of the language.
            Some(word) => {
                self.take();
                word
            }
            None => self.argument(action, "an interface", "redirect eth1 vlan 100")?,
        };
        let text = shown(word.text);
        if !known(self, word.text) {
            let names = self.world.interfaces.iter().map(|known| known.name.as_str());
            let hint = did_you_mean(word.text, names)
                .unwrap_or_else(|| format!("add it to the configuration: [[interface]] name = \"{text}\""));
            return self.error(&word.at, format!("there is no [[interface]] with the name `{text}`"), hint);
        }
        Some(Action::Redirect(Written { text: word.text.into(), at: self.place.span(&word.at) }))
    }

    fn limit(&mut self, action: &Token<'a>) -> Option<Action> {
        // All of it is read, whatever is wrong with the first part.
        let rate = self.argument(action, "a rate", "limit 10/s per source");
        let rate = rate.and_then(|rate| self.rate(&rate));
        let (mut burst, mut key) = (None, None);
        while let Some(token) = self.peek() {
            let twice = match token.text {
                "burst" => {
                    self.take();
                    burst.replace(self.burst(&token)).is_some()
                }
                "per" => {
                    self.take();
                    key.replace(self.key(&token)).is_some()
                }
                _ => break,
            };
            if twice {
                return self.error(&token.at, format!("`{}` stands twice", token.text), "leave one out");
            }
        }
        let key = key.unwrap_or(Some(LimitKey::Rule));
        let (packets, per_milliseconds) = rate?;
        let burst = match burst {
            Some(burst) => burst?,
            None => default_burst(packets, per_milliseconds),
        };
        Some(Action::Limit(Limit { packets, per_milliseconds, burst, key: key? }))
    }

    /// `10/s`
    fn rate(&mut self, word: &Token<'a>) -> Option<(u32, u32)> {
        let text = shown(word.text);
        let Some((packets, unit)) = word.text.split_once('/') else {
            let hint = if digits(word.text).is_some() {
                format!("write `{text}/s`, `{text}/m` or `{text}/h`")
            } else {
                "write it as in `limit 10/s`".into()
            };
            return self.error(&word.at, format!("`{text}` is no rate: packets, and in which time"), hint);
        };
        let per_milliseconds = match unit {
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => {
                let meant = match unit {
                    "sec" | "second" | "seconds" => "s",
                    "min" | "minute" | "minutes" => "m",
                    "hour" | "hours" => "h",
                    _ => "s",
                };
                let hint = format!("write s, m or h: `{}/{meant}`", shown(packets));
                return self.error(&word.at, format!("`{}` is no time of a rate", shown(unit)), hint);
            }
        };
        match digits(packets).map(u32::try_from) {
            Some(Ok(0)) => self.error(
                &word.at,
                "a limit of 0 lets nothing through",
                "write `drop`, or a rate of 1 or more",
            ),
            Some(Ok(packets)) => Some((packets, per_milliseconds)),
            Some(Err(_)) => self.error(
                &word.at,
                format!("`{text}` is more than can be counted"),
                "a rate is at most 4294967295",
            ),
            None => self.error(
                &word.at,
                format!("`{}` is no number of packets", shown(packets)),
                "write it as in `limit 1000/s`",
            ),
        }
    }

    fn burst(&mut self, keyword: &Token<'a>) -> Option<u32> {
        let word = self.argument(keyword, "a number of packets", "limit 10/s burst 20")?;
        let text = shown(word.text);
        match digits(word.text).map(u32::try_from) {
            Some(Ok(0)) => self.error(&word.at, "a burst of 0 lets nothing through", "write 1 or more"),
            Some(Ok(burst)) => Some(burst),
            Some(Err(_)) => self.error(
                &word.at,
                format!("`{text}` is more than can be counted"),
                "a burst is at most 4294967295",
            ),
            None => self.error(
                &word.at,
                format!("`{text}` is no number of packets"),
                "write it as in `limit 10/s burst 20`",
            ),
        }
    }

    /// `source`, `destination/24`, `source/32/48`
    fn key(&mut self, keyword: &Token<'a>) -> Option<LimitKey> {
        let word = self.argument(keyword, "what has a limit of its own", "limit 10/s per source/24")?;
        let mut parts = word.text.split('/');
        let whose = parts.next().unwrap_or_default();
        let lengths: Vec<&str> = parts.collect();
        if !matches!(whose, "source" | "destination") {
            let near = match whose {
                "src" | "saddr" | "host" | "ip" => Some("did you mean `source`?".into()),
                "dst" | "daddr" => Some("did you mean `destination`?".into()),
                _ => did_you_mean(whose, ["source", "destination"]),
            };
            let hint = near.unwrap_or_else(|| "write `per source` or `per destination`".into());
            return self.error(&word.at, format!("a limit is not per `{}`", shown(whose)), hint);
        }
        let length = |text: Option<&&str>, most: u8, otherwise: u8| match text {
            None => Some(otherwise),
            Some(text) => digits(text).filter(|length| *length <= u64::from(most)).map(|length| length as u8),
        };
        let (v4, v6) = (length(lengths.first(), 32, 32), length(lengths.get(1), 128, V6_HOST));
        let (Some(v4), Some(v6), 0..=2) = (v4, v6, lengths.len()) else {
            let message = format!(
                "`{}`: lengths are at most 32 for IPv4 and, behind it, 128 for IPv6",
                shown(word.text)
            );
            let hint = format!("write it as in `per {whose}/24` or `per {whose}/32/48`");
            return self.error(&word.at, message, hint);
        };
        Some(match whose {
            "source" => LimitKey::Source { v4, v6 },
            _ => LimitKey::Destination { v4, v6 },
        })
    }
}

/// One second's worth, at least one packet.
pub fn default_burst(packets: u32, per_milliseconds: u32) -> u32 {
    let burst = u64::from(packets) * 1000 / u64::from(per_milliseconds.max(1));
    u32::try_from(burst).unwrap_or(u32::MAX).max(1)
}

fn actions() -> String {
    "accept, drop, reject, limit, count, log, mark or redirect".into()
}
