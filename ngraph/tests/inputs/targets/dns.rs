//! Bytes as a name server's answer, and as the text of a name, up to the name that is shown.

use hickory_resolver::proto::op::Message;
use ngraph::names::{hostname, resolver::ptr_names};

use super::assert_is_host_name;

pub fn run(bytes: &[u8]) {
    if let Ok(message) = Message::from_vec(bytes) {
        let mut names = ptr_names(&message.answers);
        let shown = hostname::choose(&names);
        names.reverse();
        assert_eq!(shown, hostname::choose(&names), "the order shows");
        if let Some(shown) = shown {
            assert_is_host_name(&shown);
        }
    }
    if let Some(shown) = hostname::clean(&String::from_utf8_lossy(bytes)) {
        assert_is_host_name(&shown);
        assert_eq!(hostname::clean(&shown).as_ref(), Some(&shown), "cleaned twice");
    }
}
