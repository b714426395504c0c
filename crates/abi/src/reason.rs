//! Why a stage decided what it decided: one enum for all stages, counters, captures and documents.

use crate::{Stage, shared};

/// The reason of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reason {
    /// No stage wanted the frame: it goes to the kernel.
    Unclaimed = 0,
    /// The frame is not what it says it is; the kernel may judge it.
    Malformed = 1,
    /// A `--drop` prefix matched the source.
    FirewallDrop = 2,
    /// Sent out of the other port.
    RedirectPort = 3,
    /// An echo request was answered.
    RedirectReflect = 4,
    /// An echo request that is not whole (fragment, options, truncated): the kernel's to answer.
    RedirectNotPlain = 5,
    /// The kernel has no route back to the sender, or forbids one.
    RedirectNoRoute = 6,
    /// The kernel does not know the next hop's MAC address yet.
    RedirectNoNeighbour = 7,
    /// The way back leaves through an interface that this instance does not serve.
    RedirectForeignPort = 8,
    /// An echo request for an address that is not this host's.
    RedirectNotLocal = 9,
    /// The kernel looks up routes for XDP only where forwarding is on.
    RedirectForwardingOff = 10,
    /// No prefix of the lists covers the source, and what is not listed is dropped.
    FirewallDefault = 11,
    /// A live block matched the source.
    Blocked = 12,
    /// A rule says drop.
    RuleDrop = 13,
    /// More packets than a rule's limit.
    RuleLimit = 14,
    /// A rule says reject: an answer was sent back.
    RuleReject = 15,
    /// A rule says redirect.
    RuleRedirect = 16,
    /// A fragment, where `fragments = "drop"`.
    Fragment = 17,
    /// An IP packet that is not what it says it is, where there are rules: they cannot judge it.
    RuleMalformed = 18,
    /// It goes to the kernel without the mark that a rule gave it: the driver takes no metadata.
    RuleUnmarked = 19,
}

/// Reasons that an interface has room for in the map `REASONS`: reason `r` of interface slot `i` is element
/// `i * STRIDE + r`. New reasons are added at the end, so that counters which live on keep their meaning.
pub const STRIDE: u32 = 64;

const _: () = assert!(Reason::ALL.len() <= STRIDE as usize);

shared! {
    /// Frames judged for one reason. Per CPU: a reader sums them.
    pub struct Judged {
        pub packets: u64,
        pub bytes: u64,
    }
}

impl Reason {
    pub const ALL: [Self; 20] = [
        Self::Unclaimed,
        Self::Malformed,
        Self::FirewallDrop,
        Self::RedirectPort,
        Self::RedirectReflect,
        Self::RedirectNotPlain,
        Self::RedirectNoRoute,
        Self::RedirectNoNeighbour,
        Self::RedirectForeignPort,
        Self::RedirectNotLocal,
        Self::RedirectForwardingOff,
        Self::FirewallDefault,
        Self::Blocked,
        Self::RuleDrop,
        Self::RuleLimit,
        Self::RuleReject,
        Self::RuleRedirect,
        Self::Fragment,
        Self::RuleMalformed,
        Self::RuleUnmarked,
    ];

    /// Stable name for JSON rows and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unclaimed => "unclaimed",
            Self::Malformed => "malformed",
            Self::FirewallDrop => "firewall_drop",
            Self::RedirectPort => "redirect_port",
            Self::RedirectReflect => "redirect_reflect",
            Self::RedirectNotPlain => "redirect_not_plain",
            Self::RedirectNoRoute => "redirect_no_route",
            Self::RedirectNoNeighbour => "redirect_no_neighbour",
            Self::RedirectForeignPort => "redirect_foreign_port",
            Self::RedirectNotLocal => "redirect_not_local",
            Self::RedirectForwardingOff => "redirect_forwarding_off",
            Self::FirewallDefault => "firewall_default",
            Self::Blocked => "blocked",
            Self::RuleDrop => "rule_drop",
            Self::RuleLimit => "rule_limit",
            Self::RuleReject => "rule_reject",
            Self::RuleRedirect => "rule_redirect",
            Self::Fragment => "fragment",
            Self::RuleMalformed => "rule_malformed",
            Self::RuleUnmarked => "rule_unmarked",
        }
    }

    pub const fn from_code(code: u8) -> Option<Self> {
        if (code as usize) < Self::ALL.len() { Some(Self::ALL[code as usize]) } else { None }
    }
}

impl Reason {
    /// The stage whose reason it is; `None`: of every program.
    pub const fn stage(self) -> Option<Stage> {
        match self {
            Self::Unclaimed | Self::Malformed => None,
            Self::FirewallDrop
            | Self::FirewallDefault
            | Self::Blocked
            | Self::RuleDrop
            | Self::RuleLimit
            | Self::RuleReject
            | Self::RuleRedirect
            | Self::Fragment
            | Self::RuleMalformed
            | Self::RuleUnmarked => Some(Stage::Firewall),
            Self::RedirectPort
            | Self::RedirectReflect
            | Self::RedirectNotPlain
            | Self::RedirectNoRoute
            | Self::RedirectNoNeighbour
            | Self::RedirectForeignPort
            | Self::RedirectNotLocal
            | Self::RedirectForwardingOff => Some(Stage::Redirect),
        }
    }

    /// Whether the frame ends with it.
    pub const fn is_drop(self) -> bool {
        matches!(
            self,
            Self::FirewallDrop
                | Self::FirewallDefault
                | Self::Blocked
                | Self::RuleDrop
                | Self::RuleLimit
                | Self::RuleReject
                | Self::Fragment
                | Self::RuleMalformed
        )
    }
}
