//! Commands that fix something, as they have to be typed for the network namespace that the interface is in.

/// A network namespace: by name, by path, or the one we are in.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a>(pub Option<&'a str>);

impl Place<'_> {
    pub fn ip(&self, command: &str) -> String {
        match self.0 {
            Some(path) if path.starts_with('/') => format!("nsenter --net={path} ip {command}"),
            Some(name) => format!("ip -n {name} {command}"),
            None => format!("ip {command}"),
        }
    }

    pub fn ethtool(&self, command: &str) -> String {
        match self.0 {
            Some(path) if path.starts_with('/') => format!("nsenter --net={path} ethtool {command}"),
            Some(name) => format!("ip netns exec {name} ethtool {command}"),
            None => format!("ethtool {command}"),
        }
    }

    pub fn senko(&self, command: &str) -> String {
        match self.0 {
            Some(path) if path.starts_with('/') => format!("nsenter --net={path} senko {command}"),
            Some(name) => format!("senko --netns {name} {command}"),
            None => format!("senko {command}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_namespace() {
        assert_eq!(Place(None).ip("link show"), "ip link show");
        assert_eq!(Place(Some("blue")).ip("link show"), "ip -n blue link show");
        assert_eq!(Place(Some("blue")).ethtool("-l veth0"), "ip netns exec blue ethtool -l veth0");
        assert_eq!(
            Place(Some("/proc/7/ns/net")).ethtool("-l veth0"),
            "nsenter --net=/proc/7/ns/net ethtool -l veth0"
        );
    }
}
