//! Over real sockets: what is refused is never connected to.

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Answers each connection with the next of these, and returns the requests that came.
async fn answers(listener: TcpListener, answers: Vec<String>) -> Vec<String> {
    let mut requests = Vec::new();
    for answer in answers {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut piece = [0; 1024];
            let length = stream.read(&mut piece).await.unwrap();
            request.extend_from_slice(&piece[..length]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        requests.push(String::from_utf8(request).unwrap());
    }
    requests
}

fn redirect(to: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
}

const WELL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nwell";

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn outbound(rules: &[&str]) -> HttpOutbound {
    let reach = Reach::parse(rules).unwrap();
    HttpOutbound::new(Duration::from_secs(5), 1024).reaching(reach)
}

async fn get(outbound: &HttpOutbound, url: &str) -> Result<Response<Bytes>, OutboundError> {
    let request = Request::builder().uri(url).body(Bytes::new()).unwrap();
    outbound.send(request).await
}

#[tokio::test]
async fn a_request_may_say_how_much_of_an_answer_it_takes() {
    let (listener, port) = listener().await;
    let outbound = outbound(&["127.0.0.1"]);
    let get = async |limit: usize| {
        let url = format!("http://127.0.0.1:{port}/");
        let mut request = Request::builder().uri(url).body(Bytes::new()).unwrap();
        request.extensions_mut().insert(AnswerLimit(limit));
        outbound.send(request).await.map(Response::into_body)
    };
    let asking = async {
        assert_eq!(get(4).await.unwrap(), "well");
        assert!(matches!(get(3).await, Err(OutboundError::NoAnswer { .. })));
        // It takes no more than the client does.
        assert_eq!(get(usize::MAX).await.unwrap(), "well");
    };
    tokio::join!(answers(listener, vec![WELL.to_owned(); 3]), asking);
}

#[tokio::test]
async fn what_is_not_public_is_refused_before_a_connection_is_made() {
    let (listener, port) = listener().await;
    for host in [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        // Spellings that the system's resolver understands.
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::]",
        "169.254.169.254",
    ] {
        let url = format!("http://{host}:{port}/secret?token=secret");
        let fault = get(&outbound(&[]), &url).await.unwrap_err();
        assert!(
            matches!(fault, OutboundError::Refused { .. }),
            "{host}: {fault}"
        );
        let text = fault.to_string();
        assert!(
            text.contains("`outbound_allow`") && !text.contains("secret"),
            "{text}"
        );
        let error = fault.into_error();
        assert!(error.is_permanent());
        assert!(!error.caller_text().contains("outbound_allow"), "{error}");
    }
    let knocked = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(knocked.is_err(), "somebody connected");
}

#[tokio::test]
async fn what_the_operator_allows_is_called_by_name_and_by_address() {
    for (rule, host) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.0/8", "localhost"),
        ("LOCALHOST", "localhost"),
    ] {
        let (listener, port) = listener().await;
        let url = format!("http://{host}:{port}/");
        let outbound = outbound(&[rule]);
        let (answer, _) = tokio::join!(get(&outbound, &url), answers(listener, vec![WELL.into()]));
        assert_eq!(answer.unwrap().body(), "well", "{rule}");
    }
}

#[tokio::test]
async fn a_redirect_to_what_may_not_be_called_is_refused() {
    for target in [
        "http://169.254.169.254/latest",
        "http://[::1]:1/",
        "//10.0.0.1/x",
    ] {
        let (listener, port) = listener().await;
        let (url, outbound) = (
            format!("http://127.0.0.1:{port}/"),
            outbound(&["127.0.0.1"]),
        );
        let (answer, _) = tokio::join!(
            get(&outbound, &url),
            answers(listener, vec![redirect(target)])
        );
        let fault = answer.unwrap_err();
        assert!(matches!(fault, OutboundError::Refused { .. }), "{fault}");
    }
}

#[tokio::test]
async fn redirects_are_followed_up_to_the_limit_and_no_further() {
    let (listener, port) = listener().await;
    let (url, outbound) = (
        format!("http://127.0.0.1:{port}/"),
        outbound(&["127.0.0.1"]),
    );
    let mut few = vec![redirect("/next"); redirect::MOST];
    few.push(WELL.to_owned());
    let (answer, requests) = tokio::join!(get(&outbound, &url), answers(listener, few));
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    assert_eq!(requests.len(), redirect::MOST + 1);
    assert!(requests[1].starts_with("GET /next HTTP/1.1\r\n"));

    let (listener, port) = self::listener().await;
    let url = format!("http://127.0.0.1:{port}/");
    let many = vec![redirect("/next"); redirect::MOST + 1];
    let (answer, _) = tokio::join!(get(&outbound, &url), answers(listener, many));
    let text = answer.unwrap_err().to_string();
    assert!(text.ends_with("it redirects more than 10 times"), "{text}");
}

#[tokio::test]
async fn who_wants_the_redirect_itself_gets_it() {
    let (listener, port) = listener().await;
    let outbound = outbound(&["127.0.0.1"]);
    let request = Request::builder()
        .uri(format!("http://127.0.0.1:{port}/"))
        .extension(RedirectsAreAnswers)
        .body(Bytes::new())
        .unwrap();
    let (answer, _) = tokio::join!(
        outbound.send(request),
        answers(listener, vec![redirect("http://169.254.169.254/")])
    );
    assert_eq!(answer.unwrap().status(), StatusCode::FOUND);
}
