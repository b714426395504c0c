//! `senko bench`: the floor, the rows, and live frames through a lab of its own.

mod program;

use std::process::{Command, Output};

use serde_json::Value;

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_senko")).arg("bench").args(args).output().expect("senko starts")
}

fn rows(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// A figure is a time, and the floor beside it is one too: less than a microsecond, more than nothing.
fn is_time(value: &Value) -> bool {
    value.as_f64().is_some_and(|ns| ns > 0.0 && ns < 1000.0)
}

#[test]
fn every_program_of_an_object_stands_beside_the_floor() {
    let object = program::object("named");
    let rows = rows(&bench(&[object.to_str().expect("UTF-8"), "--json"]));
    // Each program with a packet of each IP version.
    assert!(rows.len() >= 4 && rows.len().is_multiple_of(2), "{rows:?}");
    for row in rows {
        assert!(row["name"].as_str().is_some_and(|name| name.contains("UDP, IPv")), "{row}");
        assert!(is_time(&row["value"]) && is_time(&row["beside"]["value"]), "{row}");
        assert_eq!((row["unit"].as_str(), row["beside"]["name"].as_str()), (Some("ns"), Some("floor")));
    }
}

#[test]
fn an_object_without_a_program_is_an_error() {
    let file = std::env::temp_dir().join(format!("senko-bench-test-{}", std::process::id()));
    std::fs::write(&file, "not an object").expect("written");
    let output = bench(&[file.to_str().expect("UTF-8")]);
    std::fs::remove_file(&file).expect("removed");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ELF"), "{output:?}");
}

#[test]
fn rows_are_chosen_by_name() {
    let rows = rows(&bench(&["--only", "count", "--json"]));
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["count", "gateway, only counter on"]);
    assert_eq!((rows[0]["name"].as_str(), rows[0]["bar"].as_str()), (Some("count"), Some("≤ floor + 5 ns")));
}

/// Frames must arrive, or the row is an error: the cable, the sink and the capture work.
#[test]
fn live_rows_are_of_frames_that_arrived() {
    let rows = rows(&bench(&["--only", "live frames", "--json"]));
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}
