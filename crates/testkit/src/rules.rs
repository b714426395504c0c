//! Random rules as text, and frames that are aimed at them: both draw from the same few addresses, ports and numbers as
//! [`crate::random`], so that they meet often.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};

use crate::random;

/// Interfaces that rules name.
pub const INTERFACES: [&str; 2] = ["eth0", "eth1"];

/// Sets that rules name. They overlap, and one prefix lies in another's.
pub const SETS: [(&str, &[&str]); 4] = [
    ("office", &["10.0.0.0/30", "10.0.9.2", "2001:db8::/126"]),
    ("wide", &["10.0.0.0/8", "10.0.0.2", "192.0.2.1", "2001:db8::/32", "fe80::/10"]),
    ("six", &["2001:db8::2", "2001:db8:9::/48"]),
    ("nobody", &[]),
];

/// Below `[firewall]`.
pub fn section(rules: &[String], fragments: &str, default: &str) -> String {
    let quoted: Vec<String> = rules.iter().map(|rule| format!("\"{rule}\"")).collect();
    format!("default = \"{default}\"\nfragments = \"{fragments}\"\nrules = [{}]\n", quoted.join(", "))
}

/// `{a, b}`, or the one alone.
fn list(values: &[String]) -> String {
    match values {
        [one] => one.clone(),
        several => format!("{{{}}}", several.join(", ")),
    }
}

/// `word value`, `word not {value, value}`.
fn condition(word: &'static str, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (vec(value, 1..4), prop::bool::weighted(0.3)).prop_map(move |(mut values, not)| {
        values.sort_unstable();
        values.dedup();
        format!("{word} {}{}", if not { "not " } else { "" }, list(&values))
    })
}

/// Numbers, ranges and comparisons near some that packets have.
fn numbers(word: &'static str, often: &'static [u32], most: u32) -> impl Strategy<Value = String> {
    let near = prop_oneof![4 => select(often), 1 => 1..most];
    let value = (near, 0..6_u8, 0..most / 4).prop_map(move |(number, how, width)| match how {
        0 => format!("{number}-{}", (number + width).min(most)),
        1 if number > 0 => format!("< {number}"),
        2 if number < most => format!("> {number}"),
        _ => number.to_string(),
    });
    condition(word, value)
}

fn prefix(v6: bool) -> impl Strategy<Value = String> {
    let set = select(vec!["@office", "@wide", "@six", "@nobody"]);
    let v4 =
        vec!["10.0.0.1", "10.0.0.2", "10.0.0.0/24", "10.0.0.0/30", "10.0.0.0/8", "192.0.2.0/24", "0.0.0.0/1"];
    let of_v6 =
        vec!["2001:db8::1", "2001:db8::2", "2001:db8::/64", "2001:db8::/31", "fe80::/10", "::/1", "::1"];
    let prefix = select(if v6 { of_v6 } else { v4 });
    prop_oneof![3 => prefix, 1 => set].prop_map(str::to_owned)
}

/// More prefixes than a rule compares one by one.
fn long(v6: bool) -> impl Strategy<Value = String> {
    (prop::bool::weighted(0.3), 13..20_u32).prop_map(move |(not, count)| {
        let prefixes: Vec<String> = (1..=count)
            .map(|n| if v6 { format!("2001:db8:{}::/48", n - 1) } else { format!("10.{}.{n}.0/24", n % 3) })
            .chain([if v6 { "2001:db8::2" } else { "10.0.0.2" }.to_owned()])
            .collect();
        format!("{}{}", if not { "not " } else { "" }, list(&prefixes))
    })
}

fn addresses(v6: bool) -> impl Strategy<Value = Vec<String>> {
    let one = move |word| {
        let short = condition(word, prefix(v6)).boxed();
        prop_oneof![6 => short, 1 => long(v6).prop_map(move |list| format!("{word} {list}"))]
    };
    (option::weighted(0.3, one("from")), option::weighted(0.3, one("to")))
        .prop_map(|(from, to)| from.into_iter().chain(to).collect())
}

/// The protocol, with what it carries.
fn upper() -> impl Strategy<Value = Vec<String>> {
    const PORTS: &[u32] = &[53, 66, 67, 68, 80, 443, 546, 547, 50_000];
    let ports = || {
        let one = |word| option::weighted(0.5, numbers(word, PORTS, 65_535));
        (one("sport"), one("port")).prop_map(|(a, b)| a.into_iter().chain(b).collect::<Vec<_>>())
    };
    let flags = select(vec![
        "flags syn",
        "flags syn/syn,ack",
        "flags not syn/syn,ack",
        "flags {none, fin, syn+ack}",
        "flags not {syn, ack}",
        "flags syn,ack/syn,ack",
        "flags not all",
        "flags rst/rst",
        "flags not {ece/ece, urg/urg}",
    ]);
    let with = |protocol: &'static str, rest: BoxedStrategy<Vec<String>>| {
        rest.prop_map(move |rest| [vec![protocol.to_owned()], rest].concat()).boxed()
    };
    let tcp = (ports(), option::weighted(0.5, flags))
        .prop_map(|(ports, flags)| ports.into_iter().chain(flags.map(str::to_owned)).collect());
    let kind = |often: &'static [u32]| {
        option::weighted(0.7, numbers("type", often, 255))
            .prop_map(|kind| kind.into_iter().collect::<Vec<_>>())
    };
    let code = select(vec!["type 8 code 0", "type 8 code not 0", "type 8 code not 1-7", "type 8 code < 7"]);
    let alone = select(vec![
        "not tcp",
        "not {tcp, udp}",
        "not icmp",
        "not icmpv6",
        "not {icmp, icmpv6}",
        "protocol > 16",
        "protocol 0-57",
        "protocol not 2-100",
        "{udp, icmpv6}",
        "{tcp, icmp, icmpv6}",
        "protocol 50-60",
        "{icmp, igmp}",
        "not {icmp, igmp}",
        "protocol {16, udp, 18}",
        "protocol > 20",
        "protocol {57, icmpv6, 59}",
        "gre",
        "protocol not 17-58",
    ]);
    prop_oneof![
        4 => Just(Vec::new()),
        3 => with("tcp", tcp.boxed()),
        3 => with("udp", ports().boxed()),
        2 => with("{tcp, udp}", ports().boxed()),
        1 => with("protocol {17, 33, 132, 136}", ports().boxed()),
        1 => with("not tcp", ports().boxed()),
        2 => with("icmp", kind(&[8, 0, 3]).boxed()),
        2 => with("icmpv6", kind(&[128, 130, 133, 135, 137]).boxed()),
        1 => with("{icmp, icmpv6}", kind(&[8, 128, 135]).boxed()),
        1 => with("{icmp, gre}", kind(&[8, 0]).boxed()),
        1 => with("{tcp, udp}", select(vec!["flags none", "flags not {none/ack, none/syn}"]).prop_map(|f| vec![f.to_owned()]).boxed()),
        1 => with("icmp", code.prop_map(|code| vec![code.to_owned()]).boxed()),
        3 => alone.prop_map(|alone| vec![alone.to_owned()]),
    ]
}

fn network() -> impl Strategy<Value = Vec<String>> {
    let word = |list: &'static [&'static str]| option::weighted(0.1, select(list).prop_map(str::to_owned));
    (
        option::weighted(0.12, numbers("length", &[28, 40, 60, 80], 200)),
        option::weighted(0.12, numbers("ttl", &[1, 64, 128], 255)),
        option::weighted(0.12, numbers("dscp", &[0, 10, 46], 63)),
        word(&[
            "fragment",
            "not fragment",
            "fragment first",
            "not fragment first",
            "fragment later",
            "not fragment later",
        ]),
        word(&["options", "not options"]),
        word(&["ip", "ipv6"]),
    )
        .prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].into_iter().flatten().collect())
}

fn link() -> impl Strategy<Value = Vec<String>> {
    let mac = || {
        select(vec!["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:01:02"]).prop_map(str::to_owned)
    };
    (
        option::weighted(0.15, numbers("vlan", &[0, 1, 99, 100, 4095], 4095)),
        option::weighted(0.08, condition("smac", mac())),
        option::weighted(0.08, condition("dmac", mac())),
        option::weighted(0.1, condition("on", select(INTERFACES.to_vec()).prop_map(str::to_owned))),
        option::weighted(0.05, numbers("ethertype", &[0x0026, 0x0800, 0x0806, 0x86dd, 0x88cc], 65_535)),
    )
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e].into_iter().flatten().collect())
}

fn action() -> impl Strategy<Value = String> {
    let rate = (
        select(vec!["1/h", "3/h", "90/m", "200/s", "5/h burst 2"]),
        select(vec![
            "",
            " per source",
            " per destination",
            " per source/0/0",
            " per source/24/48",
            " per destination/31/127",
        ]),
    );
    let logged = (
        select(vec!["", "", "", "", "", "log ", "log 1/3 "]),
        select(vec!["accept", "drop", "redirect eth1"]),
    );
    prop_oneof![
        7 => logged.prop_map(|(log, action)| format!("{log}{action}")),
        1 => select(vec!["count a", "mark 1", "mark 0xfffffffe", "log", "log 1/2"]).prop_map(str::to_owned),
        1 => Just("reject".to_owned()),
        2 => rate.prop_map(|(rate, key)| format!("limit {rate}{key}")),
    ]
}

/// A rule; few of them contradict themselves and are refused.
pub fn rule() -> impl Strategy<Value = String> {
    any::<bool>()
        .prop_flat_map(|v6| (action(), addresses(v6), upper(), network(), link()))
        .prop_map(|(action, a, b, c, d)| [vec![action], a, b, c, d].concat().join(" "))
}

/// What is done to a frame so that it meets rules.
#[derive(Debug, Clone)]
enum Aim {
    Nothing,
    Dscp(u8),
    SourceMac(u8),
    DestinationMac(u8, u8),
    Vlan(Index),
}

fn aimed(mut frame: Vec<u8>, aim: &Aim) -> Vec<u8> {
    const VLANS: [u16; 5] = [0, 1, 99, 100, 4095];
    match aim {
        Aim::Dscp(dscp) if frame[12..14] == [0x08, 0x00] && frame.len() > 15 => frame[15] = dscp << 2,
        Aim::Dscp(dscp) if frame[12..14] == [0x86, 0xdd] && frame.len() > 15 => {
            frame[14] = frame[14] & 0xf0 | dscp >> 2;
            frame[15] = frame[15] & 0x0f | dscp << 6;
        }
        Aim::SourceMac(last) => frame[11] = *last,
        Aim::DestinationMac(fifth, last) => (frame[4], frame[5]) = (*fifth, *last),
        Aim::Vlan(at) if matches!(frame[12..14], [0x81 | 0x91, 0x00] | [0x88, 0xa8]) && frame.len() > 15 => {
            let [high, low] = at.get(&VLANS).to_be_bytes();
            (frame[14], frame[15]) = (frame[14] & 0xf0 | high, low);
        }
        _ => {}
    }
    frame
}

/// A frame that comes in.
#[derive(Clone)]
pub struct Arrival {
    pub frame: Vec<u8>,
    pub interface: &'static str,
    /// Until then, in nanoseconds.
    pub pause: u64,
}

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex: String = self.frame.iter().map(|byte| format!("{byte:02x}")).collect();
        write!(f, "{hex} on {} after {} ns", self.interface, self.pause)
    }
}

pub fn arrival() -> impl Strategy<Value = Arrival> {
    let aim = prop_oneof![
        3 => Just(Aim::Nothing),
        1 => prop_oneof![select(vec![10, 46]), 0..64_u8].prop_map(Aim::Dscp),
        1 => (1..4_u8).prop_map(Aim::SourceMac),
        1 => (0..2_u8, 1..3_u8).prop_map(|(fifth, last)| Aim::DestinationMac(fifth, last)),
        1 => any::<Index>().prop_map(Aim::Vlan),
    ];
    let frame = prop_oneof![3 => random::valid(), 1 => random::kernel_frame()];
    let pause = prop_oneof![4 => Just(0), 2 => 0..20_000_000_u64, 1 => 0..2_000_000_000_u64];
    (frame, aim, select(INTERFACES.to_vec()), pause).prop_map(|(frame, aim, interface, pause)| Arrival {
        frame: aimed(frame, &aim),
        interface,
        pause,
    })
}

/// Rules, frames, and what the section says besides: of fragments (0 to 2) and whether the default is to drop.
pub fn traffic(
    rules: std::ops::Range<usize>,
    frames: std::ops::Range<usize>,
) -> impl Strategy<Value = (Vec<String>, Vec<Arrival>, usize, bool)> {
    let fragments = prop_oneof![4 => Just(0_usize), 1 => 1..3_usize];
    (vec(rule(), rules), vec(arrival(), frames), fragments, prop::bool::weighted(0.3))
}
