//! `senko lab up`, `exec`, `list`, `down` as a user types them.

mod fixture;

use std::process::Stdio;

use fixture::{namespace_is_there, senko_lab, stderr, stdout, succeed, wait_until};

#[test]
fn up_prints_a_table_and_a_command_that_works() {
    fixture::with_private_run(|| {
        let up = succeed(&mut senko_lab(&["up"]));
        let lines: Vec<_> = stdout(&up).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[1].starts_with("h1    senko-lab-h1  to-h2      10."), "{}", lines[1]);
        let words = stderr(&up);
        let next = words.lines().find_map(|l| l.strip_prefix("try:     senko lab ")).unwrap();
        let next: Vec<_> = next.split(' ').collect();
        let ping = succeed(&mut senko_lab(&next));
        assert!(stdout(&ping).contains("3 received"), "{}", stdout(&ping));
        succeed(&mut senko_lab(&["down"]));
        assert!(!namespace_is_there("senko-lab-h1"));
    });
}

#[test]
fn exec_passes_the_exit_code_on() {
    fixture::with_private_run(|| {
        succeed(&mut senko_lab(&["up"]));
        for code in [0, 1, 77] {
            let script = format!("exit {code}");
            let status = senko_lab(&["exec", "h2", "--", "sh", "-c", &script]).status().unwrap();
            assert_eq!(status.code(), Some(code));
        }
        let inside = succeed(&mut senko_lab(&["exec", "lab/h2", "--", "ls", "/sys/class/net"]));
        assert_eq!(stdout(&inside), "lo\nto-h1\n");
        let unknown = senko_lab(&["exec", "h9", "--", "true"]).output().unwrap();
        assert!(stderr(&unknown).contains("it has h1, h2"), "{}", stderr(&unknown));
        let missing = senko_lab(&["exec", "h1", "--", "no-such-program"]).output().unwrap();
        assert!(stderr(&missing).contains("`no-such-program`"), "{}", stderr(&missing));

        succeed(&mut senko_lab(&["up", "two", "--hosts", "3"]));
        let which = senko_lab(&["exec", "h1", "--", "true"]).output().unwrap();
        assert_eq!(which.status.code(), Some(2));
        assert!(stderr(&which).contains("lab, two"), "{}", stderr(&which));
        succeed(&mut senko_lab(&["exec", "two/r", "--", "true"]));
        succeed(&mut senko_lab(&["down", "--all"]));
        assert_eq!(std::fs::read_dir("/run/netns").unwrap().count(), 0);
    });
}

#[test]
fn down_names_programs_that_still_run_and_kills_them_only_with_force() {
    fixture::with_private_run(|| {
        succeed(&mut senko_lab(&["up"]));
        let mut exec = senko_lab(&["exec", "h1", "--", "sleep", "600"]);
        let mut inside = exec.stdout(Stdio::null()).spawn().unwrap();
        let mut outside = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        // exec has handed the process over once its name has changed.
        let comm = format!("/proc/{}/comm", inside.id());
        wait_until("sleep runs", || std::fs::read_to_string(&comm).unwrap().trim() == "sleep");

        let refused = senko_lab(&["down"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let named = format!("`sleep 600` (pid {} in senko-lab-h1)", inside.id());
        assert!(stderr(&refused).contains(&named), "{}", stderr(&refused));
        assert!(inside.try_wait().unwrap().is_none());
        assert!(namespace_is_there("senko-lab-h1"));

        succeed(&mut senko_lab(&["down", "--force"]));
        assert!(!inside.wait().unwrap().success());
        assert!(outside.try_wait().unwrap().is_none(), "a process outside the lab was killed");
        outside.kill().unwrap();
        outside.wait().unwrap();
        assert!(!namespace_is_there("senko-lab-h1"));
    });
}

#[test]
fn list_and_up_give_json() {
    fixture::with_private_run(|| {
        let up = succeed(senko_lab(&["up", "--hosts", "2", "--topology", "bridge"]).arg("--json"));
        let up: serde_json::Value = serde_json::from_slice(&up.stdout).unwrap();
        assert_eq!(up["topology"], "bridge");
        assert_eq!(up["hosts"][2]["interfaces"][0]["interface"], "br0");
        let list = succeed(senko_lab(&["list"]).arg("--json"));
        let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
        assert_eq!(list["labs"][0], up);
        assert_eq!(list["labs"][0]["condition"], "kept");
        succeed(&mut senko_lab(&["down", "lab"]));
        let none = senko_lab(&["down", "lab"]).output().unwrap();
        assert!(stderr(&none).contains("no lab named `lab`"), "{}", stderr(&none));
    });
}

#[test]
fn without_root_it_says_so() {
    use std::os::unix::process::CommandExt;

    fixture::require_root();
    // `nobody` may not look into the directory this test was built in, so the program comes along.
    let copy = std::env::temp_dir().join(format!("lab-fixture-{}", std::process::id()));
    std::fs::copy(env!("CARGO_BIN_EXE_lab-fixture"), &copy).unwrap();
    let output =
        std::process::Command::new(&copy).args(["lab", "up"]).current_dir("/").uid(65534).gid(65534).output();
    std::fs::remove_file(&copy).unwrap();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("needs root: run `sudo senko lab up`"), "{}", stderr(&output));
}
