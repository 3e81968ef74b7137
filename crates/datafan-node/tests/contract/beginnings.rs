//! How a member is created: the command line must match the directory, a failure leaves nothing, and secrets
//! are readable only by their owner.

use crate::common::{Member, TestDir, datafan, datafan_with, fields, string, text};
use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::unix::fs::PermissionsExt,
    path::Path,
};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
fn a_used_directory_runs_only_what_is_in_it() {
    let place = TestDir::new();
    let a = place.founder("a");
    let b = place.invited(&a, "b", &[]);
    let other = a.ask(&["invite", "c", "--json"]).json();
    let other = place.file("c.ticket", string(&other["ticket"]));
    let (foreign, _) = foreign_ticket(&place);
    let b_ticket = text(&place.path("b.ticket"));
    let (a_dir, b_dir) = (text(&a.dir), text(&b.dir));
    let (a, b) = (a.leaves(), b.leaves());
    let run = |dir: &str, more: &[&str]| datafan(&[&["run", "--data-dir", dir], &LISTEN[..], more].concat());
    run(&a_dir, &["--init", "other"]).fails(1, "holds the member a of mesh");
    run(&b_dir, &["--init", "b"]).fails(1, "was invited");
    run(&b_dir, &["--ticket", &other]).fails(1, "the ticket is for the member c");
    run(&b_dir, &["--ticket", &foreign]).fails(1, "the ticket is for mesh");
    run(&a_dir, &["--ticket", &b_ticket]).fails(1, "the ticket is for the member b");
    // The arguments of the first start can be repeated at each start, even after the ticket is deleted.
    let a = Member::run_on(&a.address, &a.dir, &["--init", "a"]);
    let b = Member::run_on(&b.address, &b.dir, &["--ticket", &b_ticket]);
    fs::remove_file(&b_ticket).unwrap();
    let b = b.leaves();
    drop(Member::run_on(&b.address, &b.dir, &["--ticket", &b_ticket]));
    drop(a);
}

#[test]
fn a_first_run_that_fails_leaves_nothing_behind() {
    let place = TestDir::new();
    let a = place.founder("a");
    let ticket = a.ask(&["invite", "c", "--json"]).json();
    let ticket = place.file("c.ticket", string(&ticket["ticket"]));
    let (taken, tcp_taken) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let udp = taken.local_addr().unwrap().to_string();
    let tcp = tcp_taken.local_addr().unwrap().to_string();
    let token = text(&place.path("token"));
    let nowhere = text(&place.path("no/such/directory/ports"));
    let ways: [(&[&str], &str); 3] = [
        (&["--listen", &udp], "is taken"),
        (&["--listen", "127.0.0.1:0", "--api", &tcp, "--api-token-file", &token], "is taken"),
        (&["--listen", "127.0.0.1:0", "--ports-file", &nowhere], "No such file"),
    ];
    for begin in [["--init", "b"], ["--ticket", &ticket]] {
        for (more, what) in ways {
            let dir = text(&place.path("above/b"));
            datafan(&[&["run", "--data-dir", &dir], &begin[..], more].concat()).fails(1, what);
            assert!(!place.path("above").exists(), "{more:?} leaves {:?}", listed(Path::new(&dir)));
            assert!(!Path::new(&token).exists());
        }
    }
    // An existing directory stays, with its content.
    let dir = place.path("b");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("note"), "mine").unwrap();
    datafan(&["run", "--data-dir", &text(&dir), "--init", "b", "--listen", &udp]).fails(1, "is taken");
    assert_eq!(listed(&dir), ["note"]);
}

#[test]
fn secrets_are_written_for_their_owner_alone() {
    let place = TestDir::new();
    let a = place.founder("a");
    let out = text(&place.path("b.ticket"));
    let invited = a.ask(&["invite", "b", "--out", &out]);
    assert_eq!((invited.code, invited.out.as_str()), (0, format!("wrote {out}\n").as_str()));
    assert_eq!(mode(&out), 0o600);
    a.ask(&["invite", "c", "--out", &out]).fails(1, "already exists");
    let names = a.ask(&["members", "--json"]).out;
    assert!(!names.contains("\"c\""), "nobody is admitted whose ticket cannot be written: {names}");
    let file = text(&place.path("d.ticket"));
    let json = a.ask(&["invite", "d", "--out", &file, "--json"]);
    assert_eq!(fields(&json.out), ["id", "name", "out"]);
    drop(Member::run(&place.path("b"), &["--ticket", &out]));
    let rotated = text(&place.path("b2.ticket"));
    assert_eq!(a.ask(&["rotate", "b", "--yes", "--out", &rotated]).code, 0);
    assert_eq!(mode(&rotated), 0o600);
    let request = text(&place.path("request"));
    assert_eq!(a.ask(&["invite", "e", "--offline", &request]).code, 0);
    assert_eq!(mode(&request), 0o600);
    assert_eq!(mode(&text(&a.dir.with_extension("ports"))), 0o600);
}

#[test]
fn secrets_that_others_can_read_are_refused() {
    let place = TestDir::new();
    let (ticket, dir) = foreign_ticket(&place);
    let b = text(&place.path("b"));
    let run = |dir: &str, more: &[&str]| datafan(&[&["run", "--data-dir", dir], &LISTEN[..], more].concat());
    for mode in [0o644, 0o640, 0o602] {
        fs::set_permissions(&ticket, fs::Permissions::from_mode(mode)).unwrap();
        run(&b, &["--ticket", &ticket]).fails(1, "may be read by other users");
        datafan(&["init", "--data-dir", &b, "--ticket", &ticket]).fails(1, "chmod 600");
        assert!(!Path::new(&b).exists());
        for key in ["member.key", "authority.key"] {
            let key = text(&Path::new(&dir).join(key));
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            run(&dir, &[]).fails(1, "may be read by other users");
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    // Nobody else reads from a pipe.
    let text = fs::read(&ticket).unwrap();
    assert_eq!(datafan_with(&["init", "--data-dir", &b, "--ticket", "-"], &text).code, 0);
}

/// A ticket of another mesh, and the directory of its stopped founder.
fn foreign_ticket(place: &TestDir) -> (String, String) {
    let founder = place.founder("foreign");
    let ticket = founder.ask(&["invite", "b", "--json"]).json();
    let file = place.file("foreign.ticket", string(&ticket["ticket"]));
    (file, text(&founder.leaves().dir))
}

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn listed(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().map(Result::unwrap);
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}
