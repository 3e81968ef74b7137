//! Files that killed commands have left in a member's directory: temporary files that were to replace others.

use datafan_store_redb::probe_path;
use std::{fs, path::Path};

/// Removes them. Only for the process that holds the directory's lock. Temporary files of running processes
/// stay. What cannot be removed does no harm.
pub fn sweep(dir: &Path, store: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let probe = probe_path(store);
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_left = path == probe || process_of(&name).is_some_and(|process| !runs(process));
        match (is_left, path.is_dir()) {
            (false, _) => {}
            // Where a socket was created; it contains nothing else.
            (true, true) => {
                drop(fs::remove_file(path.join("api.sock")));
                drop(fs::remove_dir(&path));
            }
            (true, false) => drop(fs::remove_file(&path)),
        }
    }
}

/// Removes the temporary files that ended processes left beside `file`, in whatever directory it is. What
/// cannot be removed stays.
pub fn sweep_beside(file: &Path) {
    let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty());
    let (Ok(entries), Some(name)) = (fs::read_dir(directory.unwrap_or(Path::new("."))), file.file_name())
    else {
        return;
    };
    let name = format!("{}.", name.to_string_lossy());
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let left = path.file_name().unwrap_or_default().to_string_lossy();
        let process = left.strip_prefix(&name).and_then(|rest| rest.strip_suffix(".tmp"));
        if process.and_then(number).is_some_and(|process| !runs(process)) {
            drop(fs::remove_file(&path));
        }
    }
}

/// The process that created the temporary file of this name, if it is one.
fn process_of(name: &str) -> Option<u32> {
    if let Some(rest) = name.strip_prefix(".api-") {
        return number(rest);
    }
    if let Some((_, rest)) = name.rsplit_once(".new-") {
        return number(rest);
    }
    let (_, rest) = name.strip_suffix(".tmp")?.rsplit_once('.')?;
    number(rest)
}

fn number(text: &str) -> Option<u32> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Whether a process runs. If that cannot be determined, it is assumed to.
fn runs(process: u32) -> bool {
    let this = std::process::id();
    // Left by an earlier process with our id: this one has created nothing yet.
    process != this && (!Path::new("/proc/self").exists() || Path::new(&format!("/proc/{process}")).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_dead_have_left_goes_and_everything_else_stays() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        let parent = std::os::unix::process::parent_id();
        let left = [
            format!("member.json.new-{dead}"),
            format!("store.redb.{dead}.tmp"),
            format!("ports.json.{dead}.tmp"),
            "store.redb.room".to_owned(),
        ];
        let stays =
            ["store.redb".to_owned(), "notes.tmp".into(), "a.new-b".into(), format!("x.new-{parent}")];
        for name in left.iter().chain(&stays) {
            fs::write(dir.join(name), "").unwrap();
        }
        fs::create_dir(dir.join(format!(".api-{dead}"))).unwrap();
        fs::write(dir.join(format!(".api-{dead}/api.sock")), "").unwrap();
        sweep(dir, &dir.join("store.redb"));
        let mut found: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        found.sort();
        let mut stays = stays.map(std::ffi::OsString::from);
        stays.sort();
        assert_eq!(found, stays);
    }
}
