//! A copy of this system, booted with a systemd of its own, that can be installed into: changes stay in memory.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio, id},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// From the arguments FOLDER CGROUP to a booted copy. Kernel settings are read-only in it: they are this system's.
const BOOT: &str = r#"
mount -t tmpfs senko-package "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount --bind upper root/mnt
mount -t proc proc root/proc
mount --bind root/proc/sys root/proc/sys
mount -o remount,bind,ro root/proc/sys
mount -t sysfs -o ro sysfs root/sys
mount -t bpf -o mode=700 bpf root/sys/fs/bpf
mount -t cgroup2 cgroup2 root/sys/fs/cgroup
mount -t tmpfs tmpfs root/run
mount -t tmpfs tmpfs root/tmp
mount -t tmpfs -o mode=755 tmpfs root/dev
mkdir root/dev/shm root/dev/pts
ln -s pts/ptmx root/dev/ptmx
for device in null zero full random urandom tty; do
    touch root/dev/$device
    mount --bind /dev/$device root/dev/$device
done
# The index of manual pages takes half a minute.
rm -f root/var/lib/man-db/auto-update
cd root
pivot_root . mnt/../srv
umount -l /srv
# What this machine has already is not what is tested.
if dpkg -s senko > /dev/null 2>&1; then dpkg -P senko > /dev/null; fi
rm -rf /etc/senko
exec env -i container=senko-package PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=basic.target --log-target=journal --show-status=false
"#;

/// It ends with the test, also by a `kill -9` of that.
pub struct System {
    unshare: Child,
    /// PID 1 of the copy, as this system numbers it.
    init: String,
    folder: PathBuf,
    cgroup: PathBuf,
}

impl System {
    pub fn boot(word: &str) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "this test mounts file systems: run it as root");
        remove_stale();
        let name = format!("senko-package-{}-{word}", id());
        let folder = std::env::temp_dir().join(&name);
        fs::create_dir_all(&folder).expect("the temporary folder takes folders");
        let cgroup = cgroups().join(&name);
        fs::create_dir(&cgroup).expect("a name that nobody has");
        let unshare = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "sh", "-ec"])
            .arg(
                "echo $$ > \"$2/cgroup.procs\"; exec unshare --mount --pid --net --uts --ipc --cgroup --fork \
                  --kill-child --propagation private sh -ec \"$3\" sh \"$1\"",
            )
            .arg("sh")
            .args([&folder, &cgroup])
            .arg(BOOT)
            .stdin(Stdio::null())
            .spawn()
            .expect("util-linux is installed");
        let mut system = Self { unshare, init: String::new(), folder, cgroup };
        let children = format!("/proc/{0}/task/{0}/children", system.unshare.id());
        system.wait_until("the system is up", |system| {
            if let Ok(Some(status)) = system.unshare.try_wait() {
                panic!("the system does not boot: {status}; its error is above");
            }
            system.init = fs::read_to_string(&children).unwrap_or_default().trim().to_owned();
            !system.init.is_empty() && {
                let state = system.try_run("systemctl", &["is-system-running"]);
                ["running\n", "degraded\n"].map(str::as_bytes).contains(&&state.stdout[..])
            }
        });
        system
    }

    /// Runs a program in the copy, whatever becomes of it.
    pub fn try_run(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new("nsenter")
            .args(["--target", &self.init, "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--"])
            .args(["env", "-C", "/", program])
            .args(arguments)
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env_remove("TMPDIR")
            .stdin(Stdio::null())
            .output()
            .expect("util-linux is installed")
    }

    /// Runs a program that must succeed; its standard output.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let out = self.try_run(program, arguments);
        let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(
            out.status.success(),
            "{program} {arguments:?}: {}\n{said}{complained}{}",
            out.status,
            self.journal()
        );
        said.into_owned()
    }

    /// Standard output of a program, whatever it thinks of it.
    pub fn ask(&self, program: &str, arguments: &[&str]) -> String {
        String::from_utf8_lossy(&self.try_run(program, arguments).stdout).trim().to_owned()
    }

    /// A file of this system, put into the copy, and everything below its folder made.
    pub fn put(&self, content: &[u8], to: &str) {
        let path = PathBuf::from(format!("/proc/{}/root{to}", self.init));
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the copy is writable");
        fs::write(&path, content).expect("the copy is writable");
    }

    /// What the service said.
    pub fn journal(&self) -> String {
        self.ask("journalctl", &["--unit", "senko", "--no-pager", "--output", "cat"])
    }

    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}; {}", self.journal());
            // Between two looks at the condition.
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// All that differs from this system on disk, with the users and groups.
    pub fn changes(&self) -> BTreeSet<String> {
        let found = self.run("find", &["/mnt", "-mindepth", "1", "-printf", "/%P %y %#m %U:%G\\n"]);
        // Folders of this system are copied when something happens in them.
        let old = |line: &str| {
            line.split_once(" d ").is_some_and(|(path, _)| Path::new(path).is_dir())
                || CHANGED_BY_ALL.iter().any(|path| line.starts_with(path))
        };
        let accounts = self.run("cat", &["/etc/group", "/etc/passwd"]);
        found.lines().filter(|line| !old(line)).chain(accounts.lines()).map(Into::into).collect()
    }
}

/// What dpkg, groupadd, systemd and their like leave, whatever is installed.
const CHANGED_BY_ALL: [&str; 7] = [
    "/var/lib/dpkg/",
    "/var/lib/systemd/",
    "/var/log/",
    "/var/cache/",
    "/etc/group",
    "/etc/gshadow",
    "/etc/.pwd.lock",
];

/// Where the system's version 2 of cgroups is.
fn cgroups() -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").expect("/proc is there");
    let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|m| m[2] == "cgroup2");
    mount.expect("systemd needs cgroups, version 2: mount -t cgroup2 cgroup2 /sys/fs/cgroup")[1].into()
}

impl Drop for System {
    fn drop(&mut self) {
        // PID 1 goes with it, and all of the copy with that.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        let deadline = Instant::now() + PATIENCE;
        while remove_cgroup(&self.cgroup).is_err() && Instant::now() < deadline {
            // The last of its processes is still ending.
            thread::sleep(Duration::from_millis(20));
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

/// What a `kill -9` of an earlier test left: its cgroups and mount points, empty now.
fn remove_stale() {
    for (folder, remove) in
        [(cgroups(), remove_cgroup as fn(&Path) -> _), (std::env::temp_dir(), |path| fs::remove_dir(path))]
    {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name
                .strip_prefix("senko-package-")
                .and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
            if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                let _ = remove(&entry.path());
            }
        }
    }
}

/// With those inside; what else is in a cgroup are no files.
fn remove_cgroup(path: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_cgroup(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}
