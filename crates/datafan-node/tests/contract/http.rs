//! HTTP: access control, and security headers.

use crate::common::{Member, PATIENCE, TestDir, api::Api, datafan, string, text};
use std::{
    fs,
    io::{self, Write},
    net::TcpStream,
    os::unix::net::UnixListener,
    thread,
    time::{Duration, Instant},
};

#[test]
fn a_get_that_another_site_causes_is_refused_for_all_that_holds_data() {
    let place = TestDir::new();
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
    let place = TestDir::new();
    let dir = place.path("a");
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &text(&dir)]).code, 0);
    let member = Member::run(&dir, &["--api", "127.0.0.1:0"]);
    let api = string(&member.ports["api"]);
    let with = |bytes: usize| get(&api, "/v1/addresses", &format!("A: {}\r\n", "a".repeat(bytes)));
    assert!(with(65_000).starts_with("HTTP/1.1 200 "));
    for bytes in (65_536..=140_000).step_by(4_099) {
        let answer = with(bytes);
        // The rest of a request that is far too long is not read, so the answer may be lost with the
        // connection.
        assert!(answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(), "{bytes}: {answer}");
    }
    member.put("still", "works");
}

/// Every route with a body, taken from the source, so that new ones are checked too.
fn routes_with_a_body() -> Vec<&'static str> {
    let source = include_str!("../../src/http/routes.rs");
    let routes = source.lines().filter(|line| line.contains(".route(") && line.contains("post("));
    routes.map(|line| line.split('"').nth(1).unwrap()).collect()
}

#[test]
fn a_body_is_an_object_at_any_depth_wherever_one_is_taken() {
    let place = TestDir::new();
    let (a, mut all) = (place.founder("a"), routes_with_a_body());
    all.sort_unstable();
    let id = a.id();
    let mut api = Api::open(&a.dir).unwrap();
    let mut refused = |path: &str, body: &str, said: &str| {
        let answer = api.post(path, body).unwrap();
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.body);
        let error = string(&answer.json()["error"]);
        assert!(error.contains(said) && !error.contains("struct"), "{path} {body}: {error}");
    };
    // An array of the fields of each struct.
    let positional = [
        ("/v1/admit", format!(r#"["{id}","b"]"#)),
        ("/v1/admit-all", format!(r#"[[{{"id":"{id}","name":"b"}}]]"#)),
        ("/v1/adopt", r#"["a"]"#.to_owned()),
        ("/v1/apply", r#"["text"]"#.to_owned()),
        ("/v1/commit", r#"[[{"key":"k","value":"v"}]]"#.to_owned()),
        ("/v1/compact", "[]".to_owned()),
        ("/v1/forks/close", r#"["a"]"#.to_owned()),
        ("/v1/grant", r#"["a","b"]"#.to_owned()),
        ("/v1/recovered", "[false]".to_owned()),
        ("/v1/restamp", "[]".to_owned()),
        ("/v1/revoke", r#"["a",true]"#.to_owned()),
        ("/v1/rotate", format!(r#"["a","{id}"]"#)),
    ];
    assert_eq!(all, positional.each_ref().map(|(path, _)| *path), "every route is here");
    for (path, body) in &positional {
        refused(path, body, "array, expected an object");
        refused(path, "7", "expected an object");
    }
    refused(
        "/v1/commit",
        r#"{"writes":[{"key":"k","value":"v"},["k2","v"]]}"#,
        "writes[1]: invalid type: array",
    );
    refused("/v1/admit-all", &format!(r#"{{"members":[["{id}","b"]]}}"#), "members[0]: invalid type: array");
    a.ask(&["get", "k"]).fails(4, "has no key");
}

#[test]
fn parameters_that_a_route_does_not_have_are_refused_everywhere() {
    let place = TestDir::new();
    let a = place.founder("a");
    let mut api = Api::open(&a.dir).unwrap();
    let source = include_str!("../../src/http/routes.rs");
    let routes: Vec<_> = source.lines().filter(|line| line.contains(".route(\"/v1/")).collect();
    assert!(routes.len() > 20, "{routes:?}");
    for route in routes {
        let path = route.split('"').nth(1).unwrap();
        let asked = format!("{path}?no_such_parameter=1");
        let mut answers = Vec::new();
        if route.contains("get(") {
            answers.push(api.get(&asked).unwrap());
        }
        if route.contains("post(") {
            answers.push(api.post(&asked, "{}").unwrap());
        }
        assert!(!answers.is_empty(), "{route}");
        for answer in answers {
            assert_eq!(answer.status, 400, "{path}: {}", answer.body);
            let error = string(&answer.json()["error"]);
            assert!(error.contains("parameter") && !error.contains("eserialize"), "{path}: {error}");
        }
    }
    for malformed in ["/v1/item?key=100%", "/v1/item?key=%zz", "/v1/%zz", "/v1/status?%"] {
        let answer = api.get(malformed).unwrap();
        assert_eq!(answer.status, 400, "{malformed}: {}", answer.body);
        assert!(answer.body.contains("two hexadecimal digits"), "{malformed}: {}", answer.body);
    }
    for path in ["/v1/compact", "/v1/restamp"] {
        for body in [r#"{"x":1}"#, "null", "x"] {
            let answer = api.post(path, body).unwrap();
            assert_eq!(answer.status, 400, "{path} {body}: {}", answer.body);
        }
        for body in ["", "{}"] {
            assert_eq!(api.post(path, body).unwrap().status, 200, "{path} {body}");
        }
    }
}

#[test]
fn a_socket_that_was_replaced_is_made_anew_or_what_is_in_its_place_is_named() {
    let place = TestDir::new();
    let mut a = place.founder("a");
    let socket = a.dir.join("api.sock");
    let answers_again = |a: &Member| {
        let until = Instant::now() + PATIENCE;
        while a.ask(&["status"]).code != 0 {
            assert!(Instant::now() < until, "it is not made anew");
            thread::sleep(Duration::from_millis(200));
        }
    };
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "notes").unwrap();
    let said = a.logs("cannot create the socket");
    assert!(said.contains(&text(&socket)) && said.contains("a regular file exists at this path"), "{said}");
    a.ask(&["status"]).fails(3, "a regular file is at");
    fs::remove_file(&socket).unwrap();
    fs::create_dir(&socket).unwrap();
    let said = a.logs("cannot create the socket");
    assert!(said.contains("a directory exists at this path"), "{said}");
    fs::remove_dir(&socket).unwrap();
    answers_again(&a);
    // The socket of a process that has ended does not matter.
    fs::remove_file(&socket).unwrap();
    drop(UnixListener::bind(&socket).unwrap());
    answers_again(&a);
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
