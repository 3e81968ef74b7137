//! The curves of each picture, and the design's promises about them.

use super::{
    chart::{Figure, Kind, Line, Panel, short},
    rows::Row,
};

/// One picture.
pub struct Picture {
    /// Its name, without an extension.
    pub name: &'static str,
    title: &'static str,
    /// The quantity on the x axes.
    x: Axis,
    panels: &'static [Curves],
}

/// The quantity on the x axes of a picture.
struct Axis {
    label: &'static str,
    tick: fn(f64) -> String,
    marks: &'static [(f64, &'static str)],
}

/// One panel: its title, the rows of each curve by name with their labels, and the promises about some of
/// them.
type Curves =
    (&'static str, &'static [(&'static str, &'static str)], &'static [(&'static str, usize, Promise)]);

/// The promised value of a curve at `x`; the second pair is the curve's first point.
type Promise = fn(f64, (f64, f64)) -> f64;

/// All pictures.
pub const ALL: &[Picture] = &[
    Picture {
        name: "growth-items",
        title: "Against the items of one shard",
        x: Axis { label: "items, of 16 B keys and 100 B values", tick: short, marks: &[] },
        panels: &[
            (
                "processor time, us",
                &[
                    ("growth_items_commit", "own commit of one put, pushed to a peer"),
                    ("growth_items_push_applied", "pushed delta of one put, verified and applied"),
                    ("growth_items_ingest", "verified ingest through a relay, three members, per item"),
                    ("growth_items_first_copy", "first copy, both members, per item"),
                ],
                &[],
            ),
            (
                "bytes of messages",
                &[
                    (
                        "growth_items_reconciliation_1_changed",
                        "reconciliation to one changed item, without its value",
                    ),
                    ("growth_items_first_copy_messages", "first copy, per item"),
                ],
                &[("reconciliation, in proportion to the logarithm of the items", 0, logarithm)],
            ),
            (
                "bytes per item",
                &[
                    (
                        "growth_items_memory_beyond_data",
                        "memory beyond key and value, in the store in memory",
                    ),
                    ("growth_items_redb_file", "file of redb, all in all"),
                ],
                &[("design: at most 160 B in memory", 0, |_, _| 160.0)],
            ),
            (
                "opening a file of redb, ms on the wall",
                &[
                    ("growth_items_open_redb", "until the engine is ready, after a crash"),
                    ("growth_items_open_redb_clean", "the same, after a clean stop"),
                ],
                &[],
            ),
        ],
    },
    Picture {
        name: "growth-owners",
        title: "Against owners with one item each, at two members that are linked",
        x: Axis { label: "owners", tick: short, marks: &[] },
        panels: &[
            (
                "bytes of messages",
                &[
                    ("growth_owners_idle_round", "idle round, per link and direction"),
                    ("growth_owners_found_in_a_round", "until a round has found the one head that differs"),
                ],
                &[
                    ("design: at most 64 B per idle round", 0, |_, _| 64.0),
                    ("in proportion to the logarithm of the owners", 1, logarithm),
                ],
            ),
            (
                "processor time, us",
                &[
                    ("growth_owners_push_applied", "pushed delta of one put, verified and applied"),
                    ("growth_owners_idle_round_cpu", "idle round at one member"),
                ],
                &[],
            ),
            (
                "bytes of memory per owner at rest",
                &[("growth_owners_memory", "head, one item, entry in the roster")],
                &[],
            ),
        ],
    },
    Picture {
        name: "growth-members",
        title: "Against members, simulated: six links each, ten updates per second in all",
        x: Axis { label: "members", tick: short, marks: &[] },
        panels: &[
            (
                "messages per delivered update, rounds included",
                &[
                    ("growth_members_messages", "nobody has written before"),
                    ("growth_members_settled_messages", "everybody has written before"),
                ],
                &[],
            ),
            (
                "bytes per delivered update, rounds included",
                &[
                    ("growth_members_bytes", "nobody has written before"),
                    ("growth_members_settled_bytes", "everybody has written before"),
                ],
                &[],
            ),
            (
                "delivery, virtual ms",
                &[("growth_members_delivery_p50", "p50"), ("growth_members_delivery_p99", "p99")],
                &[("p50, in proportion to the logarithm of the members", 0, logarithm)],
            ),
            (
                "copies beyond the needed one, percent",
                &[
                    ("growth_members_redundant", "nobody has written before"),
                    ("growth_members_settled_redundant", "everybody has written before"),
                ],
                &[("design: at most 5 percent in the steady state", 0, |_, _| 5.0)],
            ),
            (
                "the simulator itself",
                &[
                    ("growth_members_cpu", "processor seconds per virtual second"),
                    ("growth_members_memory", "KiB of memory per member, at most"),
                ],
                &[("seconds, in proportion to the members", 0, |x, (first, y)| y * x / first)],
            ),
        ],
    },
    Picture {
        name: "growth-values",
        title: "Against the bytes of a value, one put per commit",
        x: Axis { label: "bytes of a value", tick: binary, marks: &[(65_536.0, "push limit")] },
        panels: &[
            (
                "processor time, us",
                &[
                    ("growth_values_commit", "own commit, with what is pushed"),
                    ("growth_values_delivered", "delivered to one peer, both sides"),
                ],
                &[],
            ),
            (
                "bytes of messages per byte of value",
                &[("growth_values_wire_over_value", "all messages in both directions")],
                &[],
            ),
            ("messages per value", &[("growth_values_messages", "in both directions")], &[]),
        ],
    },
];

/// Names of all rows that are drawn.
#[cfg(test)]
pub fn names() -> impl Iterator<Item = &'static str> {
    let panels = ALL.iter().flat_map(|picture| picture.panels);
    panels.flat_map(|(_, curves, _)| curves.iter().map(|(name, _)| *name))
}

impl Picture {
    /// The picture; `None` if there are no rows for it.
    pub fn svg(&self, rows: &[Row]) -> Option<String> {
        let panels: Vec<Panel> = self.panels.iter().filter_map(|curves| self.panel(curves, rows)).collect();
        (!panels.is_empty()).then(|| Figure { title: self.title.into(), panels }.svg())
    }

    fn panel(&self, (title, curves, promises): &Curves, rows: &[Row]) -> Option<Panel> {
        let measured = |(name, label): &(&str, &'static str)| {
            let points = points(rows, name);
            (!points.is_empty()).then_some(Line { label, points, kind: Kind::Measured })
        };
        let measured: Vec<Line> = curves.iter().filter_map(measured).collect();
        let first = measured.first()?.points.clone();
        let promised = |(label, curve, promise): &(&'static str, usize, Promise)| {
            let of = points(rows, curves[*curve].0);
            let points = of.iter().map(|(x, _)| (*x, promise(*x, of[0]))).collect();
            Line { label, points, kind: Kind::Promised }
        };
        let promised: Vec<Line> = promises.iter().map(promised).collect();
        let lines = measured.into_iter().chain(promised).collect();
        let ticks = first
            .iter()
            .map(|(x, _)| (*x, (self.x.tick)(*x)))
            .filter(|(_, label)| !label.is_empty())
            .collect();
        let marks = self.x.marks.to_vec();
        Some(Panel { title, x: self.x.label, ticks, marks, lines })
    }
}

/// The points of a curve, ascending; of several at one place the last counts.
fn points(rows: &[Row], name: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for row in rows.iter().filter(|row| row.name == name) {
        let Some(x) = row.x else { continue };
        points.retain(|(other, _)| *other != x);
        points.push((x, row.value));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// As a logarithm grows that begins at the curve's first point.
fn logarithm(x: f64, (first, y): (f64, f64)) -> f64 {
    y * x.ln() / first.ln()
}

/// Bytes; those between the round ones have no label.
fn binary(bytes: f64) -> String {
    match bytes {
        10.0 | 100.0 => format!("{bytes} B"),
        1_024.0 | 10_240.0 | 102_400.0 => format!("{} KiB", bytes / 1_024.0),
        1_048_576.0 => "1 MiB".into(),
        _ => String::new(),
    }
}
