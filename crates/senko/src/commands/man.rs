//! `senko man`: a manual page for each command, from what `--help` is made of. Hidden: packages call it.

use std::{fs, io, path::PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use crate::{args::Cli, failure::Failure};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  senko man /usr/local/share/man/man1")]
pub struct ManArgs {
    /// Where the pages go; made when it is not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// As in README.md.
const EXIT_CODES: [(u8, &str); 7] = [
    (0, "done"),
    (1, "failed"),
    (2, "usage: arguments, prefixes, lists or a configuration that are wrong"),
    (3, "not permitted: root or a capability is missing"),
    (4, "not supported by this kernel or driver"),
    (5, "the hook belongs to someone else, who is named"),
    (7, "differs: something that was asked about is not as it should be"),
];

pub fn run(args: &ManArgs) -> Result<u8, Failure> {
    for (name, text) in pages(Cli::command())? {
        let path = args.dir.join(name);
        fs::create_dir_all(&args.dir)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display()), None))?;
    }
    Ok(0)
}

/// File names and contents, the root's first.
fn pages(root: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut root = root.disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    add(&root, None, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, parent: Option<&str>, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    pages.push((format!("{name}.1"), page(command, name, parent)?));
    for sub in visible(command) {
        add(sub, Some(name), pages)?;
    }
    Ok(())
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set())
}

fn page(command: &Command, name: &str, parent: Option<&str>) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        // Empty, so that equal sources make equal pages; a blank, since nothing at all would shift the next to its place.
        .date(" ")
        .source(concat!("senko ", env!("CARGO_PKG_VERSION")))
        .manual("senko");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if visible(command).next().is_some() {
        man.render_subcommands_section(&mut out)?;
    }
    let mut rest = Roff::new();
    if let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        after_help(&mut rest, &text.to_string());
    }
    if parent.is_none() {
        rest.control("SH", ["EXIT STATUS"]);
        for (code, meaning) in EXIT_CODES {
            rest.control("TP", []).text([bold(code.to_string())]).text([roman(meaning)]);
        }
    }
    rest.control("SH", ["SEE ALSO"]);
    let mut see_also = vec![bold(parent.unwrap_or("senko.toml"))];
    see_also.push(roman(if parent.is_some() { "(1), " } else { "(5)" }));
    if parent.is_some() {
        see_also.extend([bold("senko.toml"), roman("(5)")]);
    }
    rest.text(see_also);
    rest.to_writer(&mut out)?;
    Ok(out)
}

/// What stands below the options of `--help`: examples, whose lines keep their shape, and notes before or after them.
fn after_help(roff: &mut Roff, text: &str) {
    for part in text.split("\n\n") {
        let heading = part.lines().next().filter(|line| line.starts_with("Example") && line.ends_with(':'));
        let Some(heading) = heading else {
            roff.control("SH", ["NOTES"]).text([roman(part)]);
            continue;
        };
        roff.control("SH", ["EXAMPLES"]);
        // "Example (bash, in ~/.bashrc):" says where.
        if let Some((_, place)) = heading.trim_end_matches(':').split_once(" (") {
            roff.text([roman(place.trim_end_matches(')'))]);
        }
        roff.control("PP", []).control("RS", ["4"]).control("nf", []);
        for line in part.lines().skip(1) {
            roff.text([roman(line.trim_start())]);
        }
        roff.control("fi", []).control("RE", []);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> String {
        let pages = pages(Cli::command()).expect("memory can be written to");
        let page = pages.into_iter().find(|page| page.0 == name);
        String::from_utf8(page.unwrap_or_else(|| panic!("no page {name}")).1).expect("roff is text")
    }

    /// Commands that people see, with the words that call them: `senko lab up`.
    fn commands() -> Vec<(String, Command)> {
        fn walk(command: &Command, words: &str, out: &mut Vec<(String, Command)>) {
            for sub in visible(command) {
                let words = format!("{words} {}", sub.get_name());
                walk(sub, &words, out);
                out.push((words, sub.clone()));
            }
        }
        let mut out = Vec::new();
        walk(&Cli::command(), "senko", &mut out);
        assert!(out.len() > 10);
        out
    }

    #[test]
    fn every_command_has_a_page_and_an_example() {
        let pages = pages(Cli::command()).expect("memory can be written to");
        for (words, mut command) in commands() {
            let name = format!("{}.1", words.replace(' ', "-"));
            let page = pages.iter().find(|page| page.0 == name);
            let page = String::from_utf8_lossy(&page.unwrap_or_else(|| panic!("no page {name}")).1);
            assert!(page.contains(".SH EXAMPLES"), "{name} has no example");
            let help = command.render_help().to_string();
            let example = help.split_once("Example").map(|(_, examples)| examples).unwrap_or_default();
            assert!(
                example.contains("senko "),
                "`{words} --help` has no example (after_help of its arguments):\n{help}"
            );
        }
        assert_eq!(pages.len(), commands().len() + 1, "a page of no command");
    }

    #[test]
    fn the_examples_are_commands_that_parse() {
        for (words, command) in commands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples = help.lines().filter(|line| line.starts_with("  senko "));
            for example in examples {
                let end = [" | ", " || ", " &", " # "].iter().filter_map(|mark| example.find(mark)).min();
                let typed = shell_words(&example[..end.unwrap_or(example.len())]);
                if let Err(error) = Cli::command().try_get_matches_from(&typed) {
                    panic!("`{words} --help` has an example that is not taken: {example}\n{error}");
                }
            }
        }
    }

    /// Splits at spaces outside of quotes.
    fn shell_words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (index, part) in line.trim().split(['"', '\'']).enumerate() {
            if index % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(Into::into));
            }
        }
        words
    }

    #[test]
    fn a_page_reads_as_one() {
        let page = text("senko-count.1");
        let expected = [
            ".TH SENKO-COUNT 1 \" \" \"senko ",
            ".SH NAME\nsenko\\-count \\- ",
            ".SH SYNOPSIS\n\\fBsenko count\\fR",
            ".SH OPTIONS",
            "\\fB\\-\\-netns\\fR",
            ".SH EXAMPLES\n.PP\n.RS 4\n.nf\nsenko count eth0\n",
            ".SH \"SEE ALSO\"\n\\fBsenko\\fR(1), \\fBsenko.toml\\fR(5)",
        ];
        let mut rest = page.as_str();
        for part in expected {
            let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} there in\n{page}"));
            rest = &rest[at + part.len()..];
        }
        let root = text("senko.1");
        assert!(root.contains(".SH \"EXIT STATUS\""), "{root}");
        assert!(!root.contains("senko\\-man") && !root.contains("senko\\-help"), "{root}");
    }
}
