//! Typed readers of a section's fields. Each says what is wrong and goes on, so that all errors come at once; `None` is a
//! field that is absent and has no default, or one that was complained of.

use std::net::SocketAddr;

use toml::de::DeValue;

use crate::{
    cidr::Cidr,
    field::{self, Field, Shape},
    function::World,
    problem::Problems,
    section::{Section, Value},
    source::Span,
    words::{did_you_mean, nearest, one_of, shown},
};

/// One of a field's words. A default stands where its section does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    pub word: &'static str,
    pub at: Span,
}

/// A text or a name, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub text: String,
    pub at: Span,
}

/// An element of a list of prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub what: What,
    /// As it is written.
    pub text: String,
    pub at: Span,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    Prefix(Cidr),
    /// All of a set that exists.
    Set(String),
}

/// Two interfaces that are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cable {
    pub ends: [Written; 2],
    pub at: Span,
}

impl<'a> Section<'a> {
    pub fn choice(&self, key: &str, problems: &mut Problems) -> Option<Word> {
        let field = self.field(key);
        let Shape::Choice(words) = field.shape else { unreachable!("`{key}` is declared as a choice") };
        match self.value(key) {
            None => {
                let word = field::word(words, field.default.trim_matches('"'))?;
                Some(Word { word, at: self.at() })
            }
            Some(value) => word(field, words, value, problems),
        }
    }

    /// Words in the order in which they are written.
    pub fn choices(&self, key: &str, problems: &mut Problems) -> Option<Vec<Word>> {
        let field = self.field(key);
        let Shape::Choices(words) = field.shape else { unreachable!("`{key}` is declared as choices") };
        let Some(value) = self.value(key) else {
            let quoted = field.default.split('"').skip(1).step_by(2);
            let default = quoted.filter_map(|text| field::word(words, text));
            return Some(default.map(|word| Word { word, at: self.at() }).collect());
        };
        let values = array(field, value, problems)?;
        all(values.into_iter().map(|value| word(field, words, value, problems)))
    }

    pub fn bool(&self, key: &str, problems: &mut Problems) -> Option<bool> {
        let field = self.field(key);
        match self.value(key) {
            None => field.default.parse().ok(),
            Some(Value { value: DeValue::Boolean(value), .. }) => Some(*value),
            Some(value) => {
                let quotes = value.value.as_str().is_some_and(|text| matches!(text, "true" | "false"));
                wrong_type(field, value, quotes.then(|| "write it without quotes".into()), problems)
            }
        }
    }

    pub fn count(&self, key: &str, problems: &mut Problems) -> Option<u32> {
        let field = self.field(key);
        let Shape::Count(most) = field.shape else { unreachable!("`{key}` is declared as a count") };
        let Some(value) = self.value(key) else { return field.default.parse().ok() };
        let number = match value.value {
            DeValue::Integer(integer) => {
                let digits = integer.as_str().replace('_', "");
                u32::from_str_radix(&digits, integer.radix()).ok()
            }
            _ => None,
        };
        let Some(number) = number.filter(|number| (1..=most).contains(number)) else {
            return wrong_type(field, value, None, problems);
        };
        Some(number)
    }

    pub fn text(&self, key: &str, problems: &mut Problems) -> Option<Written> {
        written(self.field(key), self.value(key)?, problems)
    }

    /// Texts in the order in which they are written; what is no text is complained of and left out.
    pub fn texts(&self, key: &str, problems: &mut Problems) -> Vec<Written> {
        let field = self.field(key);
        let values = self.value(key).and_then(|value| array(field, value, problems));
        values.into_iter().flatten().filter_map(|value| written(field, value, problems)).collect()
    }

    pub fn listen(&self, key: &str, problems: &mut Problems) -> Option<SocketAddr> {
        let field = self.field(key);
        let value = self.value(key)?;
        let text = written(field, value, problems)?.text;
        text.parse().map_err(|_| wrong_type::<()>(field, value, None, problems)).ok()
    }

    /// Prefixes, addresses and sets. What can be read of the list is there, whatever is wrong with the rest.
    pub fn prefixes(&self, key: &str, world: &World<'_>, problems: &mut Problems) -> Vec<Item> {
        let field = self.field(key);
        let values = self.value(key).and_then(|value| array(field, value, problems));
        values.into_iter().flatten().filter_map(|value| item(field, value, world, problems)).collect()
    }

    /// Names of interfaces of the configuration.
    pub fn interfaces(&self, key: &str, world: &World<'_>, problems: &mut Problems) -> Option<Vec<Written>> {
        let field = self.field(key);
        let values = array(field, self.value(key)?, problems)?;
        all(values.into_iter().map(|value| interface(field, value, world, problems)))
    }

    pub fn cables(&self, key: &str, world: &World<'_>, problems: &mut Problems) -> Vec<Cable> {
        let field = self.field(key);
        let values = self.value(key).and_then(|value| array(field, value, problems));
        let cable = |value: Value<'a>| {
            let ends: Vec<Value<'_>> = value.elements().collect();
            let [one, other] = ends[..] else {
                return wrong_type(field, value, Some("a cable has two ends".into()), problems);
            };
            let ends = [one, other].map(|end| interface(field, end, world, problems));
            let [Some(one), Some(other)] = ends else { return None };
            Some(Cable { ends: [one, other], at: value.at })
        };
        values.into_iter().flatten().filter_map(cable).collect()
    }

    fn field(&self, key: &str) -> &'static Field {
        let field = self.fields.iter().find(|field| field.name == key);
        field.unwrap_or_else(|| unreachable!("`{key}` is a declared field"))
    }
}

/// All of them, or `None`; unlike `collect`, every one is looked at.
fn all<T>(values: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let values: Vec<Option<T>> = values.collect();
    values.into_iter().collect()
}

fn wrong_type<T>(
    field: &Field,
    value: Value<'_>,
    hint: Option<String>,
    problems: &mut Problems,
) -> Option<T> {
    let message = format!("`{}` wants {}, not {}", field.name, field.shape.wanted(), value.kind());
    problems.error(value.at, message, hint);
    None
}

fn array<'a>(field: &Field, value: Value<'a>, problems: &mut Problems) -> Option<Vec<Value<'a>>> {
    if value.value.is_array() {
        return Some(value.elements().collect());
    }
    let hint = value.value.as_str().map(|text| format!("write it in brackets: [\"{}\"]", shown(text)));
    wrong_type(field, value, hint, problems)
}

fn written(field: &Field, value: Value<'_>, problems: &mut Problems) -> Option<Written> {
    match value.value {
        DeValue::String(text) => Some(Written { text: text.to_string(), at: value.at }),
        _ => wrong_type(field, value, None, problems),
    }
}

fn word(
    field: &Field,
    words: &'static [&'static str],
    value: Value<'_>,
    problems: &mut Problems,
) -> Option<Word> {
    let hint = match value.value {
        DeValue::String(text) => {
            if let Some(word) = field::word(words, text) {
                return Some(Word { word, at: value.at });
            }
            did_you_mean(text, field::names(words))
        }
        _ => None,
    };
    let wanted = one_of(field::names(words));
    problems.error(value.at, format!("`{}` wants {wanted}, not {}", field.name, value.kind()), hint);
    None
}

fn item(field: &Field, value: Value<'_>, world: &World<'_>, problems: &mut Problems) -> Option<Item> {
    let Written { text, at } = written(field, value, problems)?;
    let what = match text.strip_prefix('@') {
        Some(name) if world.sets.contains_key(name) => What::Set(name.into()),
        Some(name) => {
            let near = nearest(name, world.sets.keys().map(String::as_str));
            let hint = match near {
                Some(near) => format!("did you mean `@{near}`?"),
                None => format!("declare it in [sets]: {} = [\"192.0.2.0/24\"]", shown(name)),
            };
            problems.error(at, format!("there is no set `{}`", shown(name)), Some(hint));
            return None;
        }
        None => match text.parse() {
            Ok(prefix) => What::Prefix(prefix),
            Err(error) => {
                let set = world.sets.contains_key(&text).then(|| format!("a set is written `@{text}`"));
                problems.error(at, error.to_string(), set);
                return None;
            }
        },
    };
    Some(Item { what, text, at })
}

fn interface(field: &Field, value: Value<'_>, world: &World<'_>, problems: &mut Problems) -> Option<Written> {
    let name = written(field, value, problems)?;
    if world.interfaces.iter().any(|interface| interface.name == name.text) {
        return Some(name);
    }
    let known = world.interfaces.iter().map(|interface| interface.name.as_str());
    let text = shown(&name.text);
    let hint = did_you_mean(&name.text, known)
        .unwrap_or_else(|| format!("add it to the configuration: [[interface]] name = \"{text}\""));
    problems.error(name.at, format!("there is no [[interface]] with the name `{text}`"), Some(hint));
    None
}
