//! Names of the configuration's sets, for completion: read leniently, since nobody wants an error for a Tab.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

/// What `senko run` reads where no `-c` says otherwise.
const DEFAULT: &str = "/etc/senko/senko.toml";

/// Names in `[sets]` of the configuration and of its `conf.d`, sorted. `SENKO_CONFIG` names another file.
pub fn set_names() -> BTreeSet<String> {
    let file = env::var_os("SENKO_CONFIG").filter(|path| !path.is_empty());
    names_in(Path::new(&file.unwrap_or_else(|| DEFAULT.into())))
}

fn names_in(file: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in [file.to_owned()].into_iter().chain(conf_d(file)) {
        names.extend(fs::read_to_string(path).map(|text| names_of(&text)).unwrap_or_default());
    }
    names
}

/// The `*.toml` of `conf.d` beside the file.
fn conf_d(file: &Path) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new("")).join("conf.d");
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

/// Of a file that somebody is editing, too: what can be read beside a mistake counts.
fn names_of(text: &str) -> Vec<String> {
    let (table, _errors) = toml::de::DeTable::parse_recoverable(text);
    let sets = table.get_ref().get("sets").and_then(|sets| sets.get_ref().as_table());
    sets.map(|sets| sets.keys().map(|name| name.get_ref().to_string()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_keys() {
        let text = "[sets]\noffice = [\"192.0.2.0/24\"]\n\"block list\" = { file = \"x\" }\n\
                    [sets.admins]\nfile = \"y\"\n[firewall]\ndrop = [\"@office\"]\n";
        assert_eq!(names_of(text), ["admins", "block list", "office"]);
    }

    #[test]
    fn a_mistake_hides_as_little_as_it_can() {
        let of = |mistake: &str| {
            names_of(&format!(
                "[[interface]]
name = eth0
[sets]
office = []
{mistake}
admins = []
"
            ))
        };
        assert_eq!(of("vips = "), ["admins", "office", "vips"]);
        assert_eq!(of("vips = [\"192.0.2"), ["office", "vips"], "the list goes on");
        assert_eq!(of("[firewall"), ["office"], "what follows may be of another section");
        assert!(names_of("sets = 5").is_empty());
        assert!(names_of("").is_empty());
    }

    #[test]
    fn conf_d_adds_its_own() {
        let folder = env::temp_dir().join(format!("senko-sets-{}", std::process::id()));
        fs::create_dir_all(folder.join("conf.d")).expect("the temporary folder takes folders");
        let file = folder.join("senko.toml");
        fs::write(&file, "[sets]\nb = []\n").expect("it is writable");
        fs::write(folder.join("conf.d/10-more.toml"), "[sets]\na = []\n").expect("it is writable");
        fs::write(folder.join("conf.d/notes.txt"), "[sets]\nc = []\n").expect("it is writable");
        let names = names_in(&file);
        fs::remove_dir_all(&folder).expect("it is ours");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(names_in(&file).is_empty(), "no file, no names");
    }
}
