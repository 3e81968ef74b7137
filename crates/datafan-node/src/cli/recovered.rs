//! `recovered`, `restamp`: what the member lost, got back and can take back; and wrong timestamps.

use super::{
    args,
    client::Client,
    confirm::{GO_ON, confirm},
    failure::Failure,
    notes::note,
    output::{Effect, Output, table},
    text::{count, size},
};
use datafan_node::http::wire::{DifferenceLine, Forget, Restamped, StatusAnswer, TakenBack};

/// `datafan recovered`
pub fn recovered(mut client: Client, args: &args::Recovered, out: &mut Output) -> Result<(), Failure> {
    if args.take || args.forget {
        let status: StatusAnswer = client.get("/v1/status", &[])?;
        let divergent = status.divergent.is_some();
        if args.forget && divergent {
            confirm(args.yes, &GO_ON, || {
                Ok("the divergent copy of this member's shard will be deleted".to_owned())
            })?;
        }
        let taken: TakenBack = client.post("/v1/recovered", &Forget { take: args.take })?;
        let (effect, text) = match divergent {
            true => (Effect::Changed, format!("{} written, the rest is discarded", taken.written)),
            false => (Effect::None, "there is no divergent copy".to_owned()),
        };
        return Ok(out.answer(effect, &taken, &text)?);
    }
    let mut rows = Vec::new();
    client.lines("/v1/recovered", &[], |line| {
        if out.json {
            return Ok(out.json_line(line)?);
        }
        let line: DifferenceLine = serde_json::from_str(line).map_err(Failure::new)?;
        rows.push(vec![
            out.shown(&line.key),
            line.state.clone(),
            line.time.unwrap_or_default(),
            if line.deleted { "deleted".to_owned() } else { size(line.bytes) },
        ]);
        Ok(())
    })?;
    if out.json {
        return Ok(());
    }
    if rows.is_empty() {
        return Ok(out.line("nothing was recovered, and there is no divergent copy")?);
    }
    let divergent = rows.iter().any(|row| row[1] != "back");
    out.line(&table(&["KEY", "STATE", "WRITTEN", "SIZE"], rows))?;
    if divergent {
        note("`datafan recovered --take` writes the missing items; --forget discards them");
    }
    Ok(())
}

/// `datafan restamp`
pub fn restamp(mut client: Client, out: &mut Output) -> Result<(), Failure> {
    let done: Restamped = client.post("/v1/restamp", &serde_json::json!({}))?;
    let text = match done.restamped {
        0 => "no timestamp is ahead of the clock".to_owned(),
        n => format!("{} restamped, at {}", count(n, "item"), done.timestamp),
    };
    Ok(out.answer(Effect::of(done.restamped), &done, &text)?)
}
