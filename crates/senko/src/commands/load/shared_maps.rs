//! Maps that an object declares as shared (`LIBBPF_PIN_BY_NAME`): the one that is pinned under the name already, else
//! a new one that is pinned there.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use engine::{LoadChoices, LoadedObject, Map, ObjectFile, bpffs};

use crate::failure::Failure;

/// Where each shared map is or goes, and the map that is there.
pub struct SharedMaps(Vec<(String, PathBuf, Option<Arc<Map>>)>);

/// Looks for the object's shared maps: in `DIR/maps` of `--pin`, whose maps are all pinned anyway, else in the bpffs.
pub fn find(object: &ObjectFile, pin: Option<&Path>) -> Result<SharedMaps, Failure> {
    let mut found = Vec::new();
    for (name, declared) in object.maps_pinned_by_name() {
        let path = match pin {
            Some(directory) => directory.join("maps").join(&name),
            None => Path::new(bpffs::USUAL_MOUNT).join(&name),
        };
        if !path.exists() {
            found.push((name, path, None));
            continue;
        }
        let map = bpffs::c_path(&path)
            .and_then(|path| Map::open_pinned(&path))
            .map_err(|source| engine::Error::Pin { path: path.clone(), source })?;
        if !map.spec().is_compatible(&declared) {
            return Err(Failure::failed(
                format!("map `{name}` is pinned at {} with other sizes or of another type", path.display()),
                Some(&format!("remove it with `rm {}` if nothing uses it", path.display())),
            ));
        }
        found.push((name, path, Some(Arc::new(map))));
    }
    Ok(SharedMaps(found))
}

impl SharedMaps {
    /// Has the load use what is pinned.
    pub fn reuse(&self, choices: &mut LoadChoices) {
        for (name, _, map) in &self.0 {
            if let Some(map) = map {
                choices.maps.entry(name.clone()).or_default().reuse = Some(map.clone());
            }
        }
    }

    /// Pins the new ones where the next loader looks for them; those under `--pin` are pinned with all others.
    pub fn pin(&self, loaded: &LoadedObject) -> Result<(), Failure> {
        let usual = Path::new(bpffs::USUAL_MOUNT);
        for (name, path, _) in
            self.0.iter().filter(|(_, path, map)| map.is_none() && path.parent() == Some(usual))
        {
            if !bpffs::is_bpffs(usual) {
                eprintln!(
                    "senko: map `{name}` is meant to be shared, but no bpffs is mounted at {}: it is this program's \
                     alone (`mount -t bpf bpf {}`)",
                    usual.display(),
                    usual.display()
                );
                continue;
            }
            let at =
                bpffs::c_path(path).map_err(|source| engine::Error::Pin { path: path.clone(), source })?;
            loaded.map(name)?.pin(&at)?;
        }
        Ok(())
    }
}
