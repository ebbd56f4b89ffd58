//! What is at which path, and the answer to a request.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
};

/// What a page answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it went.
    pub status: StatusCode,
    /// What the body is.
    pub content_type: &'static str,
    /// The whole of it.
    pub body: Bytes,
}

impl Answer {
    /// A line for a human to read.
    pub fn line(status: StatusCode, text: &str) -> Self {
        let body = Bytes::from(format!("{text}\n"));
        Self { status, content_type: "text/plain; charset=utf-8", body }
    }
}

/// Pages by their paths.
#[derive(Default)]
pub struct Site(BTreeMap<&'static str, Page>);

type Page = Box<dyn Fn() -> Answer + Send + Sync>;

impl Site {
    /// The same with one more page. It is asked while others wait, and so mustn't.
    pub fn with(
        mut self,
        path: &'static str,
        page: impl Fn() -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(path, Box::new(page));
        self
    }

    /// The response to a request. To HEAD it's the same: who sends it leaves out the body.
    pub(super) fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let is_read = [Method::GET, Method::HEAD].contains(method);
        let answer = match self.0.get(path) {
            Some(page) if is_read => page(),
            Some(_) => Answer::line(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD"),
            None => {
                let paths: Vec<_> = self.0.keys().copied().collect();
                let text = format!("there is no such page; there is: {}", paths.join(", "));
                Answer::line(StatusCode::NOT_FOUND, &text)
            }
        };
        let Answer { status, content_type, body } = answer;
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}
