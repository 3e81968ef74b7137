//! Members as processes: started, queried and stopped like in a script.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod api;
pub mod clock;
pub mod relayed;

use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Timeout of everything; a machine that is busy with other tests is slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The output and exit code of a command.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    /// The one object that it printed; the command must have succeeded.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        assert_eq!(self.out.matches('\n').count(), 1, "one line: {}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }

    /// The objects that it printed, one per line.
    pub fn lines(&self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Checks that it succeeded and printed `text`.
    pub fn is(&self, text: &str) {
        assert_eq!((self.code, self.out.trim_end()), (0, text), "{}", self.err);
    }

    /// Checks that it failed with `code` and one line that contains `text`.
    pub fn fails(&self, code: i32, text: &str) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        let lines = self.err.lines().filter(|line| !line.contains(" INFO ") && !line.starts_with("  tip: "));
        let lines: Vec<_> = lines.map(error).collect();
        assert!(lines.len() == 1 && lines[0].starts_with("error: "), "one clear line: {}", self.err);
        assert!(lines[0].contains(text), "{text:?} in {}", self.err);
    }
}

impl Done {
    /// Checks that it failed with `code`, and that its last line is an error that contains `text`; it may
    /// have printed explanations before that.
    pub fn has_failed(&self, code: i32, text: &str) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        let last = error(self.err.lines().next_back().unwrap_or_default());
        assert!(last.contains("error: ") && last.contains(text), "{text:?} in {}", self.err);
    }
}

/// A line with an error; JSON is converted to the text form.
fn error(line: &str) -> String {
    match serde_json::from_str::<Value>(line) {
        Ok(said) => format!("error: {}", said["error"].as_str().unwrap_or_default()),
        Err(_) => line.to_owned(),
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs the binary with empty standard input.
pub fn datafan(args: &[&str]) -> Done {
    command(args).stdin(Stdio::null()).output().unwrap().into()
}

/// Runs the binary with `input` on its standard input.
pub fn datafan_with(args: &[&str], input: &[u8]) -> Done {
    let piped = command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = piped.unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap().into()
}

/// Runs the binary with `input` on its standard input; its output may be any bytes.
pub fn datafan_bytes(args: &[&str], input: &[u8]) -> (i32, Vec<u8>, String) {
    let piped = command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = piped.unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // It may print before it has read everything.
    let writes = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writes.join().unwrap();
    (output.status.code().unwrap(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

fn command(args: &[&str]) -> Command {
    prepared(Command::new(env!("CARGO_BIN_EXE_datafan")), args)
}

/// A command without the environment of the test's user.
pub fn prepared(mut command: Command, args: &[&str]) -> Command {
    for name in ["DATAFAN_DATA_DIR", "DATAFAN_LOG", "DATAFAN_API", "DATAFAN_API_TOKEN_FILE"] {
        command.env_remove(name);
    }
    command.args(args).env("NO_COLOR", "1");
    command
}

/// A directory for members, removed with its content when dropped.
pub struct TestDir(pub TempDir);

impl TestDir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file that only its owner can read, as required for tickets and keys; returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    }

    /// The first member of a new mesh, running.
    pub fn founder(&self, name: &str) -> Member {
        let dir = self.path(name);
        assert_eq!(datafan(&["init", "--name", name, "--data-dir", &text(&dir)]).code, 0);
        Member::run(&dir, &[])
    }

    /// A running member invited by `inviter`, with `more` arguments.
    pub fn invited(&self, inviter: &Member, name: &str, more: &[&str]) -> Member {
        let ticket = inviter.ask(&["invite", name, "--json"]).json();
        let ticket = self.file(&format!("{name}.ticket"), ticket["ticket"].as_str().unwrap());
        Member::run(&self.path(name), &[&["--ticket", &ticket], more].concat())
    }
}

/// A running member. Killed when dropped.
pub struct Member {
    pub dir: PathBuf,
    child: Child,
    log: Receiver<String>,
    /// The lines that [`Member::hears`] took from the log.
    heard: Vec<String>,
    /// The content of `--ports-file`.
    pub ports: Value,
}

impl Member {
    /// Runs the member of `dir` on a free port; returns when it is ready.
    pub fn run(dir: &Path, more: &[&str]) -> Self {
        Self::run_on("127.0.0.1:0", dir, more)
    }

    /// Like [`Member::run`], on an address.
    pub fn run_on(listen: &str, dir: &Path, more: &[&str]) -> Self {
        Self::start_on(listen, dir, more).ready()
    }

    /// Starts the member of `dir` without waiting.
    pub fn start_on(listen: &str, dir: &Path, more: &[&str]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_datafan")), listen, dir, more)
    }

    /// Like [`Member::start_on`], with a command that runs its arguments.
    pub fn start_by(starter: Command, listen: &str, dir: &Path, more: &[&str]) -> Self {
        let ports = dir.with_extension("ports");
        let _ = fs::remove_file(&ports);
        let (dir_text, ports) = (text(dir), text(&ports));
        let args = ["run", "--data-dir", &dir_text, "--listen", listen, "--ports-file", &ports];
        let mut command = prepared(starter, &[&args, more].concat());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = follow(child.stderr.take().unwrap());
        Self { dir: dir.to_owned(), child, log, heard: Vec::new(), ports: Value::Null }
    }

    /// Waits until it is ready.
    pub fn ready(mut self) -> Self {
        // It logs this line when everything is bound and the file is in place.
        self.logs("running");
        self.ports = serde_json::from_slice(&fs::read(self.dir.with_extension("ports")).unwrap()).unwrap();
        self
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The address that it listens on.
    pub fn address(&self) -> String {
        self.ports["listen"][0].as_str().unwrap().to_owned()
    }

    /// Runs a command for this member.
    pub fn ask(&self, args: &[&str]) -> Done {
        datafan(&[args, &["--data-dir", &text(&self.dir)]].concat())
    }

    /// Like [`Member::ask`], with `input` on standard input.
    pub fn ask_with(&self, args: &[&str], input: &[u8]) -> Done {
        datafan_with(&[args, &["--data-dir", &text(&self.dir)]].concat(), input)
    }

    /// Its full id.
    pub fn id(&self) -> String {
        self.ask(&["id", "--json"]).json()["id"].as_str().unwrap().to_owned()
    }

    /// Puts a text and returns the timestamp.
    pub fn put(&self, key: &str, value: &str) -> u64 {
        self.ask(&["put", key, value, "--json"]).json()["timestamp"].as_u64().unwrap()
    }

    /// Waits until it holds what `owner` wrote at `timestamp`.
    pub fn waits_for(&self, owner: &str, timestamp: u64) {
        let timestamp = timestamp.to_string();
        let done = self.ask(&["wait", "--owner", owner, "--timestamp", &timestamp, "--timeout", "60s"]);
        assert_eq!(done.code, 0, "{}", done.err);
    }

    /// Polls its status until the condition holds, and returns it; each poll takes a process, so this is not
    /// a busy loop.
    pub fn waits(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.ask(&["status", "--json"]).json();
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < until, "{status}");
        }
    }

    /// Waits until it has links.
    pub fn waits_links(&self, links: usize) {
        let done = self.ask(&["wait", "--links", &links.to_string(), "--timeout", "60s"]);
        assert_eq!(done.code, 0, "{}", done.err);
    }

    /// The value of a key of an owner.
    pub fn get(&self, owner: &str, key: &str) -> String {
        let done = self.ask(&["get", key, "--owner", owner]);
        assert_eq!(done.code, 0, "{}", done.err);
        done.out
    }

    /// The items that it holds of an owner, shown or not.
    pub fn n_items(&self, owner: &str) -> u64 {
        // Without system items, which appear with links and runs.
        let shard = self.shard(owner);
        shard["items"].as_u64().unwrap() - shard["system_items"].as_u64().unwrap()
    }

    /// Its `status` of an owner's shard.
    pub fn shard(&self, owner: &str) -> Value {
        let status = self.ask(&["status", "--json"]).json();
        let shard = status["shards"].as_array().unwrap().iter().find(|shard| shard["owner_name"] == owner);
        shard.unwrap_or_else(|| panic!("nothing of {owner}: {status}")).clone()
    }

    /// The number of refusals, by name.
    pub fn refused(&self, name: &str) -> u64 {
        self.ask(&["status", "--json"]).json()["refusals"][name].as_u64().unwrap_or(0)
    }

    /// Owners and roots: equal at two members exactly if they hold the same data.
    pub fn roots(&self) -> Vec<(String, String)> {
        let status = self.ask(&["status", "--json"]).json();
        let root = |shard: &Value| (string(&shard["owner"]), string(&shard["root"]));
        let mut roots: Vec<_> = status["shards"].as_array().unwrap().iter().map(root).collect();
        roots.sort();
        roots
    }

    /// Waits for a line of its log that contains `text`, and returns it.
    pub fn logs(&mut self, text: &str) -> String {
        let mut heard = String::new();
        loop {
            let Ok(line) = self.log.recv_timeout(PATIENCE) else {
                panic!("{text:?} is not in the log: {heard}")
            };
            if line.contains(text) {
                return line;
            }
            heard += &line;
            heard.push('\n');
        }
    }

    /// The lines that it has logged since the last call.
    pub fn log_so_far(&self) -> Vec<String> {
        self.log.try_iter().collect()
    }

    /// Ends it like `kill` and returns its exit code.
    pub fn terminate(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }

    /// Waits until it is ready; false if it ends instead.
    pub fn is_ready_or_ends(&mut self) -> bool {
        while let Some(line) = self.hears() {
            if line.contains("running") {
                return true;
            }
        }
        false
    }

    /// Checks that it ends by itself, with this code and one line of error that contains `text`.
    pub fn ends(mut self, code: i32, text: &str) {
        while self.hears().is_some() {}
        assert_eq!(self.child.wait().unwrap().code(), Some(code));
        let errors: Vec<_> = self.heard.iter().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains(text), "{:?}", self.heard);
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The next line of its log; `None` if it has ended.
    fn hears(&mut self) -> Option<String> {
        match self.log.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.heard.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it neither says a word nor ends: {:?}", self.heard),
        }
    }

    /// Stops it for a while.
    pub fn leaves(self) -> Away {
        let (dir, address) = (self.dir.clone(), self.address());
        assert_eq!(self.terminate(), 0);
        Away { dir, address }
    }

    /// Kills it, like a power cut.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A stopped member, and its address.
pub struct Away {
    pub dir: PathBuf,
    pub address: String,
}

impl Away {
    /// Runs it at the same address.
    pub fn returns(&self) -> Member {
        Member::run_on(&self.address, &self.dir, &[])
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a log continuously, so that its writer never waits.
fn follow(stderr: ChildStderr) -> Receiver<String> {
    let (lines, log) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Nobody listens any more; reading continues.
            let _ = lines.send(line);
        }
    });
    log
}

/// Copies the directory of a stopped member: a second process with the same identity.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in ["member.key", "member.json", "store.redb"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

pub fn text(path: &Path) -> String {
    path.display().to_string()
}

pub fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// The names of an object's fields, in order.
pub fn fields(text: &str) -> Vec<String> {
    let fields: std::collections::BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
    fields.into_keys().collect()
}
