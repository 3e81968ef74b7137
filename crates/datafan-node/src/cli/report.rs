//! `status`, `members`, `wait`: the state of the member and its mesh.

use super::{
    args,
    client::Client,
    failure::{Exit, Failure},
    notes::note,
    output::{Output, table},
    peers,
    text::size,
};
use datafan_node::http::wire::{MemberLine, Members, ShardLine, StatusAnswer};
use std::time::Duration;

/// `datafan status`
pub fn status(mut client: Client, args: &args::Status, out: &mut Output) -> Result<(), Failure> {
    let text = client.get_text("/v1/status", &[])?;
    let status: StatusAnswer = serde_json::from_str(&text).map_err(Failure::new)?;
    match out.json {
        true => out.json_line(&text)?,
        false => show_status(&status, out)?,
    }
    if !args.check || status.state == "up" {
        return Ok(());
    }
    let reason = status.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    Err(Failure::Said(Exit::Degraded, format!("the member is {}{reason}", status.state)))
}

fn show_status(status: &StatusAnswer, out: &mut Output) -> Result<(), Failure> {
    let reason =
        status.reason.as_deref().map(|reason| format!(": {}", out.shown(reason))).unwrap_or_default();
    out.line(&format!("member  {} ({})", status.name, status.id))?;
    out.line(&format!("mesh    {}", status.mesh))?;
    if let Some(role) = status.role.as_deref().filter(|role| *role != "member") {
        out.line(&format!("role    {role}"))?;
    }
    out.line(&format!("state   {}{reason}", status.state))?;
    out.line(&format!("listen  {}", status.listen.join(", ")))?;
    if let Some(api) = &status.api {
        out.line(&format!("api     {api}"))?;
    }
    if let Some(store) = &status.store {
        let oldest = store.oldest_read_ms.filter(|age| *age > READ_SHOWN_MILLIS);
        let oldest = oldest.map_or(String::new(), |age| format!(", oldest read {} s", age / 1_000));
        let (file, free) = (size(store.file_bytes), size(store.free_bytes));
        out.line(&format!("store   {file} on disk, {free} of it free{oldest}"))?;
    }
    if let Some(ahead) = status.clock_ahead.filter(|ahead| ahead.unsigned_abs() > CLOCK_SHOWN_MICROS) {
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        out.line(&format!(
            "clock   {} s {side} those of most peers: correct it",
            ahead.unsigned_abs() / 1_000_000
        ))?;
    }
    if status.divergent.is_some() {
        out.line("copy    there is a divergent copy of this member's shard: see `datafan recovered`")?;
    }
    if status.recovered.is_some() {
        out.line(
            "taken   items missing from this member's store came back from the mesh: see `datafan recovered`",
        )?;
    }
    show_links(status, out)?;
    show_shards(status, out)?;
    for (name, count) in &status.refusals {
        out.line(&format!("refused  {name}: {count}"))?;
    }
    Ok(())
}

/// Reads younger than this are not shown.
const READ_SHOWN_MILLIS: u64 = 10_000;
/// Smaller differences between clocks are not shown.
const CLOCK_SHOWN_MICROS: u64 = 60_000_000;

fn show_links(status: &StatusAnswer, out: &mut Output) -> Result<(), Failure> {
    if status.links.is_empty() {
        return Ok(out.line("\nno links")?);
    }
    let rows = peers::one_each(&status.links).into_iter().map(|link| {
        let peer = link.name.clone().or_else(|| link.id.as_deref().map(short));
        vec![
            peer.unwrap_or_else(|| "?".to_owned()),
            out.shown(link.address.as_deref().unwrap_or_default()),
            link.direction.clone(),
            link.state.clone(),
            out.shown(link.error.as_deref().unwrap_or_default()),
        ]
    });
    let text = table(&["LINK", "ADDRESS", "DIRECTION", "STATE", "ERROR"], rows.collect::<Vec<_>>());
    Ok(out.line(&format!("\n{text}"))?)
}

fn show_shards(status: &StatusAnswer, out: &mut Output) -> Result<(), Failure> {
    let rows = status.shards.iter().map(|shard| {
        vec![
            shard.owner_name.clone().unwrap_or_else(|| short(&shard.owner)),
            shard.kind.clone(),
            user_items(shard).to_string(),
            size(user_bytes(shard)),
            match &shard.unreachable_since {
                Some(since) if shard.state == "whole" => format!("whole; owner unreachable since {since}"),
                _ => shard.state.clone(),
            },
            short(&shard.root),
        ]
    });
    let rows = by_name(rows);
    let text = table(&["SHARD OF", "KIND", "ITEMS", "BYTES", "STATE", "ROOT"], rows);
    Ok(out.line(&format!("\n{text}"))?)
}

/// The items that people count: a member's own, or the entries of the roster.
fn user_items(shard: &ShardLine) -> u64 {
    if shard.kind == "roster" { shard.items } else { shard.items.saturating_sub(shard.system_items) }
}

/// The bytes of these items.
fn user_bytes(shard: &ShardLine) -> u64 {
    if shard.kind == "roster" { shard.bytes } else { shard.bytes.saturating_sub(shard.system_bytes) }
}

/// The rows, sorted by their first column.
fn by_name(rows: impl Iterator<Item = Vec<String>>) -> Vec<Vec<String>> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

/// `datafan members`
pub fn members(mut client: Client, args: args::Members, out: &mut Output) -> Result<(), Failure> {
    let text = client.get_text("/v1/members", &[])?;
    if out.json {
        return Ok(out.json_line(&text)?);
    }
    let Members { members, pending } = serde_json::from_str(&text).map_err(Failure::new)?;
    if args.pending {
        let rows = pending.into_iter().map(|pending| {
            let address = out.shown(pending.address.as_deref().unwrap_or_default());
            vec![out.shown(&pending.name), pending.id, address, pending.since]
        });
        let text = table(&["NAME IT GIVES", "ID", "SEEN AT", "SINCE"], by_name(rows));
        return Ok(out.line(&text)?);
    }
    let rows = members.into_iter().map(|member| {
        let reach = reach(&member);
        let MemberLine { id, name, role, state, until, items, bytes, granted, .. } = member;
        let state = until.map_or_else(|| state.clone(), |until| format!("{state}, until {until}"));
        vec![out.shown(&name), id, role, state, reach, items.to_string(), size(bytes), granted]
    });
    let header = ["NAME", "ID", "ROLE", "STATE", "REACH", "ITEMS MAX", "BYTES MAX", "GRANTED"];
    let text = table(&header, by_name(rows));
    out.line(&text)?;
    if !pending.is_empty() {
        let more = match pending.len() {
            1 => "1 more waits".to_owned(),
            n => format!("{n} more wait"),
        };
        note(&format!("{more} to be admitted: see `datafan members --pending`"));
    }
    Ok(())
}

/// How a member can be reached, in words.
fn reach(member: &MemberLine) -> String {
    let reach = match &member.unreachable_since {
        Some(since) => format!("unreachable since {since}"),
        None if member.never_seen => "never seen".to_owned(),
        None => member.reach.clone().unwrap_or_default(),
    };
    if member.dialling { format!("{reach}, dialling") } else { reach }
}

/// Extra time for the answer after the time to wait: a running member needs far less, and the command does
/// not wait longer for one that hangs.
const LATE_ANSWER: Duration = Duration::from_secs(1);

/// `datafan wait`
pub fn wait(client: Client, args: args::Wait, out: &mut Output) -> Result<(), Failure> {
    if args.timestamp.is_none() && args.links.is_none() {
        let text = "nothing to wait for: name --timestamp T (with --owner O), --links N, or both";
        return Err(Failure::Said(Exit::Usage, text.to_owned()));
    }
    // The member itself reports the timeout, with what it holds by then.
    let limit = client.timeout();
    let mut client = client.with_delay(LATE_ANSWER);
    let texts = [
        ("owner", args.owner),
        ("timestamp", args.timestamp.map(|timestamp| timestamp.to_string())),
        ("links", args.links.map(|links| links.to_string())),
        ("timeout_ms", Some(limit.as_millis().to_string())),
    ];
    let query: Vec<(&str, &str)> =
        texts.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?))).collect();
    let text = client.get_text("/v1/wait", &query)?;
    if out.json { Ok(out.json_line(&text)?) } else { Ok(()) }
}

/// The first characters of an id or a root, for people.
fn short(text: &str) -> String {
    text.chars().take(8).collect()
}
