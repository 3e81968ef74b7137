//! The suite for every connector, and tests of this one only.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail")]

use datafan_conn_chan::{ChanConnector, ChanMesh};
use datafan_core::{
    connector::{Address, Connector, Event, Frame, Inbox, Lane},
    id::MemberId,
    identity::Identity,
};
use datafan_testkit::connector::{Site, Started, check_connector};
use std::sync::{Arc, Mutex};

struct Mesh(ChanMesh);

impl Site for Mesh {
    type Connector = ChanConnector;

    fn start(&self, n: u8, inbox: Arc<dyn Inbox>) -> Started<ChanConnector> {
        let (id, address) = (Identity::from_secret(&[n; 32]).id(), format!("member-{n}"));
        Started { connector: self.0.connector(id, &address, inbox), id, address: address.into() }
    }

    fn kill(&self, connector: ChanConnector) {
        connector.kill();
    }

    fn nowhere(&self) -> Address {
        "nowhere".into()
    }
}

#[test]
fn passes_the_suite_of_connectors() {
    check_connector(|| Mesh(ChanMesh::new()));
}

/// Records the names of events, and drops the events, with their receipts, during the push.
#[derive(Default)]
struct Names(Mutex<Vec<String>>);

impl Inbox for Names {
    fn push(&self, event: Event) {
        let text = format!("{event:?}");
        drop(event);
        self.0.lock().unwrap().push(text.split(' ').next().unwrap().into());
    }
}

impl Names {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn member(mesh: &ChanMesh, n: u8) -> (ChanConnector, Arc<Names>) {
    let names = Arc::new(Names::default());
    (mesh.connector(MemberId([n; 32]), &n.to_string(), names.clone()), names)
}

#[test]
fn an_inbox_may_drop_messages_while_it_is_pushed_to() {
    let mesh = ChanMesh::new();
    let ((a, _), (_b, b_names)) = (member(&mesh, 1), member(&mesh, 2));
    a.dial("2".into(), None);
    for _ in 0..100 {
        let frame = Frame { lane: Lane::Bulk, bytes: vec![0; 1 << 20].into() };
        assert_eq!(a.send(MemberId([2; 32]), frame), Ok(()));
    }
    assert_eq!(b_names.take().len(), 101);
}

#[test]
fn nothing_passes_a_cut_until_it_is_mended() {
    let mesh = ChanMesh::new();
    let ((a, a_names), (_b, b_names)) = (member(&mesh, 1), member(&mesh, 2));
    a.dial("2".into(), None);
    mesh.cut(MemberId([1; 32]), MemberId([2; 32]));
    a.dial("2".into(), None);
    mesh.mend(MemberId([2; 32]), MemberId([1; 32]));
    a.dial("2".into(), None);
    assert_eq!(a_names.take(), ["LinkUp", "LinkDown", "DialFailed", "LinkUp"]);
    assert_eq!(b_names.take(), ["LinkUp", "LinkDown", "LinkUp"]);
}
