//! One connection: one request, in bounded room and time.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use log::debug;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::Site;

/// For the request to come and the answer to go: as long as Prometheus waits by default. What is
/// being sent stays in memory, so this also bounds of how many files that may be.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a request's head, the least that hyper can be told.
const MOST_HEAD: usize = 8_192;

/// Answers the one request of `stream`.
pub(super) async fn serve<S>(stream: S, site: Arc<Site>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let answer = service_fn(move |request: Request<Incoming>| {
        let answer = site.answer(request.method(), request.uri().path());
        async { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        // Who asks once a quarter of a minute gains nothing by it.
        .keep_alive(false)
        // Who has said all may close his end and still listen.
        .half_close(true)
        .max_buf_size(MOST_HEAD)
        .serve_connection(TokioIo::new(stream), answer);
    match timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(err)) => debug!("answer a request: {err}"),
        Err(_) => debug!("answer a request: not done within {PATIENCE:?}"),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::StatusCode;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::Instant,
    };

    use super::*;
    use crate::serve::Answer;

    const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n";

    fn site(bytes: usize) -> Arc<Site> {
        let body = Bytes::from(vec![b'x'; bytes]);
        Arc::new(Site::default().with("/x", move || Answer {
            status: StatusCode::OK,
            content_type: "text/plain",
            body: body.clone(),
        }))
    }

    /// A client who has said this, and a server who is at it.
    async fn said(text: &[u8], bytes: usize) -> (DuplexStream, tokio::task::JoinHandle<()>) {
        let (mut client, server) = duplex(64 << 10);
        let server = tokio::spawn(serve(server, site(bytes)));
        client.write_all(text).await.unwrap();
        (client, server)
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_too_little_or_hears_too_slowly_is_let_go_when_his_time_is_over() {
        for (text, bytes) in [(&b""[..], 1), (b"GET /x HT", 1), (GET, 1 << 20)] {
            let start = Instant::now();
            let (client, server) = said(text, bytes).await;
            server.await.unwrap();
            assert_eq!(start.elapsed(), PATIENCE, "{text:?}");
            drop(client);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_a_byte_at_a_time_gains_no_time() {
        let (mut client, server) = said(b"", 1).await;
        let start = Instant::now();
        let slowly = async {
            for byte in GET.iter().cycle() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if client.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! {
            () = slowly => {}
            ended = server => ended.unwrap(),
        }
        assert!(start.elapsed() <= PATIENCE + Duration::from_secs(1), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_of_any_size_is_not_read_to_its_end() {
        let (mut client, server) = said(b"GET /x HTTP/1.1\r\nA: ", 1).await;
        // It may close before all is written.
        let _ = client.write_all(&vec![b'a'; 1 << 20]).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        server.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_closes_his_end_after_asking_is_answered_in_whole() {
        let (mut client, server) = said(GET, 1 << 20).await;
        client.shutdown().await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.len() > 1 << 20);
        server.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_one_request() {
        let (mut client, server) = said(&[GET, GET].concat(), 1).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        server.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_http_is_refused() {
        for text in [
            &b"\0\0\0\0\r\n\r\n"[..],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"x\r\n\r\n",
        ] {
            let (mut client, server) = said(text, 1).await;
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
            server.await.unwrap();
        }
    }
}
