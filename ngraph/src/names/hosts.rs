//! The hosts file backwards: the name of an address.
//!
//! hickory reads it too, but keeps every name (a block list of 200,000 lines would be the
//! agent's memory), walks through all of them for each lookup and gives the aliases in the
//! order of a hash map. The first name of an address's first line is the canonical one
//! (hosts(5)), and it alone is kept.

use std::{collections::BTreeMap, net::IpAddr};

/// What a hosts file says: address to canonical name.
#[derive(Debug, Default)]
pub struct Hosts(BTreeMap<IpAddr, String>);

impl Hosts {
    /// Reads the text of a hosts file; lines it doesn't understand say nothing.
    pub fn parse(text: &str) -> Self {
        let mut names = BTreeMap::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            let fields = line.split('#').next().unwrap_or_default();
            let mut fields = fields.split_whitespace();
            if let (Some(Ok(address)), Some(name)) =
                (fields.next().map(str::parse::<IpAddr>), fields.next())
            {
                names.entry(address.to_canonical()).or_insert_with(|| name.to_owned());
            }
        }
        Self(names)
    }

    /// Gives the canonical name of `address`.
    pub fn name(&self, address: IpAddr) -> Option<&str> {
        self.0.get(&address).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_name_of_first_line_is_the_name() {
        let hosts = Hosts::parse(
            "\u{feff}127.0.0.1\tlocalhost lo\n# 192.0.2.9 comment\n\n192.0.2.1 db1.example db1 # the db\n\
             192.0.2.1 later\n::1 localhost ip6-localhost\n::ffff:192.0.2.7 mapped\nnonsense here\n192.0.2.8\n",
        );
        let name = |text: &str| hosts.name(text.parse().unwrap());
        assert_eq!(name("127.0.0.1"), Some("localhost"));
        assert_eq!(name("::1"), Some("localhost"));
        assert_eq!(name("192.0.2.1"), Some("db1.example"));
        assert_eq!(name("192.0.2.7"), Some("mapped"));
        assert_eq!(name("192.0.2.8"), None);
        assert_eq!(name("192.0.2.9"), None);
    }

    #[test]
    fn a_block_list_costs_one_entry() {
        let list: String = (0..10_000).map(|n| format!("0.0.0.0 ad{n}.example\n")).collect();
        assert_eq!(Hosts::parse(&list).0.len(), 1);
    }
}
