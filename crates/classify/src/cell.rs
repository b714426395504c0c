//! What a leaf consists of: rules over the five-tuple with their verdicts, and before a rule what it asks besides.

use abi::shared;

use crate::{
    slot::NOTHING,
    walk::{Key, WORDS, word},
};

shared! {
    /// ```text
    /// rule    0  source and destination: first words
    ///         1  63: 1   62: last of the leaf   61: not for flagged packets   60..57: action   56..51, 50..45: low bits of
    ///            the destination, of the source that are open   44..0: the lowest of a `Five`'s lanes
    ///         2  63..45: order   44..0: the highest of the lanes, with their guards
    ///         3  parameter, slot
    /// asks    two conditions, (key[word] & mask) - low <= span, wrapping
    ///         0  low, mask of one   2  low, mask of the other   3  span of the other, of the one
    ///         1  63: 0   62: of the last rule   23..16: cells to the next rule   15..8: word of the other   7..0: of the one
    /// ```
    #[derive(Hash)]
    pub struct Cell {
        pub words: [u64; 4],
    }
}

const RULE: u64 = 1 << 63;
const LAST: u64 = 1 << 62;
/// In a rule and in a [`Five`] alike.
const FLAG: u32 = 61;
const ACTION: u32 = 57;
const OPEN_SOURCE: u32 = 45;
const OPEN_DESTINATION: u32 = 51;
const ORDER: u32 = 45;

/// Orders that a rule can have: 0 up to this, this not included.
pub const ORDERS: u32 = 1 << 19;

/// What a rule comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// Its place in the list: of two that match the lower decides. Below [`ORDERS`].
    pub order: u32,
    /// Its counter's.
    pub slot: u32,
    pub parameter: u32,
    /// Means something to the caller. Below 16.
    pub action: u8,
}

/// The five-tuple of a packet, and its flag, in two words.
///
/// ```text
///      63..32    31..0
/// 0    source    destination: first words
///      61     44   43..36     35   34..18        17   16..0
/// 1    flag   0    protocol   0    source port   0    destination port: three lanes, above each a bit for a guard
/// ```
///
/// A lane is between two values if neither of two differences, of all lanes at once, borrows from its guard: as cheap as to
/// compare one of them, and in one branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Five(pub u64, pub u64);

const SOURCE_PORT: u32 = 18;
const PROTOCOL: u32 = 36;
const GUARDS: u64 = 1 << 17 | 1 << 35 | 1 << 44;

/// The highest value of a lane of a port, one more bit than a port has.
const MOST_PORT: u32 = (1 << 17) - 1;

impl Five {
    /// Of a key. A port is below 2^17.
    #[inline(always)]
    pub const fn of(key: &Key) -> Self {
        Self::new(
            key[word::SOURCE as usize],
            key[word::DESTINATION as usize],
            key[word::PROTOCOL as usize],
            key[word::SOURCE_PORT as usize],
            key[word::DESTINATION_PORT as usize],
        )
        .flagged(key[word::FLAG as usize])
    }

    #[inline(always)]
    pub const fn new(source: u32, destination: u32, protocol: u32, source_port: u32, port: u32) -> Self {
        Self::of_addresses((source as u64) << 32 | destination as u64, protocol, source_port, port)
    }

    /// Of one that has no flag yet; 1 or 0.
    #[inline(always)]
    #[must_use]
    pub const fn flagged(self, flag: u32) -> Self {
        Self(self.0, self.1 | (flag as u64) << FLAG)
    }

    /// `addresses`: the source's first word before the destination's, as the eight bytes of an IPv4 header have them.
    #[inline(always)]
    pub const fn of_addresses(addresses: u64, protocol: u32, source_port: u32, port: u32) -> Self {
        Self(addresses, lanes(protocol, source_port, port))
    }

    #[inline(always)]
    pub const fn source(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline(always)]
    pub const fn destination(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    pub const fn source_port(self) -> u32 {
        (self.1 >> SOURCE_PORT) as u32 & MOST_PORT
    }

    #[inline(always)]
    pub const fn destination_port(self) -> u32 {
        self.1 as u32 & MOST_PORT
    }

    /// 1 or 0.
    #[inline(always)]
    pub const fn flag(self) -> u32 {
        (self.1 >> FLAG) as u32 & 1
    }

    /// Where the lowest `bits` bits of a word of the key stand: in which of the two words, and from which bit on. `None`: they
    /// are not there.
    pub const fn place(word: u8, bits: u32) -> Option<(usize, u32)> {
        let (which, at, most) = match word {
            word::SOURCE => (0, 32, 32),
            word::DESTINATION => (0, 0, 32),
            word::PROTOCOL => (1, PROTOCOL, 8),
            word::SOURCE_PORT => (1, SOURCE_PORT, 17),
            word::DESTINATION_PORT => (1, 0, 17),
            word::FLAG => (1, FLAG, 1),
            _ => return None,
        };
        if bits <= most { Some((which, at)) } else { None }
    }
}

#[inline(always)]
const fn lanes(protocol: u32, source_port: u32, port: u32) -> u64 {
    (protocol as u64) << PROTOCOL | (source_port as u64) << SOURCE_PORT | port as u64
}

/// What a rule asks of the five-tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple {
    /// First words, and their low bits that are open.
    pub source: (u32, u32),
    pub destination: (u32, u32),
    /// Lowest and highest.
    pub protocol: (u32, u32),
    pub source_port: (u32, u32),
    pub destination_port: (u32, u32),
    /// Flagged packets match, too.
    pub flagged: bool,
}

impl Tuple {
    pub const ALL: Self = Self {
        source: (0, 32),
        destination: (0, 32),
        protocol: (0, 0xff),
        source_port: (0, MOST_PORT),
        destination_port: (0, MOST_PORT),
        flagged: true,
    };
    const NONE: Self = Self { protocol: (1, 0), ..Self::ALL };
}

/// `(value & mask) - low <= span`, wrapping, of a word of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    pub word: u8,
    pub mask: u32,
    pub low: u32,
    pub span: u32,
}

impl Ask {
    /// Always holds.
    pub const NOTHING: Self = Self { word: 0, mask: 0, low: 0, span: 0 };
}

impl Cell {
    /// The only cell of a leaf in which nothing matches.
    pub const NOTHING: Self =
        Self::rule(Tuple::NONE, Verdict { order: 0, slot: 0, parameter: 0, action: 0 }).last();

    pub const fn rule(tuple: Tuple, verdict: Verdict) -> Self {
        let Tuple { source, destination, protocol, source_port, destination_port, flagged } = tuple;
        let low = lanes(protocol.0, source_port.0, destination_port.0)
            | (!flagged as u64) << FLAG
            | (source.1 as u64) << OPEN_SOURCE
            | (destination.1 as u64) << OPEN_DESTINATION
            | (verdict.action as u64) << ACTION;
        let high = lanes(protocol.1, source_port.1, destination_port.1) | (verdict.order as u64) << ORDER;
        Self {
            words: [
                (source.0 as u64) << 32 | destination.0 as u64,
                RULE | low,
                GUARDS | high,
                (verdict.parameter as u64) << 32 | verdict.slot as u64,
            ],
        }
    }

    /// `skip`: cells from this one to the next rule's first.
    pub const fn asks(one: Ask, other: Ask, skip: u8) -> Self {
        const fn both(low: u32, high: u32) -> u64 {
            (high as u64) << 32 | low as u64
        }
        let meta = (skip as u64) << 16 | (other.word as u64) << 8 | one.word as u64;
        Self {
            words: [both(one.mask, one.low), meta, both(other.mask, other.low), both(one.span, other.span)],
        }
    }

    /// The same as the last rule's.
    #[must_use]
    pub const fn last(mut self) -> Self {
        self.words[1] |= LAST;
        self
    }

    /// It is a rule with its verdict, and not what a rule asks besides.
    #[inline(always)]
    pub const fn is_rule(&self) -> bool {
        (self.words[1] as i64) < 0
    }

    /// It is the leaf's last rule's.
    #[inline(always)]
    pub const fn is_last(&self) -> bool {
        self.words[1] & LAST != 0
    }

    /// Of a cell that is a rule.
    #[inline(always)]
    pub const fn order(&self) -> u32 {
        (self.words[2] >> ORDER) as u32
    }

    /// Of a cell that is a rule.
    #[inline(always)]
    pub const fn verdict(&self) -> Verdict {
        Verdict {
            order: self.order(),
            slot: self.words[3] as u32,
            parameter: (self.words[3] >> 32) as u32,
            action: (self.words[1] >> ACTION) as u8 & 15,
        }
    }

    /// Of a cell that is a rule, whose counter is another one.
    #[must_use]
    pub const fn with_slot(mut self, slot: u32) -> Self {
        self.words[3] = self.words[3] >> 32 << 32 | slot as u64;
        self
    }

    /// Of a cell that is a rule: whether it is one for this five-tuple. In one branch: which of the fields differ cannot be
    /// foretold, and the verifier would walk every way through them.
    #[inline(always)]
    pub const fn matches(&self, five: Five) -> bool {
        let [addresses, low, high, _] = self.words;
        let differ = five.0 ^ addresses;
        let source = differ >> 32 >> (low >> OPEN_SOURCE & 63);
        let destination = (differ as u32 as u64) >> (low >> OPEN_DESTINATION & 63);
        let inside = (five.1 | GUARDS).wrapping_sub(low) & high.wrapping_sub(five.1);
        source | destination | !inside & GUARDS | low & five.1 & 1 << FLAG == 0
    }

    /// Of a cell that is not: whether both conditions hold.
    #[inline(always)]
    pub const fn holds(&self, key: &Key) -> bool {
        let [first, meta, second, spans] = self.words;
        let one = (key[meta as usize & (WORDS - 1)] & first as u32).wrapping_sub((first >> 32) as u32);
        let other =
            (key[meta as usize >> 8 & (WORDS - 1)] & second as u32).wrapping_sub((second >> 32) as u32);
        one <= spans as u32 && other <= (spans >> 32) as u32
    }

    /// Of a cell that is not a rule.
    #[inline(always)]
    pub const fn skip(&self) -> u32 {
        (self.words[1] >> 16) as u32 & 0xff
    }
}

const _: () = assert!(ORDERS as u64 == 1 << (64 - ORDER) && NOTHING >= ORDERS);
