//! Counts what happens to frames after `bpf_redirect_map` said yes: the kernel tells nobody but its tracepoints.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
};

use abi::RedirectError;

use crate::{Error, LoadChoices, LoadedObject, MapChoice, btf, pipeline};

/// Programs on `xdp:xdp_redirect_err` and `xdp:xdp_devmap_xmit`, for as long as this lives.
#[derive(Debug)]
pub struct RedirectErrors {
    object: LoadedObject,
    _links: [OwnedFd; 2],
}

const MAP: &str = "REDIRECT_ERRORS";

/// Offsets of a device's namespace and of a namespace's number, and the number of ours.
fn namespace() -> Option<(u32, u32, u32)> {
    let device_net = btf::kernel_field_offset("net_device", "nd_net")?;
    let net_inum = btf::kernel_field_offset("net", "ns")? + btf::kernel_field_offset("ns_common", "inum")?;
    let ours = fs::metadata("/proc/thread-self/ns/net").ok()?.ino();
    Some((device_net, net_inum, u32::try_from(ours).ok()?))
}

impl RedirectErrors {
    /// Begins to count, of the devices of this network namespace where the kernel's BTF says how to tell.
    pub fn start() -> Result<Self, Error> {
        let mut choices = LoadChoices {
            programs: vec!["redirect_error".into(), "devmap_transmit".into()],
            ..LoadChoices::default()
        };
        let offset = btf::kernel_field_offset("net_device", "ifindex").unwrap_or(0);
        choices.globals.set("NETDEV_IFINDEX", offset);
        if let Some((device_net, net_inum, netns)) = namespace() {
            choices.globals.set("NETDEV_NET", device_net).set("NET_INUM", net_inum).set("NETNS", netns);
        }
        for (map, entries) in pipeline::smallest_maps() {
            choices.maps.insert(map.into(), MapChoice { max_entries: Some(entries), ..MapChoice::default() });
        }
        let object = pipeline::own_object()?.load(&choices)?;
        let links = [
            object.program("redirect_error")?.attach_raw_tracepoint(c"xdp_redirect_err")?,
            object.program("devmap_transmit")?.attach_raw_tracepoint(c"xdp_devmap_xmit")?,
        ];
        Ok(Self { object, _links: links })
    }

    /// Frames lost so far, by interface and errno, of the interfaces in `of` and of unknown ones.
    pub fn read(&self, of: &HashMap<u32, String>) -> Result<BTreeMap<(String, u32), u64>, Error> {
        let map = self.object.map(MAP)?;
        let mut errors = BTreeMap::new();
        for key in map.keys::<RedirectError>()? {
            let interface = match of.get(&key.ifindex) {
                Some(name) => name.clone(),
                None if key.ifindex == 0 => "unknown".into(),
                None => continue,
            };
            let frames: u64 = map.get_per_cpu::<_, u64>(&key)?.into_iter().sum();
            *errors.entry((interface, key.errno)).or_insert(0) += frames;
        }
        Ok(errors)
    }
}
