//! HTTP as far as it is needed here: one request without a body, one response, and the end.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

const MAX_HEADERS: usize = 64;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) is_head: bool,
    /// Without what follows a question mark.
    pub(super) path: String,
    /// `user:password`, if these were given.
    pub(super) credentials: Option<String>,
}

impl Asked {
    /// Understands the head of a request, or says what is wrong with it.
    pub(super) fn parse(head: &[u8]) -> Result<Self, Response> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Response::text(431, "too many headers\n"));
            }
            _ => return Err(Response::text(400, "this is no HTTP request\n")),
        }
        let is_head = match request.method {
            Some("GET") => false,
            Some("HEAD") => true,
            _ => return Err(Response::text(405, "only GET and HEAD\n")),
        };
        let path = request.path.unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let mut headers = request.headers.iter();
        let given = headers.find(|one| one.name.eq_ignore_ascii_case("authorization"));
        Ok(Self {
            is_head,
            path,
            credentials: given.and_then(|header| basic_credentials(header.value)),
        })
    }
}

/// What `Basic dXNlcjpwYXNzd29yZA==` says.
fn basic_credentials(value: &[u8]) -> Option<String> {
    let (scheme, encoded) = std::str::from_utf8(value).ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Response {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Response {
    pub(super) fn text(status: u16, text: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: text.as_bytes().to_vec(),
        }
    }

    pub(super) fn metrics(text: String) -> Self {
        Self {
            status: 200,
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            body: text.into_bytes(),
        }
    }

    pub(super) fn page(text: &str) -> Self {
        Self {
            content_type: "text/html; charset=utf-8",
            ..Self::text(200, text)
        }
    }

    pub(super) fn json(value: &Value) -> Self {
        Self {
            content_type: "application/json",
            ..Self::text(200, &value.to_string())
        }
    }

    pub(super) fn unauthorized() -> Self {
        Self::text(401, "user default and the password, please\n")
    }

    /// In wire form.
    pub(super) fn bytes(&self, is_head: bool) -> Vec<u8> {
        let Self {
            status,
            content_type,
            body,
        } = self;
        let reason = match status {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            404 => "Not Found",
            405 => "Method Not Allowed",
            431 => "Request Header Fields Too Large",
            _ => "Service Unavailable",
        };
        let challenge = match status {
            401 => "WWW-Authenticate: Basic realm=\"Darner\", charset=\"UTF-8\"\r\n",
            405 => "Allow: GET, HEAD\r\n",
            _ => "",
        };
        let mut bytes = format!(
            "HTTP/1.1 {status} {reason}\r\n\
             Content-Type: {content_type}\r\n\
             Content-Length: {}\r\n\
             Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\n\
             X-Frame-Options: DENY\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'unsafe-inline'; connect-src 'self'; img-src data:\r\n\
             {challenge}Connection: close\r\n\r\n",
            body.len()
        )
        .into_bytes();
        if !is_head {
            bytes.extend_from_slice(body);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood() {
        let asked = Asked::parse(b"HEAD /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!((asked.is_head, asked.path.as_str()), (true, "/a"));
        assert_eq!(asked.credentials, None);
        let status = |head: &[u8]| Asked::parse(head).unwrap_err().status;
        assert_eq!(status(b"GET / HTTP/1.1\r\nno colon\r\n\r\n"), 400);
        assert_eq!(status(b"GET / HTTP/1.1\r\n"), 400);
        assert_eq!(status(b"PUT / HTTP/1.1\r\n\r\n"), 405);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
        assert_eq!(status(many.as_bytes()), 431);
    }

    #[test]
    fn a_head_has_the_length_of_the_body_that_it_leaves_out() {
        let response = Response::text(200, "OK\n");
        let head = String::from_utf8(response.bytes(true)).unwrap();
        let whole = String::from_utf8(response.bytes(false)).unwrap();
        assert!(head.contains("Content-Length: 3\r\n") && head.ends_with("\r\n\r\n"));
        assert_eq!(whole, head + "OK\n");
        let refused = String::from_utf8(Response::unauthorized().bytes(false)).unwrap();
        assert!(refused.contains("\r\nWWW-Authenticate: Basic "));
    }
}
