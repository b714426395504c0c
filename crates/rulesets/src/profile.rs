//! The distributions of each family, in the parts that ClassBench takes a real set apart into (ToN 2007, section III:
//! "Analysis of real filter sets"): protocols and the pairs of port classes that go with each (III-A), lengths of
//! address prefixes, how their trie branches and how deep they nest, and the share of prefixes that source and
//! destination have in common (III-B).
//!
//! Where the numbers come from:
//! - *acl*, marked ¹: a public sheet "Access Control List Rule Table Analysis", which counts the distinct values of sets
//!   with 1000, 2000, 3000, 5000, 8000 and 10 000 rules: sources 79, 118, 301, 487, 2310, 4473; destinations 331, 311,
//!   298, 386, 551, 595; one source port; 101 to 108 destination ports; 4 protocols. Wildcards: source 13 to 35 rules and
//!   destination 8 to 56 rules of the set, every source port, 27 to 29 % of destination ports, 7 to 8 % of protocols.
//!   The sheet does not say how the sets were made. Its growth beyond 5000 rules is not followed: ours is even.
//! - From the paper, but from memory, section numbers included: the classes of ports, the parts of the model, the order
//!   by scope, the corners of the trace; that sets name few protocols and port ranges, that acl's source port is nearly
//!   always any, and that fw is full of wildcards.
//! - **All else is our estimate**, chosen to agree with those: the paper's tables were not at hand, and its seed files
//!   were not looked at. Actions, too: ClassBench has none.

use std::ops::RangeInclusive;

use super::{ICMP, Prefix, TCP, UDP};

/// The paper's five classes of port ranges (III-A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ports {
    /// WC, 0–65535
    Any,
    /// HI, 1024–65535
    High,
    /// LO, 0–1023
    Low,
    /// AR, an arbitrary range
    Range,
    /// EM, one port
    Exact,
}

/// Protocol, source ports, destination ports.
pub(super) type Service = (Option<u8>, Ports, Ports);

/// The prefixes of the source or of the destination.
pub(super) struct Side {
    /// Distinct prefixes per thousand rules…
    pub linear: usize,
    /// …and, beyond these, per root of the number of rules: larger sets say more about the same networks.
    pub root: usize,
    /// Share of the lengths; each range is even.
    pub lengths: &'static [(RangeInclusive<u8>, u32)],
    /// Begins inside one that is there, per mille. Others may come to lie in one, too, the more the larger the set.
    pub nested: u32,
    /// Prefixes of this side that may lie around one.
    pub nesting: u32,
}

/// What is `0.0.0.0/0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wild {
    Neither,
    Source,
    Destination,
    Both,
}

/// Weights of each list add up to 1000; shares are per mille.
pub(super) struct Profile {
    pub source: Side,
    pub destination: Side,
    /// Of the destinations: lie in a network that sources lie in.
    pub common: u32,
    pub wild: &'static [(Wild, u32)],
    pub services: &'static [(Service, u32)],
    /// That a pair of prefixes gets one more service: 500 is two on average.
    pub another: u32,
    pub drop: u32,
}

pub(super) static ACL: Profile = Profile {
    source: Side {
        linear: 100, // ¹ 3–10 % up to 5000 rules
        root: 0,
        lengths: &[
            (8..=15, 20),
            (16..=16, 80),
            (17..=23, 150),
            (24..=24, 270),
            (25..=31, 180),
            (32..=32, 300),
        ],
        nested: 450,
        nesting: 5,
    },
    destination: Side {
        linear: 10, // ¹ with the root: 444 for 1000 rules, of which about 250 get one
        root: 14,
        lengths: &[
            (16..=16, 20),
            (17..=23, 80),
            (24..=24, 130),
            (25..=27, 90),
            (28..=31, 150),
            (32..=32, 530),
        ],
        nested: 350,
        nesting: 5,
    },
    common: 300,
    wild: &[(Wild::Neither, 979), (Wild::Source, 13), (Wild::Destination, 8)], // ¹ of 1000 rules
    services: &[
        ((None, Ports::Any, Ports::Any), 75), // ¹
        ((Some(ICMP), Ports::Any, Ports::Any), 45),
        ((Some(TCP), Ports::Any, Ports::Any), 130), // ¹ with the other three: 28 %
        ((Some(UDP), Ports::Any, Ports::Any), 30),
        ((Some(TCP), Ports::Any, Ports::Exact), 480),
        ((Some(UDP), Ports::Any, Ports::Exact), 80),
        ((Some(TCP), Ports::Any, Ports::Range), 90),
        ((Some(UDP), Ports::Any, Ports::Range), 20),
        ((Some(TCP), Ports::Any, Ports::High), 40),
        ((Some(UDP), Ports::Any, Ports::High), 10),
    ],
    another: 600,
    drop: 300,
};

pub(super) static FIREWALL: Profile = Profile {
    source: Side {
        linear: 60,
        root: 3,
        lengths: &[(8..=15, 30), (16..=16, 80), (17..=23, 50), (24..=24, 130), (25..=31, 80), (32..=32, 630)],
        nested: 300,
        nesting: 4,
    },
    destination: Side {
        linear: 50,
        root: 3,
        lengths: &[(8..=15, 10), (16..=16, 50), (17..=23, 40), (24..=24, 120), (25..=31, 80), (32..=32, 700)],
        nested: 250,
        nesting: 4,
    },
    common: 200,
    wild: &[(Wild::Neither, 320), (Wild::Source, 350), (Wild::Destination, 280), (Wild::Both, 50)],
    services: &[
        ((None, Ports::Any, Ports::Any), 90),
        ((Some(ICMP), Ports::Any, Ports::Any), 50),
        ((Some(47), Ports::Any, Ports::Any), 10), // GRE
        ((Some(50), Ports::Any, Ports::Any), 10), // ESP
        ((Some(TCP), Ports::Any, Ports::Any), 80),
        ((Some(UDP), Ports::Any, Ports::Any), 30),
        ((Some(TCP), Ports::Any, Ports::Exact), 220),
        ((Some(UDP), Ports::Any, Ports::Exact), 70),
        ((Some(TCP), Ports::High, Ports::Exact), 110),
        ((Some(UDP), Ports::High, Ports::Exact), 40),
        ((Some(TCP), Ports::Exact, Ports::Any), 50),
        ((Some(UDP), Ports::Exact, Ports::Any), 30),
        ((Some(TCP), Ports::Exact, Ports::High), 40),
        ((Some(UDP), Ports::Exact, Ports::High), 30),
        ((Some(TCP), Ports::Exact, Ports::Exact), 30),
        ((Some(UDP), Ports::Exact, Ports::Exact), 40),
        ((Some(TCP), Ports::Any, Ports::Range), 30),
        ((Some(TCP), Ports::Any, Ports::High), 20),
        ((Some(TCP), Ports::High, Ports::High), 10),
        ((Some(UDP), Ports::High, Ports::High), 10),
    ],
    another: 500,
    drop: 350,
};

pub(super) static IP_CHAIN: Profile = Profile {
    source: Side {
        linear: 120,
        root: 6,
        lengths: &[
            (8..=15, 50),
            (16..=16, 80),
            (17..=23, 130),
            (24..=24, 200),
            (25..=31, 180),
            (32..=32, 360),
        ],
        nested: 450,
        nesting: 6,
    },
    destination: Side {
        linear: 100,
        root: 6,
        lengths: &[
            (8..=15, 40),
            (16..=16, 60),
            (17..=23, 130),
            (24..=24, 180),
            (25..=31, 190),
            (32..=32, 400),
        ],
        nested: 400,
        nesting: 6,
    },
    common: 500,
    wild: &[(Wild::Neither, 770), (Wild::Source, 120), (Wild::Destination, 100), (Wild::Both, 10)],
    services: &[
        ((None, Ports::Any, Ports::Any), 150),
        ((Some(ICMP), Ports::Any, Ports::Any), 60),
        ((Some(47), Ports::Any, Ports::Any), 10), // GRE
        ((Some(89), Ports::Any, Ports::Any), 10), // OSPF
        ((Some(TCP), Ports::Any, Ports::Any), 120),
        ((Some(UDP), Ports::Any, Ports::Any), 50),
        ((Some(TCP), Ports::Any, Ports::Exact), 280),
        ((Some(UDP), Ports::Any, Ports::Exact), 140),
        ((Some(TCP), Ports::Exact, Ports::Any), 60),
        ((Some(UDP), Ports::Exact, Ports::Any), 20),
        ((Some(UDP), Ports::Exact, Ports::Exact), 30),
        ((Some(TCP), Ports::High, Ports::Exact), 20),
        ((Some(UDP), Ports::High, Ports::Exact), 10),
        ((Some(TCP), Ports::Any, Ports::Range), 20),
        ((Some(TCP), Ports::Any, Ports::Low), 10),
        ((Some(UDP), Ports::Any, Ports::High), 10),
    ],
    another: 500,
    drop: 300,
};

/// Ports that services have, the popular ones first. A set knows these and [`OTHER_PORTS`] others of its own, about as
/// many as ¹ counts.
pub(super) const KNOWN_PORTS: [u16; 40] = [
    80, 443, 25, 53, 22, 21, 23, 110, 161, 123, 139, 445, 389, 143, 20, 1433, 3389, 1521, 8080, 514, 69, 137,
    135, 636, 993, 995, 88, 179, 500, 111, 2049, 3306, 5060, 1723, 554, 515, 119, 587, 5432, 6000,
];
pub(super) const OTHER_PORTS: usize = 50;

pub(super) const KNOWN_RANGES: [(u16, u16); 8] = [
    (137, 139),
    (20, 21),
    (161, 162),
    (6000, 6063),
    (33434, 33523),
    (1024, 5000),
    (49152, 65535),
    (8000, 8100),
];
pub(super) const OTHER_RANGES: usize = 8;

/// Of addresses nobody writes rules for: this network, loopback, multicast and above.
pub(super) const NOT_UNICAST: [Prefix; 3] = [(0, 8), (127 << 24, 8), (224 << 24, 3)];
