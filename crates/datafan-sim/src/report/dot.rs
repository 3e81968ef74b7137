//! The mesh for graphviz: scenario A19.

use crate::outcome::Picture;
use std::fmt::Write;

/// Every member with its name and item count, and every link, in the order of members; a link that is down is
/// dashed. `dot` and similar tools read it.
pub fn dot(picture: &Picture) -> String {
    let mut out = String::from("graph mesh {\n    node [shape=box, style=rounded];\n");
    for (member, (name, items)) in picture.members.iter().enumerate() {
        let plural = if *items == 1 { "" } else { "s" };
        let _ = writeln!(out, "    m{member} [label=\"{}\\n{items} item{plural}\"];", escaped(name));
    }
    for ((a, b), up) in &picture.links {
        let style = if *up { "" } else { " [style=dashed]" };
        let _ = writeln!(out, "    m{a} -- m{b}{style};");
    }
    out.push_str("}\n");
    out
}

/// Escapes text within quotes for `dot`.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_everything_is_there_once() {
        let picture = Picture {
            members: vec![("al\"pha\\".into(), 1), ("beta".into(), 3)],
            links: vec![((0, 1), false)],
        };
        let expected = "graph mesh {\n    node [shape=box, style=rounded];\n    \
            m0 [label=\"al\\\"pha\\\\\\n1 item\"];\n    m1 [label=\"beta\\n3 items\"];\n    \
            m0 -- m1 [style=dashed];\n}\n";
        assert_eq!(dot(&picture), expected);
    }
}
