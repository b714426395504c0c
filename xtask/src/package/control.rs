//! What dpkg is told of the package.

/// The version and Debian's revision of it.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");

/// Nobody reads that address: questions go to the repository.
const MAINTAINER: &str = "the senko authors <maintainers@senko.invalid>";

pub fn text(depends: &[String], architecture: &str, kibibytes: u64) -> String {
    let depends = depends.join(", ");
    let homepage = env!("CARGO_PKG_REPOSITORY");
    format!(
        "\
Package: senko
Version: {VERSION}
Architecture: {architecture}
Maintainer: {MAINTAINER}
Installed-Size: {kibibytes}
Depends: {depends}, passwd
Suggests: prometheus, bash-completion
Section: net
Priority: optional
Homepage: {homepage}
Description: packet counter, capture, firewall and gateway on Linux' express data path
 One program for XDP: says whether a machine can do it, counts, captures,
 filters and redirects packets at the driver, loads XDP programs of your own,
 and makes throw-away networks to try all of it in.
 .
 The gateway applies one configuration file to interfaces, in atomic
 generations that lose no packet. Its service, senko.service, is not started
 by the package: `systemctl enable --now senko` does that.
"
    )
}

pub fn changelog(date: &str) -> String {
    format!(
        "senko ({VERSION}) unstable; urgency=medium\n\n  * Packaged from the sources; changelog.gz has what changed.\n\n \
         -- {MAINTAINER}  {date}\n"
    )
}
