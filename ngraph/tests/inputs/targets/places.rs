//! Text as a process' control groups, and each of its words as a folder and a link of the
//! kubelet's.

use ngraph::places::{
    cgroup::{Spot, is_mixed, unified},
    pods,
};

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let spot = Spot::of_process(&text);
    if let Some(id) = &spot.container {
        assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id:?}");
    }
    let is_uid = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    assert!(spot.pod.iter().all(|uid| uid.bytes().all(is_uid)), "{spot:?}");
    if let Some(path) = unified(&text) {
        assert!(text.contains(path) && !path.contains('\n'));
    }
    is_mixed(&text);
    let id = spot.container.unwrap_or_default();
    for word in text.split_whitespace() {
        if let Some((pod, uid)) = pods::parse(word) {
            assert!(word.ends_with(uid), "{word:?}");
            assert_is_plain(&pod.namespace);
            assert_is_plain(&pod.name);
        }
        pods::linked(word, &id).iter().for_each(|name| assert_is_plain(name));
    }
}

fn assert_is_plain(name: &str) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    assert!((1..=253).contains(&name.len()) && name.bytes().all(is_plain), "{name:?}");
}
