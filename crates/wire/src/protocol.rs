//! Names of IP protocol numbers and ethertypes, lower case, as JSON rows and filters have them
//! (IANA's registries "Assigned Internet Protocol Numbers" and "EtherType").

/// The name of an IP protocol number; the number itself in text where IANA's name is not in use.
pub const fn ip_name(protocol: u8) -> Option<&'static str> {
    Some(match protocol {
        1 => "icmp",
        2 => "igmp",
        4 => "ipip",
        6 => "tcp",
        8 => "egp",
        17 => "udp",
        33 => "dccp",
        41 => "ipv6",
        46 => "rsvp",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmpv6",
        59 => "none",
        88 => "eigrp",
        89 => "ospf",
        94 => "ipip-legacy",
        97 => "etherip",
        103 => "pim",
        108 => "ipcomp",
        112 => "vrrp",
        115 => "l2tp",
        132 => "sctp",
        136 => "udplite",
        137 => "mpls",
        253 => "experiment1",
        254 => "experiment2",
        _ => return None,
    })
}

/// The number of a protocol's name.
pub fn ip_number(name: &str) -> Option<u8> {
    (0..=255).find(|number| ip_name(*number) == Some(name))
}

/// The name of an ethertype.
pub const fn ethertype_name(ethertype: u16) -> Option<&'static str> {
    Some(match ethertype {
        0x0800 => "ipv4",
        0x0806 => "arp",
        0x0842 => "wake-on-lan",
        0x22ea => "srp",
        0x8035 => "rarp",
        0x8100 => "vlan",
        0x86dd => "ipv6",
        0x8808 => "flow-control",
        0x8809 => "lacp",
        0x8847 => "mpls",
        0x8848 => "mpls-multicast",
        0x8863 => "pppoe-discovery",
        0x8864 => "pppoe",
        0x888e => "eapol",
        0x88a8 => "qinq",
        0x88cc => "lldp",
        0x88e5 => "macsec",
        0x88f7 => "ptp",
        0x8902 => "cfm",
        0x8906 => "fcoe",
        0x8915 => "roce",
        _ => return None,
    })
}

/// The number of an ethertype's name.
pub fn ethertype_number(name: &str) -> Option<u16> {
    (0..=u16::MAX).find(|number| ethertype_name(*number) == Some(name))
}

/// An ethertype as people read it; below 0x600 it is a length (IEEE 802.3 with an LLC header).
#[cfg(not(target_arch = "bpf"))]
pub fn ethertype_text(ethertype: u16) -> alloc::string::String {
    match ethertype_name(ethertype) {
        _ if ethertype < crate::ethernet::FIRST_TYPE => "llc".into(),
        Some(name) => name.into(),
        None => alloc::format!("{ethertype:#06x}"),
    }
}
