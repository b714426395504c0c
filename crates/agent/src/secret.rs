//! Numbers that nobody outside this machine knows, and that stay as long as anything in the kernel does.

use std::{fs, sync::OnceLock};

use sha2::{Digest as _, Sha256};

use crate::place::Place;

/// The kernel's random name for the time since it was started; random(4). It is the same in all network namespaces and for
/// all processes, so the generations of a gateway have one secret, and so has `explain`.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Of this boot. It is not the name itself, which other programs may tell.
pub fn of_this_boot() -> u64 {
    static SECRET: OnceLock<u64> = OnceLock::new();
    *SECRET.get_or_init(|| of("senko: buckets of limits", &fs::read(BOOT_ID).unwrap_or_default()))
}

/// Of the gateway of this network namespace, in this boot.
pub fn of_this_gateway() -> u64 {
    let place = Place::here().map(|place| place.key().to_owned()).unwrap_or_default();
    of("senko: marks", &[fs::read(BOOT_ID).unwrap_or_default(), place.into_bytes()].concat())
}

fn of(what_for: &str, boot: &[u8]) -> u64 {
    let digest = Sha256::new().chain_update(what_for).chain_update(boot).finalize();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_and_is_another_after_the_next_start() {
        assert!(fs::read(BOOT_ID).is_ok_and(|name| name.len() > 30));
        let what_for = "senko: buckets of limits";
        assert_eq!(of_this_boot(), of(what_for, &fs::read(BOOT_ID).expect("it is there")));
        assert_ne!(of_this_boot(), of(what_for, b""));
        assert_ne!(of("", b"4e1b7f0a"), of("", b"4e1b7f0b"));
        assert_eq!(of_this_gateway(), of_this_gateway());
        assert_ne!(of_this_gateway(), of_this_boot());
    }
}
