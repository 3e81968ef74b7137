//! Frames on their way to the connector, and those that wait for room.

use datafan_core::{
    connector::{Connector, Frame, Lane, SendError},
    engine::Input,
    id::MemberId,
};
use std::collections::{BTreeMap, VecDeque};

/// A connector, and for each link and lane the frames that wait for room.
///
/// The engine bounds what waits: once told of a full lane, it sends nothing until it is told of room.
pub struct Outgoing<C: Connector> {
    connector: C,
    /// Lanes that answered `Full` and have had no room since.
    kept: BTreeMap<(MemberId, Lane), VecDeque<Frame>>,
}

impl<C: Connector> Outgoing<C> {
    /// Starts with nothing waiting.
    pub fn new(connector: C) -> Self {
        Self { connector, kept: BTreeMap::new() }
    }

    /// The connector.
    pub fn connector(&self) -> &C {
        &self.connector
    }

    /// Sends `frame`, or queues it behind the waiting ones. Returns the input for the engine if the lane has
    /// just become full.
    pub fn send(&mut self, to: MemberId, frame: Frame) -> Option<Input> {
        let lane = frame.lane;
        if let Some(kept) = self.kept.get_mut(&(to, lane)) {
            kept.push_back(frame);
            return None;
        }
        match self.connector.send(to, frame) {
            // The link is gone; its `LinkDown` will tell the engine.
            Ok(()) | Err(SendError::Down) => None,
            Err(SendError::Full(frame)) => {
                self.kept.insert((to, lane), VecDeque::from([frame]));
                Some(Input::Full { peer: to, lane })
            }
        }
    }

    /// There is room: sends the waiting frames. Returns the input for the engine unless the lane is full
    /// again.
    pub fn flush(&mut self, peer: MemberId, lane: Lane) -> Option<Input> {
        let kept = self.kept.get_mut(&(peer, lane))?;
        while let Some(frame) = kept.pop_front() {
            if let Err(SendError::Full(frame)) = self.connector.send(peer, frame) {
                kept.push_front(frame);
                return None;
            }
        }
        self.kept.remove(&(peer, lane));
        Some(Input::Room { peer, lane })
    }

    /// The link is down: its waiting frames are lost.
    pub fn forget(&mut self, peer: MemberId) {
        self.kept.remove(&(peer, Lane::Small));
        self.kept.remove(&(peer, Lane::Bulk));
    }
}

/// Also after a panic of the thread: peers must not believe that the member still listens.
impl<C: Connector> Drop for Outgoing<C> {
    fn drop(&mut self) {
        self.connector.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_core::connector::Address;
    use std::sync::{Arc, Mutex};

    /// Takes as many frames as there is room for.
    #[derive(Clone, Default)]
    struct Narrow(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Connector for Narrow {
        fn send(&self, _: MemberId, frame: Frame) -> Result<(), SendError> {
            let (room, taken) = &mut *self.0.lock().unwrap();
            if *room == 0 {
                return Err(SendError::Full(frame));
            }
            *room -= 1;
            taken.push(frame.bytes[0]);
            Ok(())
        }
        fn dial(&self, _: Address, _: Option<MemberId>) {}
        fn close(&self, _: MemberId, _: &str) {}
        fn stop(&self) {}
        fn traffic(&self) -> (u64, u64) {
            (0, 0)
        }
    }

    const PEER: MemberId = MemberId([1; 32]);

    fn frame(byte: u8) -> Frame {
        Frame { lane: Lane::Small, bytes: [byte].into() }
    }

    #[test]
    fn frames_keep_their_order_and_the_engine_is_told_once() {
        let narrow = Narrow::default();
        let mut outgoing = Outgoing::new(narrow.clone());
        assert!(matches!(outgoing.send(PEER, frame(1)), Some(Input::Full { peer: PEER, lane: Lane::Small })));
        narrow.0.lock().unwrap().0 = 2;
        assert!(outgoing.send(PEER, frame(2)).is_none() && outgoing.send(PEER, frame(3)).is_none());
        assert!(narrow.0.lock().unwrap().1.is_empty(), "nothing overtakes what waits");
        assert!(outgoing.flush(PEER, Lane::Small).is_none(), "full again");
        narrow.0.lock().unwrap().0 = 2;
        assert!(matches!(outgoing.flush(PEER, Lane::Small), Some(Input::Room { .. })));
        assert!(outgoing.send(PEER, frame(4)).is_none());
        assert_eq!(narrow.0.lock().unwrap().1, [1, 2, 3, 4]);
    }

    #[test]
    fn what_waited_for_a_link_goes_down_with_it() {
        let narrow = Narrow::default();
        let mut outgoing = Outgoing::new(narrow.clone());
        assert!(outgoing.send(PEER, frame(1)).is_some());
        outgoing.forget(PEER);
        narrow.0.lock().unwrap().0 = 1;
        assert!(outgoing.send(PEER, frame(2)).is_none());
        assert_eq!(narrow.0.lock().unwrap().1, [2]);
    }
}
