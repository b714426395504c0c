//! Inside a host, /sys is the host's own and bpffs is still there.

mod fixture;

use std::ffi::OsString;
use std::path::Path;

use lab::Topology;
use nix::mount::{MsFlags, mount};

fn names(path: &str) -> Vec<OsString> {
    let mut names: Vec<_> = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn programs_and_closures_see_their_interfaces_and_bpffs() {
    fixture::with_private_run(|| {
        let none = None::<&str>;
        mount(Some("bpf"), "/sys/fs/bpf", Some("bpf"), MsFlags::empty(), none).unwrap();
        let mark = "/sys/fs/bpf/mark-of-the-lab-test";
        std::fs::create_dir(mark).unwrap();
        let lab = fixture::up("sysfs", Topology::Pair, 2);
        let h1 = lab.host("h1");

        let inside = fixture::succeed(h1.command("ls").arg("/sys/class/net"));
        assert_eq!(fixture::stdout(&inside), "lo\nto-h2\n");
        fixture::succeed(h1.command("test").args(["-d", mark]));

        let (interfaces, marked) =
            h1.run_with_sysfs(|| (names("/sys/class/net"), Path::new(mark).exists())).unwrap();
        assert_eq!(interfaces, ["lo", "to-h2"]);
        assert!(marked);

        // Nothing of it shows outside.
        assert!(!names("/sys/class/net").contains(&"to-h2".into()));
        std::fs::remove_dir(mark).unwrap();
    });
}
