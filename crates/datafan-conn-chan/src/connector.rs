//! The switch that members join, and the connector of each.

use crate::{
    mailbox::Mailbox,
    switch::{Parcel, Switch},
};
use datafan_core::{
    connector::{Address, Connector, Event, Frame, Inbox, Lane, Receipt, SendError},
    id::MemberId,
    limits::{MESSAGE_BYTES_MAX, SMALL_BYTES_MAX},
};
use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// A switch that connects members of one process. Clones are the same switch.
#[derive(Clone, Default)]
pub struct ChanMesh {
    switch: Arc<Mutex<Switch>>,
}

/// The links of one member in a [`ChanMesh`].
pub struct ChanConnector {
    mesh: ChanMesh,
    id: MemberId,
    number: u64,
    mailbox: Arc<Mailbox>,
    sent_bytes: AtomicU64,
}

impl ChanMesh {
    /// A switch without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins the member `id` at `address`. An earlier connector of the same member or address is stopped
    /// first, as by a restart: its peers get `LinkDown`.
    pub fn connector(&self, id: MemberId, address: &str, inbox: Arc<dyn Inbox>) -> ChanConnector {
        let mailbox = Arc::new(Mailbox::new(inbox));
        let number = self.with(|switch| switch.join(id, address.into(), mailbox.clone()));
        ChanConnector { mesh: self.clone(), id, number, mailbox, sent_bytes: AtomicU64::new(0) }
    }

    /// Cuts two members apart: their link goes down on both sides, and dials fail until [`Self::mend`].
    pub fn cut(&self, one: MemberId, other: MemberId) {
        self.with(|switch| switch.cut(one, other));
    }

    /// Allows dials between the two members again; nothing is dialled automatically.
    pub fn mend(&self, one: MemberId, other: MemberId) {
        self.with(|switch| switch.mend(one, other));
    }

    /// Runs `change` under the lock, then delivers the events that it caused.
    fn with<T>(&self, change: impl FnOnce(&mut Switch) -> T) -> T {
        let mut switch = self.switch.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut switch);
        let (touched, refused) = (mem::take(&mut switch.touched), mem::take(&mut switch.refused));
        drop(switch);
        drop(refused);
        touched.iter().for_each(|mailbox| mailbox.carry());
        result
    }
}

impl ChanConnector {
    /// Ends without a goodbye: peers keep their links and receive nothing, until the member joins again.
    pub fn kill(&self) {
        drop(self.mailbox.close());
        self.mesh.with(|switch| switch.silence(self.id, self.number));
    }

    /// Handles that the receiver dropped the receipt of `parcel`.
    fn receipt(&self, parcel: Parcel) -> Receipt {
        let switch: Weak<_> = Arc::downgrade(&self.mesh.switch);
        Receipt::new(move || {
            if let Some(switch) = switch.upgrade() {
                ChanMesh { switch }.with(|switch| switch.handled(parcel));
            }
        })
    }
}

impl Connector for ChanConnector {
    /// Panics if the frame is longer than its lane allows, which is a bug of the caller.
    fn send(&self, to: MemberId, frame: Frame) -> Result<(), SendError> {
        let bytes_max = match frame.lane {
            Lane::Small => SMALL_BYTES_MAX,
            Lane::Bulk => MESSAGE_BYTES_MAX,
        };
        let bytes = frame.bytes.len();
        assert!(bytes <= bytes_max, "frame is {bytes} bytes, limit of its lane {bytes_max}");
        self.mesh.with(|switch| {
            if !switch.is_current(self.id, self.number) {
                return Err(SendError::Down);
            }
            let parcel = switch.take(self.id, to, &frame)?;
            let receipt = self.receipt(parcel);
            switch.tell(to, Event::Received { from: self.id, bytes: frame.bytes, receipt });
            Ok(())
        })?;
        self.sent_bytes.fetch_add(bytes as u64, Relaxed);
        Ok(())
    }

    fn dial(&self, address: Address, expected: Option<MemberId>) {
        self.mesh.with(|switch| {
            if switch.is_current(self.id, self.number) {
                switch.dial(self.id, &address, expected);
            }
        });
    }

    fn close(&self, peer: MemberId, reason: &str) {
        self.mesh.with(|switch| {
            if switch.is_current(self.id, self.number) {
                switch.unlink(self.id, peer, reason);
            }
        });
    }

    fn stop(&self) {
        drop(self.mailbox.close());
        self.mesh.with(|switch| switch.leave(self.id, self.number, "member stopped"));
    }

    fn traffic(&self) -> (u64, u64) {
        (self.sent_bytes.load(Relaxed), self.mailbox.received_bytes())
    }
}

impl Drop for ChanConnector {
    fn drop(&mut self) {
        self.stop();
    }
}
