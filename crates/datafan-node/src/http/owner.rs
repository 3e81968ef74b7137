//! Who is meant: an exact name, a full id, or the unique beginning of an id.

use super::{bounds, refuse::Answered, wire::Refusal};
use datafan_core::{grant::Grant, id::MemberId, read::Snapshot, store::StoreSnapshot};
use std::collections::BTreeSet;

/// Fewest characters of an id that stand for it.
const PREFIX_CHARS_MIN: usize = 4;

/// The member or owner that `text` names: the exact name first, and that of an active member before those of
/// revoked ones.
pub fn resolve<V: StoreSnapshot>(snapshot: &Snapshot<V>, text: &str) -> Answered<MemberId> {
    bounds::owner(text)?;
    let members = snapshot.members()?;
    let named = |wanted: fn(&Grant) -> bool| {
        let named = members.iter().filter(move |(_, grant)| grant.name.as_str() == text && wanted(grant));
        named.map(|(id, _)| *id).collect::<Vec<_>>()
    };
    for found in [named(Grant::is_active), named(|_| true)] {
        if !found.is_empty() {
            return only(text, found);
        }
    }
    if text.len() < PREFIX_CHARS_MIN {
        return Err(unknown(text));
    }
    let ids: BTreeSet<_> = members.iter().map(|(id, _)| *id).chain(snapshot.owners()?).collect();
    only(text, ids.into_iter().filter(|id| id.to_string().starts_with(text)).collect())
}

fn only(text: &str, found: Vec<MemberId>) -> Answered<MemberId> {
    match found.as_slice() {
        [] => Err(unknown(text)),
        [one] => Ok(*one),
        [first, second, ..] => {
            Err(Refusal::usage(format!("{text:?} is ambiguous: {first} and {second} among others")))
        }
    }
}

fn unknown(text: &str) -> Refusal {
    Refusal::not_found(format!(
        "no member or owner {text:?} is known: expected a name, an id, or 4 or more of its first characters"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::wire::RefusalKind;

    #[test]
    fn nobody_is_not_found_and_two_are_ambiguous() {
        let (one, two) = (MemberId([1; 32]), MemberId([2; 32]));
        assert_eq!(only("aaaa", vec![one]), Ok(one));
        assert_eq!(only("aaaa", vec![]).unwrap_err().kind, RefusalKind::NotFound);
        let ambiguous = only("aaaa", vec![one, two]).unwrap_err();
        assert_eq!(ambiguous.kind, RefusalKind::Usage);
        assert!(ambiguous.error.contains(&one.to_string()) && ambiguous.error.contains(&two.to_string()));
    }
}
