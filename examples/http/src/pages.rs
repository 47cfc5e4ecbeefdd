//! What there is: one page, and an echo.

use crate::head::Head;
use crate::response::{Response, Status};

const PAGE: &[u8] = include_bytes!("page.html");

/// Answers what was asked for.
pub(crate) fn answer(head: &Head, body: Vec<u8>) -> Response {
    match (head.path.as_str(), head.method.as_str()) {
        ("/", "GET" | "HEAD") => Response::ok("text/html; charset=utf-8", PAGE.to_vec()),
        ("/" | "/echo", "POST") => Response::ok("application/octet-stream", body),
        ("/", _) => Response::error(Status::MethodNotAllowed("GET, HEAD, POST")),
        ("/echo", _) => Response::error(Status::MethodNotAllowed("POST")),
        _ => Response::error(Status::NotFound),
    }
}
