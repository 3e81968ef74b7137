//! Finds an owner by exact name, full id or unique prefix of the id.

use super::{bounds, refuse::Answered, wire::Refusal};
use datafan_core::{grant::Grant, id::MemberId, read::Snapshot, store::StoreSnapshot};
use std::collections::BTreeSet;

/// Shortest accepted prefix of an id, in characters.
const PREFIX_CHARS_MIN: usize = 4;

/// Maximum number of members listed for an ambiguous text.
const LISTED_MAX: usize = 8;

/// The member or owner that `text` names. A full id takes precedence over all names. Otherwise the candidates
/// are the active member with that name (or else the revoked ones), and all ids with that prefix; several
/// candidates are an error.
pub fn resolve<V: StoreSnapshot>(snapshot: &Snapshot<V>, text: &str) -> Answered<MemberId> {
    bounds::owner(text)?;
    let members = snapshot.members()?;
    let ids = members.iter().map(|(id, _)| *id).chain(snapshot.owners()?).collect();
    only(text, &members, fitting(text, &members, &ids))
}

fn fitting(text: &str, members: &[(MemberId, Grant)], ids: &BTreeSet<MemberId>) -> BTreeSet<MemberId> {
    if let Ok(id) = text.parse() {
        return ids.get(&id).copied().into_iter().collect();
    }
    let named = |wanted: fn(&Grant) -> bool| -> BTreeSet<MemberId> {
        let named = members.iter().filter(|(_, grant)| grant.name.as_str() == text && wanted(grant));
        named.map(|(id, _)| *id).collect()
    };
    let active = named(Grant::is_active);
    let mut found = if active.is_empty() { named(|_| true) } else { active };
    if text.len() >= PREFIX_CHARS_MIN {
        found.extend(ids.iter().filter(|id| id.to_string().starts_with(text)));
    }
    found
}

fn only(text: &str, members: &[(MemberId, Grant)], found: BTreeSet<MemberId>) -> Answered<MemberId> {
    let mut all = found.iter();
    match (all.next(), all.len()) {
        (None, _) => return Err(unknown(text)),
        (Some(one), 0) => return Ok(*one),
        (Some(_), _) => {}
    }
    let name = |id: &MemberId| members.iter().find(|(other, _)| other == id).map(|(_, grant)| &grant.name);
    let listed: Vec<String> = found
        .iter()
        .take(LISTED_MAX)
        .map(|id| name(id).map_or_else(|| id.to_string(), |name| format!("{id} (named {name})")))
        .collect();
    let more = match found.len() - listed.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(Refusal::usage(format!("{text:?} is ambiguous: {}{more}; use a full id", listed.join(", "))))
}

fn unknown(text: &str) -> Refusal {
    Refusal::not_found(format!(
        "no member or owner {text:?} is known: expected a name, an id, or at least its first 4 characters"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::wire::RefusalKind;

    use datafan_core::{
        grant::{GrantState, Quota, Role},
        id::Name,
        time::Timestamp,
    };

    fn member(n: u8, name: &str, state: GrantState) -> (MemberId, Grant) {
        let (name, granted) = (Name::new(name).unwrap(), Timestamp(1));
        let grant = Grant { name, role: Role::Member, quota: Quota::default(), state, granted };
        (MemberId([n; 32]), grant)
    }

    fn found(text: &str, members: &[(MemberId, Grant)]) -> Answered<MemberId> {
        let ids = members.iter().map(|(id, _)| *id).chain([MemberId([77; 32])]).collect();
        only(text, members, fitting(text, members, &ids))
    }

    #[test]
    fn a_full_id_means_that_one_and_what_fits_several_is_an_error() {
        let (one, two, stranger) = (MemberId([1; 32]), MemberId([2; 32]), MemberId([77; 32]));
        let (full, short) = (two.to_string(), two.short());
        let of = |name: &str| [member(1, name, GrantState::Active), member(2, "b", GrantState::Active)];
        // A name that an older version admitted.
        assert_eq!(found(&full, &of(&full)), Ok(two));
        assert_eq!(found(&stranger.to_string(), &of(&stranger.to_string())), Ok(stranger));
        assert_eq!(found(&short, &of("a")), Ok(two));
        let ambiguous = found(&short, &of(&short)).unwrap_err();
        assert_eq!(ambiguous.kind, RefusalKind::Usage);
        for listed in [&format!("{one} (named {short})"), &format!("{two} (named b)")] {
            assert!(ambiguous.error.contains(listed), "{}", ambiguous.error);
        }
        // The prefix of its own id is not a second member.
        let own = [member(2, &short, GrantState::Active)];
        assert_eq!(found(&short, &own), Ok(two));
        // Names of revoked members count only if no active member has the name; prefixes of ids always count.
        let one_active = [member(1, "a", GrantState::Drop), member(2, "a", GrantState::Active)];
        assert_eq!(found("a", &one_active), Ok(two));
        let revoked = [member(1, &short, GrantState::Drop), member(2, "b", GrantState::Active)];
        assert_eq!(found(&short, &revoked).unwrap_err().kind, RefusalKind::Usage);
        let twice = [member(1, "a", GrantState::Drop), member(2, "a", GrantState::Drop)];
        assert_eq!(found("a", &twice).unwrap_err().kind, RefusalKind::Usage);
        assert_eq!(found("aa", &twice).unwrap_err().kind, RefusalKind::NotFound);
    }

    #[test]
    fn a_list_of_many_is_cut() {
        let many: Vec<_> = (1..20).map(|n| member(n, "a", GrantState::Drop)).collect();
        let error = found("a", &many).unwrap_err().error;
        assert!(error.contains(" and 11 more;"), "{error}");
    }
}
