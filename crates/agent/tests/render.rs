//! Problems as they are shown.

use std::path::Path;

use agent::config::{self, Memory, functions, render};

fn outcome(main: &str) -> config::Outcome {
    config::read(&Memory::new([("senko.toml", main)]), Path::new("senko.toml"), functions())
}

const WRONG: &str = "\
[[interface]]
name = \"eth0\"
mode = \"nativ\"
[firewall]
drop = [\"10.0.0.1/8\",
  \"192.0.2.7\", \"192.0.2.7\"]\t# twice
";

#[test]
fn the_text_in_question_is_underlined() {
    let outcome = outcome(WRONG);
    let expected = r#"
error: `mode` wants "auto", "native", "generic" or "offload", not "nativ"
 --> senko.toml:3:8
  |
3 | mode = "nativ"
  |        ^^^^^^^
  |
  = help: did you mean `native`?

error: `10.0.0.1/8` has bits set behind its length: did you mean 10.0.0.0/8?
 --> senko.toml:5:9
  |
5 | drop = ["10.0.0.1/8",
  |         ^^^^^^^^^^^^

warning: `192.0.2.7` stands twice in `drop`
 --> senko.toml:6:16
  |
6 |   "192.0.2.7", "192.0.2.7"]    # twice
  |                ^^^^^^^^^^^
  |
 ::: senko.toml:6:3
  |
6 |   "192.0.2.7", "192.0.2.7"]    # twice
  |   ----------- first here
  |
  = help: remove one of the two

"#;
    assert_eq!(render::text(&outcome.problems, &outcome.sources, false), expected.trim_start());
    let coloured = render::text(&outcome.problems, &outcome.sources, true);
    assert!(coloured.contains("\x1b["), "{coloured}");
}

#[test]
fn long_lines_are_cut_and_control_characters_do_nothing() {
    let list: Vec<String> = (0..5000).map(|i| format!("\"10.{}.{}.0/24\"", i >> 8, i & 255)).collect();
    let list = list.join(", ");
    let text = format!("[firewall]\ndrop = [{list}, {list}, \"ä€\u{200f}\\u001b[2J\", 7]");
    let outcome = outcome(&text);
    let shown = render::text(&outcome.problems, &outcome.sources, false);
    let column = 2 * list.len() + 13;
    assert!(shown.contains(&format!("-> senko.toml:2:{column}\n")), "{shown}");
    assert!(shown.ends_with("4902 more are not shown\n\n"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() < 200), "{shown}");
    assert!(!shown.contains('\x1b'), "{shown}");
}

#[test]
fn the_json_is_stable() {
    let outcome = outcome(WRONG);
    let reports = render::reports(&outcome.problems, &outcome.sources);
    let lines: Vec<String> =
        reports.iter().map(|report| serde_json::to_string(report).expect("plain data")).collect();
    assert_eq!(
        lines[0],
        r#"{"severity":"error","message":"`mode` wants \"auto\", \"native\", \"generic\" or \"offload\", not \"nativ\"","file":"senko.toml","line":3,"column":8,"end_column":15,"text":"\"nativ\"","hint":"did you mean `native`?"}"#
    );
    assert_eq!(
        lines[2],
        r#"{"severity":"warning","message":"`192.0.2.7` stands twice in `drop`","file":"senko.toml","line":6,"column":16,"end_column":27,"text":"\"192.0.2.7\"","hint":"remove one of the two","also":{"message":"first here","file":"senko.toml","line":6,"column":3}}"#
    );
    let missing = config::read(&Memory::default(), Path::new("senko.toml"), functions());
    let report = &render::reports(&missing.problems, &missing.sources)[0];
    assert_eq!((report.file.as_deref(), report.line), (None, None));
}
