//! A backup restores exactly what was saved.

use super::{
    medium::Medium,
    sound::{SHARD, Sound},
};
use datafan_core::{
    backup::{Frames, Origin, Restore, RestoreError, Summary, save},
    id::MemberId,
    identity::Strict,
    store::{
        Batch, Durability, HeldTombstones, Meta, Page, ShardChange, ShardRecord, Store, StoreError,
        StoreReader, StoreSnapshot,
    },
    time::Timestamp,
    verify::verify,
};

/// Saves a shard and a divergent copy, and restores the backup: complete, altered and cut off.
pub fn come_back<M: Medium>(fresh: &impl Fn() -> M) {
    let sound = Sound::new();
    let member = sound.owner.id();
    let origin = Origin { mesh: sound.mesh, member, at: Timestamp(7) };
    let medium = fresh();
    let mut store = medium.open().unwrap();
    let divergent = ShardRecord::divergent(sound.head(), Some(sound.root), Timestamp(5), 0);
    let divergent = ShardChange { record: Some(divergent.into()), ..sound.rows() };
    let batch = Batch {
        meta: [(Meta::History, Some(vec![1, 0])), (Meta::Addresses, Some(vec![9; 40]))].into(),
        shards: [(SHARD, sound.rows()), (datafan_core::store::ShardNumber(9), divergent)].into(),
    };
    store.commit(batch, Durability::Synced).unwrap();
    let mut frames = Vec::new();
    let snapshot = store.reader().snapshot().unwrap();
    let keep = |frame: &[u8]| {
        frames.push(frame.to_vec());
        Ok::<(), StoreError>(())
    };
    let summary = save(&snapshot, &origin, keep).unwrap();
    drop(snapshot);
    store.close().unwrap();
    let bytes = 2 * sound.root.bytes;
    assert_eq!(summary, Summary { shards: 2, items: 1_400, bytes });

    let back = fresh();
    assert_eq!(restored(&back, &origin, &frames), Ok((origin, summary)));
    let store = back.open().unwrap();
    let snapshot = store.reader().snapshot().unwrap();
    let (whole, record) = snapshot.whole(&member).unwrap().unwrap();
    let all = Page { rows: 1_000, bytes: usize::MAX };
    assert_eq!(snapshot.log(whole, Timestamp::ZERO..=Timestamp::MAX, all).unwrap(), sound.items);
    assert_eq!((record.head(), record.root), (Some(&sound.head()), Some(sound.root)));
    let tombstones = HeldTombstones { since: sound.head().timestamp, rows: 0 };
    let whole_record = ShardRecord::whole(sound.head(), Some(sound.root), tombstones);
    assert_eq!(*record, whole_record, "tombstones are not saved");
    let found = verify(&snapshot, whole, &sound.mesh, &Strict, &mut |finding| panic!("{finding:?}"));
    assert_eq!(found.unwrap().items, 700);
    let shards = snapshot.shards().unwrap();
    let divergent = shards.iter().find(|(_, record)| record.is_divergent()).unwrap();
    let copy = ShardRecord::divergent(sound.head(), Some(sound.root), Timestamp(5), 0);
    assert_eq!(*divergent.1, copy);
    let found = verify(&snapshot, divergent.0, &sound.mesh, &Strict, &mut |finding| panic!("{finding:?}"));
    assert_eq!(found.unwrap().items, 700);
    assert_eq!(snapshot.meta(Meta::History).unwrap(), Some(vec![1, 1]), "it listens before it writes");
    assert_eq!(snapshot.meta(Meta::Addresses).unwrap(), Some(vec![9; 40]));
    drop(snapshot);
    store.close().unwrap();

    nothing_else_comes_back(fresh, &origin, &frames);
}

fn nothing_else_comes_back<M: Medium>(fresh: &impl Fn() -> M, origin: &Origin, frames: &[Vec<u8>]) {
    let stranger = Origin { member: MemberId([3; 32]), ..*origin };
    assert_eq!(restored(&fresh(), &stranger, frames), Err(RestoreError::Belongs(*origin)));
    for missing in 0..frames.len() {
        let mut fewer = frames.to_vec();
        fewer.remove(missing);
        assert!(restored(&fresh(), origin, &fewer).is_err(), "without part {missing}");
        assert!(restored(&fresh(), origin, &frames[..missing]).is_err(), "cut off before part {missing}");
        let mut twice = frames.to_vec();
        twice.insert(missing, frames[missing].clone());
        assert!(restored(&fresh(), origin, &twice).is_err(), "part {missing} twice");
    }
    for (n, frame) in frames.iter().enumerate() {
        // Long ones in some places, short ones in all.
        for at in (0..frame.len()).step_by(1 + frame.len() / 40) {
            let mut altered = frames.to_vec();
            altered[n][at] ^= 1;
            let mut read = Frames::default();
            let sound = altered.iter().try_for_each(|frame| read.take(frame)).and_then(|()| read.finish());
            assert!(sound.is_err(), "byte {at} of part {n} is noticed without a store");
            assert!(restored(&fresh(), origin, &altered).is_err(), "byte {at} of part {n}");
            altered[n].truncate(at);
            assert!(restored(&fresh(), origin, &altered).is_err(), "part {n} cut at {at}");
        }
    }
}

fn restored<M: Medium>(
    medium: &M,
    whose: &Origin,
    frames: &[Vec<u8>],
) -> Result<(Origin, Summary), RestoreError> {
    let mut restore = Restore::new(medium.open()?, (whose.mesh, whose.member), &Strict);
    frames.iter().try_for_each(|frame| restore.frame(frame))?;
    restore.finish()
}
