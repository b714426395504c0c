//! The source address decides first: a live block, then the longest prefix of the lists that covers it. Then the rules
//! decide, then the default.

use abi::{Action, Reason, Step};
use wire::{Fragment, Frame, Headers, ethernet, ipv4, ipv6, parse};

use crate::{
    essential,
    rules::Outcome,
    shared::{Value, deed, fragments},
};

/// The world this stage sees: its tables and counters.
pub trait Env {
    /// The value of the longest prefix that covers the address (host order), 0 when none does.
    fn lookup_v4(&self, address: u32) -> u32;
    /// As `lookup_v4`; the address as its two halves, host order.
    fn lookup_v6(&self, high: u64, low: u64) -> u32;
    fn hit(&mut self, slot: u32, bytes: u64);

    /// Whether the lists are looked up.
    fn has_lists(&self) -> bool {
        true
    }

    /// Whether an IP packet that no prefix covers is dropped.
    fn drops_by_default(&self) -> bool {
        false
    }

    /// Whether the blocks are looked up.
    fn has_blocks(&self) -> bool {
        false
    }

    /// The value of the longest block that covers the address, 0 when none does.
    fn block_v4(&self, _address: u32) -> u32 {
        0
    }

    /// As `block_v4`; the address as its two halves.
    fn block_v6(&self, _high: u64, _low: u64) -> u32 {
        0
    }

    fn block_hit(&mut self, _slot: u32, _bytes: u64) {}

    /// [`by_source`], unless it has a better way there.
    #[inline(always)]
    fn by_source<const VERSION: u8>(&mut self, frame: &Frame<'_>, at: usize, length: u64) -> Listed
    where
        Self: Sized,
    {
        by_source::<VERSION>(frame, at, length, self)
    }

    /// Whether there are rules.
    fn has_rules(&self) -> bool {
        false
    }

    /// Of [`fragments`].
    fn fragments(&self) -> u8 {
        fragments::FIRST_ONLY
    }

    /// What the rules say of the packet.
    fn judge(&mut self, _frame: &Frame<'_>, _headers: &Headers, _bytes: u64) -> Outcome {
        Outcome::NO_RULE
    }

    /// Turns the frame into an answer to itself; what gets none is dropped.
    fn reject(&mut self, _headers: &Headers, _length: u64) -> Action {
        Action::Drop
    }

    /// Sends the frame out of a port of the rules; `None`: its interface is not there.
    fn redirect(&mut self, _port: u32) -> Option<Action> {
        None
    }
}

/// What source addresses come to. No number is 0: see `bpf::forgotten`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Listed {
    No = 1,
    /// Neither rules nor the default are asked.
    Allow = 2,
    Drop = 3,
    Blocked = 4,
}

impl Listed {
    /// From its number.
    #[inline(always)]
    pub const fn from_number(number: u8) -> Self {
        match number {
            2 => Self::Allow,
            3 => Self::Drop,
            4 => Self::Blocked,
            _ => Self::No,
        }
    }
}

/// Judges one frame of `length` bytes. Without rules, frames that are not IP go on, and fragments are judged like any other
/// packet, since they all carry the source.
#[inline(always)]
pub fn process(frame: &Frame<'_>, headers: &Headers, length: u64, env: &mut impl Env) -> Step {
    // Before the lookups: the verifier would otherwise walk each of their paths once for each place that the transport
    // header can be in, ten times as many instructions.
    let by_default = env.drops_by_default() && !essential::is_essential(frame, headers);
    let listed = match headers.version {
        4 => env.by_source::<4>(frame, headers.network_offset(), length),
        6 => env.by_source::<6>(frame, headers.network_offset(), length),
        _ => Listed::No,
    };
    match listed {
        Listed::Blocked => return Step::Done(Action::Drop, Reason::Blocked),
        Listed::Drop => return Step::Done(Action::Drop, Reason::FirewallDrop),
        Listed::Allow => return Step::Next,
        Listed::No => {}
    }
    if env.has_rules() {
        let step = by_rules(frame, headers, length, env);
        if let Some(step) = step {
            return step;
        }
    }
    if by_default && headers.version != 0 {
        Step::Done(Action::Drop, Reason::FirewallDefault)
    } else {
        Step::Next
    }
}

/// `None`: no rule decides.
#[inline(always)]
fn by_rules(frame: &Frame<'_>, headers: &Headers, length: u64, env: &mut impl Env) -> Option<Step> {
    match env.fragments() {
        fragments::DROP if headers.fragment() != Fragment::Whole => {
            return Some(Step::Done(Action::Drop, Reason::Fragment));
        }
        fragments::PASS if headers.fragment() == Fragment::Later => return Some(Step::Next),
        _ => {}
    }
    let outcome = env.judge(frame, headers, length);
    match outcome.deed() {
        deed::ACCEPT => Some(Step::Next),
        deed::DROP => Some(Step::Done(Action::Drop, Reason::RuleDrop)),
        deed::REJECT => Some(Step::Done(env.reject(headers, length), Reason::RuleReject)),
        // A header that is cut off can be no service's, and a rule that asks for its ports must not be got around by it.
        deed::MALFORMED => Some(Step::Done(Action::Drop, Reason::RuleMalformed)),
        deed::LIMIT => Some(Step::Done(Action::Drop, Reason::RuleLimit)),
        // Where the interface is gone the frame is not the kernel's to see instead.
        deed::REDIRECT => match env.redirect(outcome.parameter()) {
            Some(action) => Some(Step::Done(action, Reason::RuleRedirect)),
            None => Some(Step::Done(Action::Drop, Reason::RuleDrop)),
        },
        _ => None,
    }
}

/// Judges a frame that is not what it says it is, by the source in its fixed IP header, where there is one. The kernel
/// delivers some of what senko does not read to its end, such as a long chain of IPv6 extension headers: nobody shall
/// come around a prefix that way, nor around rules or the default, under which a frame that announces IP needs a prefix to
/// pass.
#[inline(always)]
pub fn process_malformed(frame: &Frame<'_>, length: u64, env: &mut impl Env) -> Step {
    let Ok(mut ethertype) = parse::ethertype(frame) else { return Step::Next };
    let mut at = ethernet::HEADER;
    for _ in 0..2 {
        if ethernet::is_tag(ethertype) {
            let Some(tag) = frame.window::<{ ethernet::TAG }>(at) else { return Step::Next };
            ethertype = tag.be16::<2>();
            at += ethernet::TAG;
        }
    }
    let listed = match ethertype {
        ethernet::IPV4 => env.by_source::<4>(frame, at, length),
        ethernet::IPV6 => env.by_source::<6>(frame, at, length),
        _ => return Step::Next,
    };
    match listed {
        Listed::Blocked => Step::Done(Action::Drop, Reason::Blocked),
        Listed::Drop => Step::Done(Action::Drop, Reason::FirewallDrop),
        Listed::Allow => Step::Next,
        Listed::No if env.has_rules() => Step::Done(Action::Drop, Reason::RuleMalformed),
        Listed::No if env.drops_by_default() => Step::Done(Action::Drop, Reason::FirewallDefault),
        Listed::No => Step::Next,
    }
}

/// Blocks, then lists, by the source in the IP header at `at`.
#[inline(always)]
pub fn by_source<const VERSION: u8>(frame: &Frame<'_>, at: usize, length: u64, env: &mut impl Env) -> Listed {
    if env.has_blocks() {
        let block = if VERSION == 4 {
            source_v4(frame, at).map_or(0, |source| env.block_v4(source))
        } else {
            source_v6(frame, at).map_or(0, |(high, low)| env.block_v6(high, low))
        };
        if block != 0 {
            env.block_hit(Value(block).slot(), length);
            return Listed::Blocked;
        }
    }
    if env.has_lists() {
        let listed = if VERSION == 4 {
            source_v4(frame, at).map_or(0, |source| env.lookup_v4(source))
        } else {
            source_v6(frame, at).map_or(0, |(high, low)| env.lookup_v6(high, low))
        };
        if listed != 0 {
            let value = Value(listed);
            env.hit(value.slot(), length);
            return if value.is_allow() { Listed::Allow } else { Listed::Drop };
        }
    }
    Listed::No
}

/// The source of the IPv4 header at `at`, where there is one.
#[inline(always)]
fn source_v4(frame: &Frame<'_>, at: usize) -> Option<u32> {
    let ip = frame.window::<{ ipv4::HEADER }>(at)?;
    if ip.u8::<0>() >> 4 == 4 { Some(ip.be32::<{ ipv4::offset::SOURCE }>()) } else { None }
}

/// As `source_v4`, of an IPv6 header: the two halves.
#[inline(always)]
fn source_v6(frame: &Frame<'_>, at: usize) -> Option<(u64, u64)> {
    let ip = frame.window::<{ ipv6::HEADER }>(at)?;
    if ip.u8::<0>() >> 4 != 6 {
        return None;
    }
    let [a, b, c, d] = ip.be128::<{ ipv6::offset::SOURCE }>();
    Some((u64::from(a) << 32 | u64::from(b), u64::from(c) << 32 | u64::from(d)))
}
