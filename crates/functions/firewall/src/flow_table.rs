//! How flows are remembered: a table of fixed size in which a flow is one word.
//!
//! ```text
//! 63..21   20..18   17..0
//! tag      state    when it was last sent, in units of 2^33 ns (8.6 s)
//! ```
//!
//! A flow's 64-bit hash says which bucket it lives in and what its tag is; its addresses are not kept. So a flow takes eight
//! bytes, is written by one store that no reader can see half of, and is found in one cache line. The price is that a packet of
//! no flow passes for one when its tag is that of one of the sixteen in its bucket: one in 2^39, where whoever sends blindly
//! guesses a known peer's port one time in 2^16. The hash is strongly universal under words that nobody outside knows (Thorup,
//! "High speed hashing for integers and strings", 2015, section 3.3), so no choice of addresses and ports does better.
//!
//! A bucket is two cache lines that the processor fetches as a pair. Flows stand in the one that the hash names and go to the
//! other when it is full; when both are, the one that has least of its time left makes way.

use crate::flow::{Flow, Sent};

/// Words of a bucket.
pub const SLOTS: usize = 16;
/// Words of a cache line.
pub const LINE: usize = 8;

/// A bucket as the map has it.
pub type Words = [u64; SLOTS];

/// Random words that the hash of a flow takes.
pub const SEEDS: usize = 22;

/// Slots for each flow that there shall be room for: then of a million flows a handful find their first line full, and one in
/// some tables its bucket.
const SLOTS_PER_FLOW: u32 = 4;

/// Flows of each bucket that there is room for.
pub const FLOWS_PER_BUCKET: u32 = SLOTS as u32 / SLOTS_PER_FLOW;

/// Buckets for so many flows, a power of two.
pub const fn buckets(flows: u32) -> u32 {
    let buckets = (flows as u64 * SLOTS_PER_FLOW as u64).div_ceil(SLOTS as u64).next_power_of_two();
    if buckets > MOST_BUCKETS as u64 { MOST_BUCKETS } else { buckets as u32 }
}

/// As many as bits of the hash name, without those of the tag.
pub const MOST_BUCKETS: u32 = 1 << 20;

/// What a flow is remembered for: so long after the last packet that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// RFC 5382 section 5 and RFC 7857 section 2.1: four minutes for connections that are not established yet.
    Opening = 1,
    /// RFC 5382, REQ-5: two hours and four minutes, which is longer than TCP's keep-alive (RFC 9293 section 3.8.4).
    Open = 2,
    /// RFC 5382, REQ-5: four minutes for connections that are closing.
    Closing = 3,
    /// RFC 4787, REQ-5: five minutes for UDP. REQ-6: what goes out refreshes it.
    Datagram = 4,
    /// RFC 5508, REQ-1: not less than a minute for ICMP queries.
    Query = 5,
}

const SECONDS: [u64; 6] = [0, 240, 7440, 240, 300, 60];

/// Units that a state lasts, eleven bits each, without branches for the verifier to follow.
const LASTS: u64 = {
    let (mut packed, mut state) = (0, 1);
    while state < SECONDS.len() {
        // One more: the first unit had begun.
        packed |= ((SECONDS[state] * 1_000_000_000).div_ceil(1 << UNIT) + 1) << (11 * state);
        state += 1;
    }
    packed
};

/// Nanoseconds by which the time is shifted.
const UNIT: u32 = 33;
const TIME: u64 = (1 << 18) - 1;
const STATE: u32 = 18;
const TAG: u32 = 21;

/// The time of a table, from nanoseconds since boot.
#[inline(always)]
pub const fn time(nanoseconds: u64) -> u64 {
    nanoseconds >> UNIT & TIME
}

/// The hash: two that are 32 bits each, of pairs of words.
#[inline(always)]
pub fn hash(flow: &Flow, seeds: &[u64; SEEDS]) -> u64 {
    let Flow { source, destination, ports, protocol } = *flow;
    let mut halves = [0; 2];
    let mut half = 0;
    while half < 2 {
        let at = half * (SEEDS / 2);
        let mut sum = seeds[at]
            .wrapping_add(product(seeds[at + 1], seeds[at + 2], source[0], destination[0]))
            .wrapping_add(product(seeds[at + 3], seeds[at + 4], ports, protocol));
        if protocol >> 8 == 6 {
            sum = sum
                .wrapping_add(product(seeds[at + 5], seeds[at + 6], source[1], source[2]))
                .wrapping_add(product(seeds[at + 7], seeds[at + 8], source[3], destination[1]))
                .wrapping_add(product(seeds[at + 9], seeds[at + 10], destination[2], destination[3]));
        }
        halves[half] = sum >> 32;
        half += 1;
    }
    halves[0] << 32 | halves[1]
}

#[inline(always)]
const fn product(a: u64, b: u64, x: u32, y: u32) -> u64 {
    a.wrapping_add(y as u64).wrapping_mul(b.wrapping_add(x as u64))
}

/// A bucket that others may write to at the same time, each word as a whole.
pub trait Bucket {
    fn get(&self, line: u32, slot: usize) -> u64;
    fn set(&mut self, line: u32, slot: usize, word: u64);
}

impl Bucket for Words {
    fn get(&self, line: u32, slot: usize) -> u64 {
        self[line as usize * LINE + slot]
    }

    fn set(&mut self, line: u32, slot: usize, word: u64) {
        self[line as usize * LINE + slot] = word;
    }
}

/// The line of its bucket that a flow stands in first.
#[inline(always)]
const fn home(hash: u64) -> u32 {
    (hash >> (TAG - 1) & 1) as u32
}

/// Whether a flow was sent by, and not too long ago.
#[inline(always)]
pub fn is_alive(bucket: &impl Bucket, hash: u64, now: u64) -> bool {
    let first = home(hash);
    let mut word = word_of(bucket, first, hash);
    if word == 0 {
        word = word_of(bucket, first ^ 1, hash);
    }
    left(word, now) > 0
}

/// The word of a flow in a line, or 0. Which of them it is decides no branch: the processor could not foresee it, and would stand
/// still until the line has come from memory.
#[inline(always)]
fn word_of(bucket: &impl Bucket, line: u32, hash: u64) -> u64 {
    let mut found = 0;
    let mut slot = 0;
    while slot < LINE {
        let word = bucket.get(line, slot);
        let differs = (word ^ hash) >> TAG;
        // All ones where nothing differs: the tag has fewer bits than the word.
        found |= word & all_if_negative(differs.wrapping_sub(1));
        slot += 1;
    }
    found
}

#[inline(always)]
fn find(bucket: &impl Bucket, line: u32, hash: u64) -> Option<(usize, u64)> {
    let mut slot = 0;
    while slot < LINE {
        let word = bucket.get(line, slot);
        if (word ^ hash) >> TAG == 0 && word != 0 {
            return Some((slot, word));
        }
        slot += 1;
    }
    None
}

/// Remembers a packet that goes out. Where nothing is new, nothing is written: a flow's word changes once in [`UNIT`], or with
/// its state.
#[inline(always)]
pub fn remember(bucket: &mut impl Bucket, hash: u64, sent: Sent, now: u64) {
    let first = home(hash);
    let mut line = first;
    let mut found = find(bucket, line, hash);
    if found.is_none() {
        line = first ^ 1;
        found = find(bucket, line, hash);
    }
    match found {
        Some((slot, word)) => {
            let former = if left(word, now) > 0 { (word >> STATE & 7) as u8 } else { 0 };
            let fresh = hash >> TAG << TAG | u64::from(next(sent, former)) << STATE | now;
            if next(sent, former) != 0 && fresh != word {
                bucket.set(line, slot, fresh);
            }
        }
        None => {
            let state = next(sent, 0);
            if state != 0 {
                let (line, slot) = least(bucket, first, now);
                bucket.set(line, slot, hash >> TAG << TAG | u64::from(state) << STATE | now);
            }
        }
    }
}

/// The slot whose flow has least of its time left. What has none left is emptied on the way: times begin anew after 26 days.
/// Which it is decides no branch: older verifiers would walk through the rest once for each that it can be so far.
#[inline(always)]
fn least(bucket: &mut impl Bucket, first: u32, now: u64) -> (u32, usize) {
    // What is left, with the place below it, so that the smaller is the sooner.
    let mut least = u64::MAX >> 1;
    let mut at = 0;
    while at < SLOTS {
        let (line, slot) = (first ^ (at / LINE) as u32, at % LINE);
        let word = bucket.get(line, slot);
        let left = left(word, now);
        let here = left << PLACE | at as u64;
        least ^= (least ^ here) & all_if_negative(here.wrapping_sub(least));
        if left == 0 && word != 0 {
            bucket.set(line, slot, 0);
        }
        at += 1;
    }
    let place = least as usize & (SLOTS - 1);
    (first ^ (place / LINE) as u32, place % LINE)
}

/// Bits of a place in a bucket.
const PLACE: u32 = SLOTS.trailing_zeros();

/// All bits of a word, taken as signed, that is below 0, else none.
#[inline(always)]
const fn all_if_negative(word: u64) -> u64 {
    (word as i64 >> 63) as u64
}

/// Units that a word's flow has left; 0: it is over, or there is none.
#[inline(always)]
const fn left(word: u64, now: u64) -> u64 {
    let age = now.wrapping_sub(word) & TIME;
    // Another processor's clock may be a moment ahead: the two highest ages are none.
    let age = age & ((age + 2) >> STATE).wrapping_sub(1);
    let lasts = LASTS >> (11 * (word >> STATE & 7)) & 0x7ff;
    let left = lasts.wrapping_sub(age);
    left & !all_if_negative(left)
}

/// The state after a packet; 0: none. `former` is 0 where there was no flow.
#[inline(always)]
const fn next(sent: Sent, former: u8) -> u8 {
    const CLOSING: u8 = State::Closing as u8;
    match sent {
        Sent::Open => State::Opening as u8,
        // The last acknowledgements of a connection that is closing do not open it again.
        Sent::Data if former == CLOSING => CLOSING,
        Sent::Data => State::Open as u8,
        Sent::End => CLOSING,
        Sent::Reset if former == 0 => 0,
        Sent::Reset => CLOSING,
        Sent::Datagram => State::Datagram as u8,
        Sent::Query => State::Query as u8,
    }
}

/// Flows of buckets that are remembered now.
#[cfg(not(target_arch = "bpf"))]
pub fn count(buckets: &[Words], now: u64) -> u64 {
    buckets.iter().flatten().filter(|word| left(**word, now) > 0).count() as u64
}
