//! Packages that a program needs, read from the versions of symbols that it was linked against.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use object::{
    Endianness,
    elf::{DT_NEEDED, EM_AARCH64, EM_X86_64, FileHeader64},
    read::elf::FileHeader as _,
};

/// What an ELF file asks of the system.
#[derive(Debug, PartialEq, Eq)]
pub struct Needs {
    /// Debian's name of it.
    pub architecture: &'static str,
    /// Libraries, each with the versions of its symbols: `libc.so.6`, `GLIBC_2.34`.
    libraries: BTreeMap<String, BTreeSet<String>>,
}

impl Needs {
    pub fn of(elf: &[u8]) -> Result<Self> {
        let header = FileHeader64::<Endianness>::parse(elf).context("not an ELF file of 64 bits")?;
        let endian = header.endian()?;
        let architecture = match header.e_machine(endian) {
            EM_X86_64 => "amd64",
            EM_AARCH64 => "arm64",
            other => bail!("no Debian architecture is known for ELF machine {other}"),
        };
        let sections = header.sections(endian, elf)?;
        let mut libraries: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        if let Some((entries, link)) = sections.dynamic(endian, elf)? {
            let strings = sections.strings(endian, elf, link)?;
            for entry in entries.iter().filter(|entry| entry.d_tag.get(endian) == u64::from(DT_NEEDED)) {
                let name = strings
                    .get(entry.d_val.get(endian) as u32)
                    .map_err(|()| anyhow::anyhow!("a library without a name"))?;
                libraries.entry(text(name)).or_default();
            }
        }
        if let Some((mut needed, link)) = sections.gnu_verneed(endian, elf)? {
            let strings = sections.strings(endian, elf, link)?;
            while let Some((library, mut versions)) = needed.next()? {
                let of = libraries.entry(text(library.file(endian, strings)?)).or_default();
                while let Some(version) = versions.next()? {
                    of.insert(text(version.name(endian, strings)?));
                }
            }
        }
        Ok(Self { architecture, libraries })
    }

    /// As they stand in `Depends:`.
    pub fn packages(&self) -> Result<Vec<String>> {
        let mut oldest: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (library, versions) in &self.libraries {
            let package = match library.as_str() {
                "libc.so.6" | "libm.so.6" | "libdl.so.2" | "libpthread.so.0" | "librt.so.1" => "libc6",
                name if name.starts_with("ld-linux") => "libc6",
                "libgcc_s.so.1" => "libgcc-s1",
                other => bail!("no package is known for {other}: add it to {}", file!()),
            };
            let oldest = oldest.entry(package).or_default();
            for version in versions {
                *oldest = oldest.clone().max(numbers(version)?);
            }
        }
        Ok(oldest.into_iter().map(|(package, version)| depends(package, &version)).collect())
    }
}

fn depends(package: &str, version: &[u32]) -> String {
    if version.is_empty() {
        return package.into();
    }
    let version: Vec<String> = version.iter().map(ToString::to_string).collect();
    format!("{package} (>= {})", version.join("."))
}

/// `GLIBC_2.34` to 2, 34.
fn numbers(symbol_version: &str) -> Result<Vec<u32>> {
    // A version for what is no symbol: relative relocations, packed.
    if symbol_version == "GLIBC_ABI_DT_RELR" {
        return Ok(vec![2, 36]);
    }
    let version = symbol_version.strip_prefix("GLIBC_").or_else(|| symbol_version.strip_prefix("GCC_"));
    let numbers = version.and_then(|version| version.split('.').map(|part| part.parse().ok()).collect());
    numbers.with_context(|| format!("{symbol_version} is not a version that this knows how to compare"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(libraries: &[(&str, &[&str])]) -> Needs {
        let libraries = libraries.iter().map(|(name, versions)| {
            ((*name).to_owned(), versions.iter().map(|version| (*version).to_owned()).collect())
        });
        Needs { architecture: "amd64", libraries: libraries.collect() }
    }

    #[test]
    fn the_newest_symbol_decides() {
        let needs = needs(&[
            ("libc.so.6", &["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.9"]),
            ("libm.so.6", &["GLIBC_2.29"]),
            ("libgcc_s.so.1", &["GCC_3.0", "GCC_4.2.0"]),
        ]);
        let packages = needs.packages().expect("all are known");
        assert_eq!(packages, ["libc6 (>= 2.34)", "libgcc-s1 (>= 4.2.0)"]);
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let error = needs(&[("libelf.so.1", &[])]).packages().expect_err("no package is known");
        assert!(error.to_string().contains("libelf.so.1"), "{error}");
        assert!(needs(&[("libc.so.6", &["GLIBC_PRIVATE"])]).packages().is_err());
        assert!(Needs::of(b"#!/bin/sh\n").is_err());
    }

    /// Against the program that packagers ask, for a file that both can read: this test.
    #[test]
    fn libraries_are_those_that_ldd_names() {
        let this = std::env::current_exe().expect("a test is a file");
        let needs = Needs::of(&std::fs::read(&this).expect("it can be read")).expect("it is an ELF file");
        let out = std::process::Command::new("ldd").arg(&this).output().expect("libc-bin is installed");
        let ldd = String::from_utf8_lossy(&out.stdout);
        assert!(needs.libraries.contains_key("libc.so.6"), "{needs:?}");
        for library in needs.libraries.keys() {
            assert!(ldd.contains(library.as_str()), "{library} is not in\n{ldd}");
        }
    }
}
