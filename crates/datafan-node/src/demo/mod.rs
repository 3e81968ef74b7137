//! `demo`: a whole mesh in this process, each member with its own store and endpoint, linked in a line so
//! that everything that reaches the far end was relayed.
//!
//! It loads rows, changes and deletes some of them, and cuts the power of a member and restarts it. At the
//! end it compares every item of every member with all other copies and with the input.

mod changes;
mod compare;
mod expected;
mod input;
mod line;
mod phases;
mod sample;

use crate::cli::{
    args,
    failure::Failure,
    output::{Output, table},
    text::size,
};
use expected::Expected;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use input::Input;
use line::Line;
use phases::Phase;
use serde::Serialize;
use std::{fs, path::PathBuf, time::Duration};

#[derive(Serialize)]
struct Report {
    members: usize,
    phases: Vec<Phase>,
    equal: bool,
}

/// `datafan demo`
pub fn demo(args: &args::Demo, out: &mut Output) -> Result<(), Failure> {
    let data = Input::open(args.data.as_deref(), Some(sample::ROWS))?;
    // The updates of the sample belong to the rows of the sample.
    let updates = Input::open(args.updates.as_deref(), args.data.is_none().then_some(sample::UPDATES))?;
    let place = DemoDir::new(args.dir.clone())?;
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::new)?;
    let members = usize::from(args.members);
    let work = async {
        let mut mesh = Line::start(&place.path, members).await?;
        let mut expected = Expected::new(members);
        let progress = progress();
        let phases = phases::run(&mut mesh, &mut expected, data, updates, &progress).await?;
        progress.set_message("comparing all members");
        let compared = compare::compare(&mesh, &expected);
        progress.finish_and_clear();
        mesh.stop().await;
        Ok::<_, Failure>((phases, compared))
    };
    let (phases, compared) = runtime.block_on(async {
        tokio::select! {
            done = work => done,
            // The directory of the members is removed when it is dropped.
            _ = tokio::signal::ctrl_c() => Err(Failure::new("interrupted")),
        }
    })?;
    let report = Report { members, phases, equal: compared.is_ok() };
    show(&report, out)?;
    let items = compared?;
    if !out.json {
        out.line(&format!("\n{members} members are equal: {items} items each, all compared"))?;
    }
    Ok(())
}

fn show(report: &Report, out: &mut Output) -> Result<(), Failure> {
    if out.json {
        return Ok(out.object(report)?);
    }
    let rows = report.phases.iter().map(|phase| {
        vec![
            phase.name.to_owned(),
            phase.items.to_string(),
            size(phase.data_bytes),
            size(phase.link_bytes),
            format!("{:.2}", phase.seconds),
        ]
    });
    let header = ["PHASE", "ITEMS", "DATA", "ON THE LINKS", "SECONDS TO EQUAL"];
    Ok(out.line(&table(&header, rows.collect::<Vec<_>>()))?)
}

/// The parent directory of the members.
struct DemoDir {
    path: PathBuf,
    /// A temporary directory, removed with its content when the demo ends.
    _temporary: Option<tempfile::TempDir>,
}

impl DemoDir {
    fn new(named: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(path) = named else {
            let temporary =
                tempfile::Builder::new().prefix("datafan-demo-").tempdir().map_err(Failure::new)?;
            return Ok(Self { path: temporary.path().to_owned(), _temporary: Some(temporary) });
        };
        let said = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
        fs::create_dir_all(&path).map_err(said)?;
        if fs::read_dir(&path).map_err(said)?.next().is_some() {
            return Err(Failure::new(format!("{} is not empty", path.display())));
        }
        Ok(Self { path, _temporary: None })
    }
}

/// On a terminal only.
fn progress() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}").expect("a sound template"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
