//! The HTTP API of a running member: access control, and every limit at its edge; one request beyond a limit
//! is refused without harm to others.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Member, PATIENCE, TestDir, datafan, prepared, string, text};
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt, symlink},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::Command,
    thread,
    time::Instant,
};

// As in src/http/bounds.rs and docs/http.md.
const CONNECTIONS_MAX: usize = 64;
const STREAMS_MAX: usize = 16;
const WAITS_MAX: usize = 32;
const BODIES_MAX: usize = 8;
const BODY_BYTES_MAX: usize = 8 << 20;
const WAIT_MILLIS_MAX: u64 = 86_400_000;

#[test]
fn tcp_asks_for_the_token_that_the_file_holds() {
    let place = TestDir::new();
    let (dir, file) = (place.path("a"), place.path("token"));
    let member = founder_on_tcp(&place, &["--api-token-file", &text(&file)]);
    let api = string(&member.ports["api"]);
    assert_eq!(mode(&file), 0o600, "made where there was none");
    let token = fs::read_to_string(&file).unwrap().trim().to_owned();
    let ask = |path: &str, more: &str| {
        request(&api, &format!("GET {path} HTTP/1.1"), &format!("Host: {api}\r\n{more}"), b"")
    };
    for path in ["/v1/status", "/v1/export", "/nothing", "/"] {
        let answer = ask(path, "");
        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
        assert!(answer.to_lowercase().contains("www-authenticate: bearer"), "{answer}");
        assert!(
            answer.contains("this address requires a token") && answer.contains("--api-token-file"),
            "{answer}"
        );
    }
    let wrong = "a".repeat(token.len());
    assert!(ask("/v1/status", &format!("Authorization: Bearer {wrong}\r\n")).contains("wrong token"));
    assert!(ask("/v1/status", &format!("Authorization: Basic {token}\r\n")).starts_with("HTTP/1.1 401 "));
    let right = format!("Authorization: Bearer {token}\r\n");
    assert!(ask("/v1/status", &right).starts_with("HTTP/1.1 200 "));
    assert!(
        ask("/v1/status", &format!("Origin: http://evil.example\r\n{right}")).starts_with("HTTP/1.1 403 ")
    );

    // Only its owner can open the socket, which needs no token; a later run uses the existing token.
    member.put("k", "v");
    assert_eq!(member.terminate(), 0);
    let member = Member::run(&dir, &["--api", &api, "--api-token-file", &text(&file)]);
    assert!(ask("/v1/status", &right).starts_with("HTTP/1.1 200 "));
    drop(member);
}

#[test]
fn commands_ask_over_tcp_and_name_the_token() {
    let place = TestDir::new();
    let file = text(&place.path("token"));
    let member = founder_on_tcp(&place, &["--api-token-file", &file]);
    let (api, id) = (string(&member.ports["api"]), member.id());
    let elsewhere = text(&place.path("nobody"));
    let at = ["--data-dir", &elsewhere, "--api", &api];
    let with_token = [&at[..], &["--api-token-file", &file]].concat();
    assert_eq!(datafan(&[&with_token, &["put", "k", "v"][..]].concat()).code, 0);
    datafan(&[&with_token, &["get", "k"][..]].concat()).is("v");
    let status = datafan(&[&with_token, &["status", "--json"][..]].concat()).json();
    assert_eq!((&status["id"], &status["api"]), (&json!(id), &json!(api)));
    let saved = text(&place.path("backup"));
    assert_eq!(datafan(&[&with_token, &["backup", &saved][..]].concat()).code, 0);
    let environment =
        prepared(Command::new(env!("CARGO_BIN_EXE_datafan")), &["--data-dir", &elsewhere, "get", "k"])
            .env("DATAFAN_API", &api)
            .env("DATAFAN_API_TOKEN_FILE", &file)
            .output()
            .unwrap();
    assert_eq!(environment.stdout, b"v");

    datafan(&[&at[..], &["get", "k"]].concat())
        .fails(1, "this address requires a token: use --api-token-file");
    let other = place.file("other", "b".repeat(52));
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    datafan(&[&at[..], &["--api-token-file", &other, "get", "k"]].concat()).fails(1, "wrong token");
    datafan(&[&at[..], &["--api-token-file", "/nowhere", "get", "k"]].concat())
        .fails(1, "does not exist: `datafan run");
    datafan(&["--api-token-file", &file, "get", "k"]).fails(2, "needs --api IP:PORT");
    drop(member);
    datafan(&[&with_token, &["get", "k"][..]].concat()).fails(3, "no member answers on TCP");
    datafan(&[&with_token, &["backup", &saved, "--force"][..]].concat()).fails(3, "no member answers on TCP");
}

#[test]
fn a_token_that_others_know_or_guess_is_refused_at_the_start() {
    let place = TestDir::new();
    let dir = text(&place.path("a"));
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &dir]).code, 0);
    let run = |file: &str| {
        datafan(&[
            "run",
            "--data-dir",
            &dir,
            "--listen",
            "127.0.0.1:0",
            "--api",
            "127.0.0.1:0",
            "--api-token-file",
            file,
        ])
    };
    let file = place.file("token", "a".repeat(52));
    for mode in [0o644, 0o640, 0o602] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        run(&file).fails(1, "may be read by other users");
    }
    let file = place.file("short", "a".repeat(31));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    run(&file).fails(1, "fewer than 32 characters");
    run(&text(&place.path("no/such/directory"))).fails(1, "No such file");
    run(&text(place.0.path())).fails(1, "not a regular file");
}

#[test]
fn the_socket_is_private_whatever_was_there_and_whatever_the_umask_is() {
    let place = TestDir::new();
    let dir = place.path("a");
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &text(&dir)]).code, 0);
    let socket = dir.join("api.sock");
    let target = place.file("precious", "content");
    symlink(&target, &socket).unwrap();
    let run = datafan(&["run", "--data-dir", &text(&dir), "--listen", "127.0.0.1:0"]);
    run.fails(1, "api.sock: a symbolic link exists at this path: move it away");
    assert_eq!(fs::read_link(&socket).unwrap(), Path::new(&target), "neither followed nor replaced");
    fs::remove_file(&socket).unwrap();
    // The socket of a killed member, open to all.
    drop(UnixListener::bind(&socket).unwrap());
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
    for umask in ["000", "277"] {
        let mut starter = Command::new("sh");
        starter.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_datafan")]);
        let member = Member::start_by(starter, "127.0.0.1:0", &dir, &[]).ready();
        let file = fs::symlink_metadata(&socket).unwrap();
        assert!(file.file_type().is_socket());
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "umask {umask}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "content");
        assert_eq!(member.ask(&["status", "--json"]).json()["state"], "up");
        assert_eq!(member.terminate(), 0);
        assert!(!socket.exists(), "gone with its member");
    }
}

#[test]
fn beyond_the_connections_of_tcp_one_waits_and_is_told_and_the_socket_is_free() {
    let place = TestDir::new();
    let member = founder_on_tcp(&place, &[]);
    let api = string(&member.ports["api"]);
    let get = || request(&api, "GET /v1/status HTTP/1.1", &format!("Host: {api}\r\n"), b"");
    let mut open: Vec<_> = (0..CONNECTIONS_MAX - 1).map(|_| TcpStream::connect(&api).unwrap()).collect();
    assert!(get().starts_with("HTTP/1.1 200 "), "the last place");
    open.push(TcpStream::connect(&api).unwrap());
    let late = busy(get);
    assert!(late.starts_with("HTTP/1.1 503 ") && late.contains("64 connections are open"), "{late}");
    member.put("k", "v");
    // A waiting request gets the freed place.
    let waiting = thread::scope(|scope| {
        let waiting = scope.spawn(get);
        open.pop();
        waiting.join().unwrap()
    });
    assert!(waiting.starts_with("HTTP/1.1 200 "), "{waiting}");
}

#[test]
fn readers_that_stall_take_no_more_than_their_places() {
    let place = TestDir::new();
    let member = place.founder("a");
    let value = place.file("value", vec![b'v'; 1 << 20]);
    for n in 0..8 {
        assert_eq!(member.ask(&["put", &format!("k{n}"), "--file", &value]).code, 0);
    }
    let export = || begun(&member.dir, "GET /v1/export HTTP/1.1", "", b"");
    let mut stalled: Vec<_> = (0..STREAMS_MAX).map(|_| first_line(export())).collect();
    assert!(stalled.iter().all(|(line, _)| line.contains("200 OK")));
    let late = end(export());
    assert!(late.starts_with("HTTP/1.1 503 ") && late.contains("16 streamed answers"), "{late}");
    member.ask(&["ls"]).fails(1, "try again later");
    member.put("others", "go on");
    drop(stalled.pop());
    assert_eq!(member.ask(&["ls", "--json"]).lines().len(), 9, "a place is free again");
    // A reader that stalled and continues gets everything.
    let (_, reader) = stalled.pop().unwrap();
    assert!(end(reader).ends_with("\r\n0\r\n\r\n"));
}

#[test]
fn those_who_wait_take_no_more_than_their_places_and_no_longer_than_a_day() {
    let place = TestDir::new();
    let member = place.founder("a");
    let never = |millis: u64| {
        begun(&member.dir, &format!("GET /v1/wait?links=9&timeout_ms={millis} HTTP/1.1"), "", b"")
    };
    let beyond = end(never(WAIT_MILLIS_MAX + 1));
    assert!(beyond.starts_with("HTTP/1.1 400 ") && beyond.contains("limit 86400000"), "{beyond}");
    member.ask(&["wait", "--links", "9", "--timeout", "2d"]).fails(2, "limit 1d");
    let waiting: Vec<_> = (0..WAITS_MAX).map(|_| never(WAIT_MILLIS_MAX)).collect();
    let late = busy(|| end(never(1)));
    assert!(late.starts_with("HTTP/1.1 503 ") && late.contains("32 requests are waiting"), "{late}");
    member.put("others", "go on");
    drop(waiting);
    member.ask(&["wait", "--links", "9", "--timeout", "1ms"]).fails(6, "not reached within 1ms");
}

#[test]
fn long_bodies_take_no_more_than_their_places_and_the_memory_stays_bounded() {
    let place = TestDir::new();
    let member = place.founder("a");
    let before = resident_bytes(&member);
    let header = format!("Content-Length: {BODY_BYTES_MAX}\r\n");
    let half = vec![b' '; BODY_BYTES_MAX / 2];
    let begin = || begun(&member.dir, "POST /v1/commit HTTP/1.1", &header, &half);
    let mut held: Vec<_> = (0..BODIES_MAX).map(|_| begin()).collect();
    let late = end(begun(&member.dir, "POST /v1/commit HTTP/1.1", &header, b""));
    assert!(late.starts_with("HTTP/1.1 503 ") && late.contains("8 long bodies"), "{late}");
    member.put("small", "goes through");
    let grown = resident_bytes(&member).saturating_sub(before);
    assert!(grown < (BODIES_MAX * BODY_BYTES_MAX * 3) as u64, "{grown} bytes more");
    let mut one = held.pop().unwrap();
    one.write_all(&half).unwrap();
    let malformed = end(one);
    assert!(malformed.starts_with("HTTP/1.1 400 ") && malformed.contains("malformed"), "{malformed}");
    // The other seven connections are closed, and nothing of their requests stays.
    drop(held);
    let value = place.file("value", vec![0; 1 << 20]);
    assert_eq!(member.ask(&["put", "large", "--file", &value]).code, 0);
}

#[test]
fn what_a_request_names_has_its_limits() {
    let place = TestDir::new();
    let member = place.founder("a");
    let get = |path: &str| end(begun(&member.dir, &format!("GET {path} HTTP/1.1"), "", b""));
    let (edge, beyond) = ("k".repeat(1_024), "k".repeat(1_025));
    member.put(&edge, "v");
    assert!(get(&format!("/v1/item?key={edge}")).starts_with("HTTP/1.1 200 "));
    for path in ["item?key", "items?key", "list?prefix", "export?prefix", "list?all=true&prefix"] {
        let answer = get(&format!("/v1/{path}={edge}"));
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&edge), "{path}: {answer}");
        let answer = get(&format!("/v1/{path}={beyond}"));
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains("key is 1025 bytes, limit 1024"),
            "{answer}"
        );
    }
    assert!(get(&format!("/v1/list?owner={}", "o".repeat(63))).starts_with("HTTP/1.1 404 "));
    assert!(get(&format!("/v1/list?owner={}", "o".repeat(64))).starts_with("HTTP/1.1 400 "));

    let commit = |writes: usize| {
        let writes: Vec<Value> = (0..writes).map(|n| json!({ "key": n.to_string(), "value": "" })).collect();
        let body = json!({ "writes": writes }).to_string();
        let header = format!("Content-Length: {}\r\n", body.len());
        end(begun(&member.dir, "POST /v1/commit HTTP/1.1", &header, body.as_bytes()))
    };
    assert!(commit(4_096).contains("\"written\":4096"));
    let beyond = commit(4_097);
    assert!(beyond.starts_with("HTTP/1.1 400 ") && beyond.contains("more than 4096"), "{beyond}");
}

#[test]
fn who_has_sent_all_that_there_is_to_send_gets_the_answer() {
    let place = TestDir::new();
    let member = founder_on_tcp(&place, &[]);
    let body = json!({ "writes": [{ "key": "k", "value": "v" }] }).to_string();
    let asked = format!(
        "POST /v1/commit HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: \
         {}\r\nConnection: close\r\n\r\n{body}",
        string(&member.ports["api"]),
        body.len()
    );
    let mut unix = UnixStream::connect(member.dir.join("api.sock")).unwrap();
    unix.write_all(asked.as_bytes()).unwrap();
    unix.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    unix.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"written\":1"), "{answer}");
    let mut tcp = TcpStream::connect(string(&member.ports["api"])).unwrap();
    tcp.write_all(asked.as_bytes()).unwrap();
    tcp.shutdown(std::net::Shutdown::Write).unwrap();
    answer.clear();
    tcp.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"unchanged\":1"), "{answer}");
}

#[test]
fn a_parameter_that_is_no_text_names_no_key() {
    let place = TestDir::new();
    let member = place.founder("a");
    member.put("\u{fffd}\u{fffd}", "another key");
    let answer = end(begun(&member.dir, "GET /v1/item?key=%ff%fe HTTP/1.1", "", b""));
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("not UTF-8"), "{answer}");
    let answer = end(begun(&member.dir, "GET /v1/item?key=%ef%bf%bd%ef%bf%bd HTTP/1.1", "", b""));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_socket_that_is_gone_is_made_anew() {
    let place = TestDir::new();
    let member = place.founder("a");
    let socket = member.dir.join("api.sock");
    fs::remove_file(&socket).unwrap();
    let until = Instant::now() + PATIENCE;
    while UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < until, "it does not come back");
        thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(mode(&socket), 0o600);
    member.put("k", "v");
    assert_eq!(member.terminate(), 0);
    assert!(!socket.exists());
}

/// The first member of a mesh, with its API on TCP.
fn founder_on_tcp(place: &TestDir, more: &[&str]) -> Member {
    let dir = place.path("a");
    assert_eq!(datafan(&["init", "--name", "a", "--data-dir", &text(&dir)]).code, 0);
    Member::run(&dir, &[&["--api", "127.0.0.1:0"], more].concat())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The first answer that reports a full limit: the requests that fill it may need some time.
fn busy(mut ask: impl FnMut() -> String) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer.starts_with("HTTP/1.1 503 ") {
            return answer;
        }
        assert!(Instant::now() < until, "{answer}");
    }
}

/// A complete request over TCP, and the complete answer.
fn request(api: &str, line: &str, header: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(api).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let text = format!("{line}\r\n{header}Connection: close\r\n\r\n");
    stream.write_all(&[text.as_bytes(), body].concat()).unwrap();
    io::read_to_string(stream).unwrap()
}

/// A request over the socket, with `body` as its only content.
fn begun(dir: &Path, line: &str, header: &str, body: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(dir.join("api.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let text = format!("{line}\r\nHost: datafan\r\n{header}Connection: close\r\n\r\n");
    stream.write_all(&[text.as_bytes(), body].concat()).unwrap();
    stream
}

/// The complete answer.
fn end(stream: UnixStream) -> String {
    io::read_to_string(stream).unwrap()
}

/// The status, and the stream with the rest.
fn first_line(mut stream: UnixStream) -> (String, UnixStream) {
    let mut line = [0; 15];
    stream.read_exact(&mut line).unwrap();
    (String::from_utf8_lossy(&line).into_owned(), stream)
}

fn resident_bytes(member: &Member) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", member.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
