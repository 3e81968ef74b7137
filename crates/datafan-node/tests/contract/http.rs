//! HTTP: who is let in, and what is marked.

use crate::common::{Member, PATIENCE, Place, datafan, string, text};
use std::{
    io::{self, Write},
    net::TcpStream,
};

#[test]
fn a_get_that_another_site_causes_is_refused_for_all_that_holds_data() {
    let place = Place::new();
    let dir = place.path("a");
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &text(&dir)]).code, 0);
    let member = Member::run(&dir, &["--api", "127.0.0.1:0"]);
    let api = string(&member.ports["api"]);
    member.put("secret", "of a");
    for path in [
        "status",
        "members",
        "addresses",
        "item?key=secret",
        "items?key=secret",
        "list",
        "export",
        "backup",
        "forks",
    ] {
        let ask = |more: &str| get(&api, &format!("/v1/{path}"), more);
        let own = ask("");
        assert!(own.starts_with("HTTP/1.1 200 "), "{path}: {own}");
        let headers = own.split("\r\n\r\n").next().unwrap().to_lowercase();
        assert!(headers.contains("cross-origin-resource-policy: same-origin"), "{path}: {headers}");
        assert!(headers.contains("x-content-type-options: nosniff"), "{path}: {headers}");
        assert!(ask("Sec-Fetch-Site: none\r\n").starts_with("HTTP/1.1 200 "), "typed by its user");
        for foreign in
            ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Referer: http://evil.example/"]
        {
            let answer = ask(&format!("{foreign}\r\n"));
            assert!(answer.starts_with("HTTP/1.1 403 ") && !answer.contains("of a"), "{path}: {answer}");
        }
    }
    let foreign = get(&api, "/later", "Sec-Fetch-Site: cross-site\r\n");
    assert!(foreign.starts_with("HTTP/1.1 403 "), "whatever comes to be there: {foreign}");
}

#[test]
fn headers_keep_to_64_kib() {
    let place = Place::new();
    let dir = place.path("a");
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &text(&dir)]).code, 0);
    let member = Member::run(&dir, &["--api", "127.0.0.1:0"]);
    let api = string(&member.ports["api"]);
    let with = |bytes: usize| get(&api, "/v1/addresses", &format!("A: {}\r\n", "a".repeat(bytes)));
    assert!(with(65_000).starts_with("HTTP/1.1 200 "));
    for bytes in (65_536..=140_000).step_by(4_099) {
        let answer = with(bytes);
        // Of what is far too long the rest is not read, so that the answer may be lost with the connection.
        assert!(answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(), "{bytes}: {answer}");
    }
    member.put("still", "works");
}

fn get(api: &str, path: &str, more: &str) -> String {
    let mut stream = TcpStream::connect(api).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let text = format!("GET {path} HTTP/1.1\r\nHost: {api}\r\n{more}Connection: close\r\n\r\n");
    let _ = stream.write_all(text.as_bytes());
    let mut answer = Vec::new();
    let _ = io::copy(&mut stream, &mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
