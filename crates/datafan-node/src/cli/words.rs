//! Roster changes in words: an entry after the change, compared with the entry before.

use super::text::{count, size};
use datafan_core::{
    grant::{Grant, GrantState, Role},
    id::MemberId,
};
use datafan_node::http::wire::rfc3339;

/// One change on one line.
pub fn of(id: &MemberId, before: Option<&Grant>, after: &Grant) -> String {
    let who = format!("{} ({id})", after.name);
    match (before, after.state) {
        (_, GrantState::Drop) => format!("revoke {who}: its shard is deleted everywhere"),
        (_, GrantState::Keep { timestamp, root }) => {
            let root: String = root.to_string().chars().take(8).collect();
            format!("revoke {who}: its shard is frozen as of {} (root {root})", rfc3339(timestamp))
        }
        (None, state) => {
            let (items, bytes) = (count(after.quota.items, "item"), size(after.quota.bytes));
            format!("admit {who} as {}, at most {items} and {bytes}{}", after.role, end(state))
        }
        (Some(before), state) => format!("change {who}: {}", differences(before, after, state).join(", ")),
    }
}

fn differences(before: &Grant, after: &Grant, state: GrantState) -> Vec<String> {
    let mut said = Vec::new();
    if before.name != after.name {
        said.push(format!("renamed from {}", before.name));
    }
    if before.role != after.role {
        let drops = if after.role == Role::Reader { ", and its shard is deleted everywhere" } else { "" };
        said.push(format!("{} instead of {}{drops}", after.role, before.role));
    }
    if before.quota != after.quota {
        said.push(format!(
            "at most {} and {} instead of {} and {}",
            count(after.quota.items, "item"),
            size(after.quota.bytes),
            before.quota.items,
            size(before.quota.bytes)
        ));
    }
    if before.state != state {
        said.push(match state {
            GrantState::Invited { .. } => format!("invitation{}", end(state)),
            _ => "invitation does not expire".to_owned(),
        });
    }
    said
}

fn end(state: GrantState) -> String {
    match state {
        GrantState::Invited { until } => format!(", expires {}", rfc3339(until)),
        GrantState::Active | GrantState::Keep { .. } | GrantState::Drop => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_core::{grant::Quota, hash::Hash, id::Name, time::Timestamp};

    #[test]
    fn each_change_has_its_words() {
        let id = MemberId([0; 32]);
        let name = Name::new("edge").unwrap();
        let (role, state, granted) = (Role::Member, GrantState::Active, Timestamp(1));
        let grant = Grant { name, role, quota: Quota { items: 5, bytes: 2_048 }, state, granted };
        let said =
            |before: Option<&Grant>, after: Grant| of(&id, before, &after).replace(&id.to_string(), "ID");
        assert_eq!(said(None, grant.clone()), "admit edge (ID) as member, at most 5 items and 2.0 KiB");
        let invited = Grant { state: GrantState::Invited { until: Timestamp(0) }, ..grant.clone() };
        assert!(said(None, invited.clone()).ends_with("2.0 KiB, expires 1970-01-01T00:00:00.000000Z"));
        assert_eq!(said(Some(&invited), grant.clone()), "change edge (ID): invitation does not expire");
        let reader = Grant { role: Role::Reader, quota: Quota { items: 6, bytes: 7 }, ..grant.clone() };
        assert_eq!(
            said(Some(&grant), reader),
            "change edge (ID): reader instead of member, and its shard is deleted everywhere, at most 6 \
             items and 7 B instead of 5 and 2.0 KiB"
        );
        let drop = Grant { state: GrantState::Drop, ..grant.clone() };
        assert_eq!(said(Some(&grant), drop), "revoke edge (ID): its shard is deleted everywhere");
        let keep = GrantState::Keep { timestamp: Timestamp(0), root: Hash([0; 32]) };
        assert_eq!(
            said(Some(&grant), Grant { state: keep, ..grant.clone() }),
            "revoke edge (ID): its shard is frozen as of 1970-01-01T00:00:00.000000Z (root aaaaaaaa)"
        );
    }
}
