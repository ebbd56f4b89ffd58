//! Bytes as the kernel's answer about a tracked connection.

use ngraph::nat::message::{Answer, answer};

pub fn run(bytes: &[u8]) {
    match answer(bytes) {
        Ok((_, Answer::Answers(endpoint))) => {
            let text = endpoint.to_string();
            assert!(text.parse::<std::net::SocketAddr>().is_ok(), "{text}");
        }
        Ok((_, Answer::Untracked | Answer::Failed(_))) => {}
        Err(err) => assert!(!format!("{err:#}").is_empty()),
    }
}
