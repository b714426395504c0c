//! docs/tour.md and docs/tour.ja.md: every command is run, as root, in a mount namespace with a /run and a bpffs of its
//! own, so that the tour's fixed names meet nobody else's.

mod isolation;
mod script;
mod shell;

use std::{
    fs,
    path::{Path, PathBuf},
};

use script::{Script, matches};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Names of what is in a folder; nothing where there is no folder.
fn entries(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_command_does_what_the_tour_says() {
    let script = Script::parse(&read("docs/tour.md"));
    assert!(script.steps.len() > 40, "only {} commands found", script.steps.len());
    let senko = Path::new(env!("CARGO_BIN_EXE_senko"));
    let left = isolation::isolated(|| {
        let group = {
            let mut shell = shell::Shell::start(&root(), senko.parent().expect("a folder"));
            for step in &script.steps {
                shell.run(step).unwrap_or_else(|error| panic!("docs/tour.md:{}: {error}", step.line));
            }
            shell.end()
        };
        let mut left =
            [entries("/run/netns"), entries("/run/senko/lab"), entries("/run/senko/firewall")].concat();
        left.extend(entries("/sys/fs/bpf").into_iter().filter(|name| name.starts_with("tour")));
        left.extend(isolation::processes_of(group));
        left
    });
    assert_eq!(left, [""; 0], "left behind");
}

#[test]
fn both_languages_have_the_same_chapters_commands_and_output() {
    let (english, japanese) = (read("docs/tour.md"), read("docs/tour.ja.md"));
    assert_eq!(Script::parse(&english).blocks, Script::parse(&japanese).blocks);
    let chapters = |text: &str| -> Vec<usize> {
        let hashes = text.lines().map(|line| line.chars().take_while(|c| *c == '#').count());
        let mut fenced = false;
        text.lines()
            .zip(hashes)
            .filter_map(|(line, level)| {
                fenced ^= line.starts_with("```");
                (!fenced && level > 0).then_some(level)
            })
            .collect()
    };
    assert_eq!(chapters(&english), chapters(&japanese));
}

#[test]
fn the_programs_in_the_text_are_the_ones_that_are_built() {
    for file in ["docs/tour.md", "docs/tour.ja.md"] {
        let text = read(file);
        for (language, source) in
            [("c", "examples/c-xdp/drop_icmp.c"), ("rust", "examples/rust-xdp/src/main.rs")]
        {
            assert!(
                text.contains(&format!("```{language}\n{}```", read(source))),
                "{file} shows another {source}"
            );
        }
    }
    // What the text says of no_check.c.
    let check = "\tif ((void *)(ip + 1) > end)\n\t\treturn XDP_PASS;\n";
    let body = |text: &str| text.split_once("struct ethhdr *eth").map(|(_, body)| body.to_owned());
    let checked = read("examples/c-xdp/drop_icmp.c").replace(check, "");
    assert_eq!(body(&checked), body(&read("examples/c-xdp/no_check.c")));
}

#[test]
fn commands_output_and_exit_codes_are_told_apart() {
    let text =
        "```console\n# one &\nattached\n# two\n…\nlast line\n[exit code 3]\n```\n\n```sh\n# not this\n```\n";
    let script = Script::parse(text);
    let [one, two] = &script.steps[..] else { panic!("{:?}", script.steps) };
    assert_eq!((one.command.as_str(), one.background, one.exit, one.line), ("one &", true, 0, 2));
    assert_eq!((two.command.as_str(), two.background, two.exit, two.line), ("two", false, 3, 4));
    assert_eq!(two.expected, ["…", "last line"]);
}

#[test]
fn an_ellipsis_stands_for_anything_and_nothing_else_does() {
    assert!(matches("a … c…", "a b b c"));
    assert!(matches("…/x", "/tmp/x"));
    assert!(matches("…", ""));
    for (pattern, line) in [("a … c", "a b"), ("a", "ab"), ("…b", "bc"), ("ab…ba", "aba"), ("id …", "tag 5")]
    {
        assert!(!matches(pattern, line), "{pattern} {line}");
    }
}
