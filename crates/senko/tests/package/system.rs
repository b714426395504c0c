//! A copy of this system that can be installed into: changes stay in memory and go with it.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio, id},
};

/// Mounts the copy over this system's root. A program that stands in for systemd's writes down what it is asked.
const SET_UP: &str = r#"
mount -t tmpfs senko-package "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount -t proc proc root/proc
mount -t sysfs sysfs root/sys
mount -t bpf bpf root/sys/fs/bpf
mount --bind /dev root/dev
mkdir -p root/run/systemd/system root/usr/local/bin
printf '#!/bin/sh\necho "$*" >> /systemctl.log\n' > root/usr/local/bin/systemctl
chmod 755 root/usr/local/bin/systemctl
touch root/systemctl.log
# The index of manual pages takes half a minute.
rm -f root/var/lib/man-db/auto-update
# What the machine has already.
if chroot root dpkg -s senko > /dev/null 2>&1; then chroot root dpkg -P senko > /dev/null; fi
rm -rf root/etc/senko root/run/senko
: > root/systemctl.log
echo ready
exec cat
"#;

/// In mount and network namespaces that end when the test does, also by `kill -9`: its input then ends.
pub struct System {
    holder: Child,
    folder: PathBuf,
}

impl System {
    pub fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "this test mounts file systems: run it as root");
        let folder = std::env::temp_dir().join(format!("senko-package-{}", id()));
        fs::create_dir_all(&folder).expect("the temporary folder takes folders");
        let mut holder = Command::new("unshare")
            .args(["--mount", "--net", "--propagation", "private", "sh", "-ec", SET_UP, "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("util-linux is installed");
        let mut line = String::new();
        let out = holder.stdout.take().expect("it was asked for");
        BufReader::new(out).read_line(&mut line).expect("it is text");
        let system = Self { holder, folder };
        assert_eq!(line, "ready\n", "the system is not set up; its error is above");
        system
    }

    /// Runs a program in the copy, whatever becomes of it.
    pub fn try_run(&self, program: &str, arguments: &[&str]) -> Output {
        self.inside("chroot")
            .arg(self.folder.join("root"))
            .arg(program)
            .args(arguments)
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env_remove("TMPDIR")
            .output()
            .expect("it starts")
    }

    /// Runs a program that must succeed; its standard output.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let out = self.try_run(program, arguments);
        let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{program} {arguments:?}: {}\n{said}{complained}", out.status);
        said.into_owned()
    }

    /// A file of this system, put into the copy.
    pub fn put(&self, from: &Path, to: &str) {
        let copied = self.inside("cp").arg(from).arg(self.folder.join("root").join(&to[1..])).status();
        assert!(copied.expect("it starts").success(), "cp {}", from.display());
    }

    /// All that differs from this system, with the users and groups.
    pub fn changes(&self) -> BTreeSet<String> {
        let mut find = self.inside("find");
        find.arg(self.folder.join("upper")).args(["-mindepth", "1", "-printf", "/%P %y %#m %U:%G\\n"]);
        let found = find.output().expect("it starts");
        // Folders of this system are copied when something happens in them.
        let old = |line: &str| {
            line.split_once(" d ").is_some_and(|(path, _)| Path::new(path).is_dir())
                || CHANGED_BY_ALL.iter().any(|path| line.starts_with(path))
        };
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        let accounts = self.run("cat", &["/etc/group", "/etc/passwd"]);
        found.lines().filter(|line| !old(line)).chain(accounts.lines()).map(Into::into).collect()
    }

    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--net", "--target", &self.holder.id().to_string(), program]);
        command
    }
}

/// What dpkg, groupadd and their like leave, whatever is installed.
const CHANGED_BY_ALL: [&str; 7] = [
    "/var/lib/dpkg/",
    "/var/log/",
    "/var/cache/",
    "/etc/group",
    "/etc/gshadow",
    "/etc/.pwd.lock",
    "/systemctl.log",
];

impl Drop for System {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
        let _ = fs::remove_dir(&self.folder);
    }
}
