//! A drawing of the mesh: few members on a circle, many on rings around the first, by their distance to it.

use super::words::escaped;
use crate::outcome::Picture;
use std::{collections::VecDeque, f64::consts::TAU, fmt::Write};

/// Maximum number of members in the drawing; with more, nothing can be recognised.
const DRAWN_MAX: usize = 1_500;
/// Up to this many members are drawn on one circle, where no link passes behind a member.
const CIRCLE_MAX: usize = 40;
/// Up to this many members have their names beside them.
const NAMED_MAX: usize = 60;

/// The drawing, as SVG elements within `size` by `size` at the origin.
pub fn drawing(picture: &Picture, size: f64) -> String {
    let n = picture.members.len().min(DRAWN_MAX);
    let places = if n <= CIRCLE_MAX { circle(n, size) } else { rings(picture, n, size) };
    let mut out = String::new();
    for ((a, b), up) in picture.links.iter().filter(|((a, b), _)| *a < n && *b < n) {
        let ((x1, y1), (x2, y2)) = (places[*a], places[*b]);
        let class = if *up { "link" } else { "link down" };
        let _ =
            writeln!(out, r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#);
    }
    let radius = (size / 60.0).min(size / (n as f64).sqrt() / 4.0).max(1.5);
    for (member, (name, items)) in picture.members.iter().take(n).enumerate() {
        let (x, y) = places[member];
        let title = format!("{} ({items} items)", escaped(name));
        let _ = writeln!(
            out,
            r#"<circle class="member" cx="{x:.1}" cy="{y:.1}" r="{radius:.1}"><title>{title}</title></circle>"#
        );
        if n <= NAMED_MAX {
            let y = y - radius - 3.0;
            let _ = writeln!(
                out,
                r#"<text class="name" x="{x:.1}" y="{y:.1}">{}: {items}</text>"#,
                escaped(name)
            );
        }
    }
    out
}

/// All members on one circle, the first at the top.
fn circle(n: usize, size: f64) -> Vec<(f64, f64)> {
    let on_circle = |member: usize| {
        let angle = TAU * (member as f64 / n.max(1) as f64 - 0.25);
        (size / 2.0 + size * 0.44 * angle.cos(), size / 2.0 + size * 0.44 * angle.sin())
    };
    (0..n).map(on_circle).collect()
}

/// The first member is in the middle, its neighbours around it, theirs around these.
fn rings(picture: &Picture, n: usize, size: f64) -> Vec<(f64, f64)> {
    let mut neighbours = vec![Vec::new(); n];
    for ((a, b), _) in picture.links.iter().filter(|((a, b), _)| *a < n && *b < n) {
        neighbours[*a].push(*b);
        neighbours[*b].push(*a);
    }
    let mut ring = vec![usize::MAX; n];
    let mut rings: Vec<Vec<usize>> = Vec::new();
    // A member that cannot be reached starts a new centre.
    for start in 0..n {
        if ring[start] != usize::MAX {
            continue;
        }
        ring[start] = 0;
        let mut queue = VecDeque::from([start]);
        while let Some(member) = queue.pop_front() {
            if rings.len() <= ring[member] {
                rings.push(Vec::new());
            }
            rings[ring[member]].push(member);
            for peer in &neighbours[member] {
                if ring[*peer] == usize::MAX {
                    ring[*peer] = ring[member] + 1;
                    queue.push_back(*peer);
                }
            }
        }
    }
    let mut places = vec![(0.0, 0.0); n];
    let step = size * 0.46 / (rings.len().max(2) - 1) as f64;
    for (r, members) in rings.iter().enumerate() {
        for (k, member) in members.iter().enumerate() {
            let angle = TAU * (k as f64 + 0.5 * (r % 2) as f64) / members.len() as f64;
            let radius = step * r as f64;
            places[*member] = (size / 2.0 + radius * angle.cos(), size / 2.0 + radius * angle.sin());
        }
    }
    places
}
