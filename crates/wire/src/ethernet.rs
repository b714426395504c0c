//! Ethernet II and its VLAN tags (IEEE 802.3, 802.1Q, 802.1ad).

pub const HEADER: usize = 14;
pub const TAG: usize = 4;

pub const IPV4: u16 = 0x0800;
pub const ARP: u16 = 0x0806;
pub const IPV6: u16 = 0x86dd;
pub const VLAN: u16 = 0x8100;
pub const QINQ: u16 = 0x88a8;

/// Below this the field is a length (IEEE 802.3 with an LLC header), not a type.
pub const FIRST_TYPE: u16 = 0x0600;

/// Whether a type announces a VLAN tag. 0x9100 is what switches sent before 802.1ad.
#[inline(always)]
pub const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, VLAN | QINQ | 0x9100)
}
