//! `import`: writes the rows of a file, in commits within the limits.

mod owners;

use super::{
    args,
    batch::Batch,
    client::Client,
    data::show_written,
    failure::{Exit, Failure},
    notes::note,
    output::Output,
    text::count,
};
use datafan_node::{
    http::wire::{CommitAnswer, WriteRequest, Written},
    rows::{self, Row, RowError},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use owners::Owners;
use std::{path::Path, time::Duration};

/// `datafan import`
pub fn import(client: Client, args: args::Import, out: &mut Output) -> Result<(), Failure> {
    let said = |what: &dyn std::fmt::Display| Failure::new(format!("{}: {what}", args.file.display()));
    let rows = rows::open(&args.file).map_err(|error| said(&error))?;
    let mut import = Import { client, batch: Batch::new(), done: Written::default(), progress: progress() };
    let (mut rows, mut owners) = (rows, Owners::of(&args));
    while let Some(row) = rows.next() {
        let wrong = match row {
            Ok(row) => match owners.takes(&row, &mut import.client) {
                Ok(true) => {
                    import.add(&row).map_err(|failure| import.stopped(&args.file, failure))?;
                    continue;
                }
                Ok(false) => continue,
                Err(Failure::Said(Exit::Failure, what)) => RowError { line: rows.line(), what },
                Err(failure) => return Err(import.stopped(&args.file, failure)),
            },
            Err(wrong) => wrong,
        };
        // Every row before the bad line is imported, so that the user knows where to continue.
        import.commit().map_err(|failure| import.stopped(&args.file, failure))?;
        let (RowError { line, what }, before) = (wrong, before(import.rows()));
        return Err(said(&format!("line {line}: {what}; {before}")));
    }
    let others = owners.finish()?;
    // Sent even without any row, so that the answer names the current head.
    if import.batch.n > 0 || import.rows() == 0 {
        import.commit().map_err(|failure| import.stopped(&args.file, failure))?;
    }
    import.progress.finish_and_clear();
    if others > 0 {
        note(&format!("skipped {} of other owners", count(others, "row")));
    }
    show_written(out, &import.done)
}

fn before(rows: u64) -> String {
    match rows {
        0 => "nothing was imported".to_owned(),
        1 => "the row before was imported".to_owned(),
        rows => format!("the {rows} rows before were imported"),
    }
}

struct Import {
    client: Client,
    batch: Batch,
    done: Written,
    progress: ProgressBar,
}

impl Import {
    fn add(&mut self, row: &Row) -> Result<(), Failure> {
        let write = match &row.value {
            Some(value) => WriteRequest::put(row.key.as_str(), value).until(row.expiry),
            None => WriteRequest::delete(row.key.as_str()),
        };
        let text = serde_json::to_vec(&write).map_err(Failure::new)?;
        let bytes = row.key.as_str().len() + row.value.as_ref().map_or(0, Vec::len);
        if !self.batch.has_room(text.len(), bytes) {
            self.commit()?;
        }
        self.batch.add(&text, bytes);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Failure> {
        let body = std::mem::replace(&mut self.batch, Batch::new()).finish();
        let answer: CommitAnswer = self.client.post_bytes("/v1/commit", body)?;
        self.done.timestamp = answer.written.timestamp;
        self.done.written += answer.written.written;
        self.done.unchanged += answer.written.unchanged;
        self.progress.set_position(self.rows());
        Ok(())
    }

    /// Number of rows imported.
    fn rows(&self) -> u64 {
        self.done.written + self.done.unchanged
    }

    /// A commit that failed, and what was imported before it.
    fn stopped(&self, file: &Path, failure: Failure) -> Failure {
        let Failure::Said(exit, text) = failure else { return failure };
        if exit == Exit::NoMember && self.rows() == 0 {
            return Failure::Said(exit, text);
        }
        let text = format!("{}: {text}; {} imported before that", file.display(), count(self.rows(), "row"));
        Failure::Said(exit, text)
    }
}

/// On a terminal only; a count of rows, because the length of a compressed file says little.
fn progress() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{spinner} {human_pos} rows, {per_sec}, {elapsed}");
    bar.set_style(style.expect("a sound template"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
