//! Links for people: one row per peer, however many of its addresses were dialled.

use datafan_node::http::wire::LinkLine;
use std::collections::BTreeMap;

/// For each peer, the link that has progressed furthest; one for each address without a known peer. Sorted by
/// name, then by id and address.
pub fn one_each(links: &[LinkLine]) -> Vec<&LinkLine> {
    let mut best: BTreeMap<(&str, &str), &LinkLine> = BTreeMap::new();
    for link in links {
        let key = match &link.id {
            Some(id) => (id.as_str(), ""),
            None => ("", link.address.as_deref().unwrap_or_default()),
        };
        best.entry(key)
            .and_modify(|known| {
                if progress(link) > progress(known) {
                    *known = link;
                }
            })
            .or_insert(link);
    }
    let mut links: Vec<&LinkLine> = best.into_values().collect();
    links.sort_by_key(|link| (link.name.is_none(), &link.name, &link.id, &link.address));
    links
}

/// How far a link is; of several dials, one with an error comes first.
fn progress(link: &LinkLine) -> (u8, bool) {
    let state = match link.state.as_str() {
        "up" => 2,
        "greeting" => 1,
        _ => 0,
    };
    (state, link.error.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(
        id: Option<&str>,
        name: Option<&str>,
        address: &str,
        state: &str,
        error: Option<&str>,
    ) -> LinkLine {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let line = serde_json::json!({
            "id": owned(id), "name": owned(name), "address": address, "direction": "out", "state": state,
            "error": owned(error),
        });
        serde_json::from_value(line).unwrap()
    }

    #[test]
    fn a_peer_has_one_row_and_names_are_in_order() {
        let links = [
            link(Some("idz"), Some("zoe"), "z:1", "dialling", None),
            link(Some("idz"), Some("zoe"), "z:2", "up", None),
            link(Some("idz"), Some("zoe"), "z:3", "dialling", Some("no answer")),
            link(None, None, "y:1", "dialling", Some("no answer")),
            link(Some("idb"), Some("bob"), "b:1", "dialling", None),
            link(Some("idb"), Some("bob"), "b:2", "dialling", Some("no answer")),
            link(None, None, "x:1", "dialling", None),
        ];
        let rows = one_each(&links);
        let rows: Vec<_> = rows.iter().map(|link| link.address.as_deref().unwrap()).collect();
        assert_eq!(rows, ["b:2", "z:2", "x:1", "y:1"]);
    }
}
