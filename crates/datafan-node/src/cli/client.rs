//! Asks the running member of a directory, through its socket or over TCP.

use super::{
    api::Api,
    failure::{Exit, Failure},
};
use bytes::Bytes;
use datafan_node::http::{TIMEOUT_HEADER, socket, told, wire::Refusal};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    client::conn::http1::{self, SendRequest},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Runtime,
    time::timeout,
};
use zeroize::Zeroizing;

/// A connection to the running member, opened at the first request.
pub struct Client {
    dir: PathBuf,
    api: Api,
    /// The timeout from the command line.
    timeout: Option<Duration>,
    /// The timeout if the command line names none.
    patience: Duration,
    /// Extra time for an answer that the member itself gives at the end of the timeout.
    delay: Duration,
    runtime: Option<Runtime>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// For the member of `dir`, or for the one at `api` if TCP is named. The default timeout is 30 s.
    pub fn new(dir: &Path, api: Api, timeout: Option<Duration>) -> Self {
        let (patience, delay) = (TIMEOUT, Duration::ZERO);
        Self { dir: dir.to_owned(), api, timeout, patience, delay, runtime: None, sender: None }
    }

    /// For the member of `dir` only, never over TCP.
    pub fn of(dir: &Path, timeout: Option<Duration>) -> Self {
        Self::new(dir, Api::default(), timeout)
    }

    /// Sets the timeout for when the command line names none.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The timeout of an answer.
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(self.patience)
    }

    /// For requests that the member answers when the timeout ends: the answer may arrive later by `delay`.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// When the caller gives up, counted from the request.
    fn limit(&self) -> Duration {
        self.timeout().saturating_add(self.delay)
    }

    /// Whether the member asked is certainly the one of the directory.
    pub fn is_of_directory(&self) -> bool {
        self.api.address.is_none()
    }

    /// Requests one object.
    pub fn get<T: DeserializeOwned>(&mut self, path: &str, query: &[(&str, &str)]) -> Result<T, Failure> {
        let text = self.ask(Method::GET, &with_query(path, query), Vec::new())?;
        read(&text)
    }

    /// Requests one object, to be printed unchanged.
    pub fn get_text(&mut self, path: &str, query: &[(&str, &str)]) -> Result<String, Failure> {
        self.ask(Method::GET, &with_query(path, query), Vec::new())
    }

    /// Sends one object and receives one.
    pub fn post<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(Failure::new)?;
        self.post_bytes(path, body)
    }

    /// Sends an object that is already JSON and receives one.
    pub fn post_bytes<T: DeserializeOwned>(&mut self, path: &str, body: Vec<u8>) -> Result<T, Failure> {
        let text = self.ask(Method::POST, path, body)?;
        read(&text)
    }

    /// Requests lines and hands over each as it arrives.
    pub fn lines(
        &mut self,
        path: &str,
        query: &[(&str, &str)],
        mut each: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let path = with_query(path, query);
        self.with_runtime(async |client| {
            let (mut body, mut next) = client.begin(&path).await?;
            let mut rest: Vec<u8> = Vec::new();
            while let Some(frame) = next {
                if let Ok(data) = frame.map_err(|_| broken_off())?.into_data() {
                    rest.extend_from_slice(&data);
                    if let Some(end) = rest.iter().rposition(|&byte| byte == b'\n') {
                        let lines = str::from_utf8(&rest[..end]).map_err(Failure::new)?;
                        lines.split('\n').try_for_each(|line| match line.starts_with(ERROR_LINE) {
                            true => Err(read::<Refusal>(line)?.into()),
                            false => each(line),
                        })?;
                        rest.drain(..=end);
                    }
                }
                next = body.frame().await;
            }
            if rest.is_empty() { Ok(()) } else { Err(broken_off()) }
        })
    }

    /// Requests bytes and hands them over as they arrive.
    pub fn bytes(
        &mut self,
        path: &str,
        mut each: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.with_runtime(async |client| {
            let (mut body, mut next) = client.begin(path).await?;
            while let Some(frame) = next {
                if let Ok(data) = frame.map_err(|_| broken_off())?.into_data() {
                    each(&data)?;
                }
                next = body.frame().await;
            }
            Ok(())
        })
    }

    fn ask(&mut self, method: Method, path: &str, body: Vec<u8>) -> Result<String, Failure> {
        self.with_runtime(async |client| {
            let (limit, writes) = (client.limit(), method == Method::POST);
            let answer = async {
                let response = client.send(method, path, body).await?;
                Ok(response.into_body().collect().await.map_err(|_| broken_off())?.to_bytes())
            };
            let answer = timeout(limit, answer).await;
            let bytes = answer.unwrap_or_else(|_| Err(client.late(writes)))?;
            String::from_utf8(bytes.into()).map(|text| text.trim_end().to_owned()).map_err(Failure::new)
        })
    }

    /// The answer up to its first bytes; the rest has no timeout.
    async fn begin(&mut self, path: &str) -> Result<(Incoming, Option<NextFrame>), Failure> {
        let limit = self.limit();
        let first = async {
            let mut body = self.send(Method::GET, path, Vec::new()).await?.into_body();
            let frame = body.frame().await;
            Ok((body, frame))
        };
        match timeout(limit, first).await {
            Ok(begun) => begun,
            Err(_) => Err(self.late(false)),
        }
    }

    /// The error if no answer arrived in time.
    fn late(&self, writes: bool) -> Failure {
        let limit = self.timeout();
        let who = match self.api.address {
            Some(address) => format!("the member on TCP {address}"),
            None => format!("the member in {}", self.dir.display()),
        };
        let unsure = if writes { "; the request may still take effect" } else { "" };
        let text = format!(
            "{who} did not answer within {limit:?}: its process may be stopped, or its disk slow; wait \
             longer with --timeout TIME{unsure}"
        );
        Failure::Said(Exit::Timeout, text)
    }

    fn with_runtime<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => {
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?
            }
        };
        let done = runtime.block_on(work(self));
        self.runtime = Some(runtime);
        done
    }

    /// Sends a request; a refusal becomes a failure.
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut sender = self.sender().await?;
        let host = self.api.address.map_or("datafan".to_owned(), |address| address.to_string());
        let mut request = Request::builder().method(method).uri(path).header(HOST, host);
        if let Some(timeout) = self.timeout {
            // Lets the member answer before the client gives up.
            request = request.header(TIMEOUT_HEADER, told(timeout).as_millis().to_string());
        }
        if let Some(authorization) = self.authorization()? {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.header(CONTENT_TYPE, "application/json").body(Full::new(Bytes::from(body)));
        let response = sender.send_request(request.map_err(Failure::new)?).await.map_err(|_| broken_off())?;
        self.sender = Some(sender);
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(|_| broken_off())?.to_bytes();
        match serde_json::from_slice::<Refusal>(&bytes) {
            Ok(refusal) => Err(refusal.into()),
            Err(_) => Err(Failure::new(format!("the member answered {status}"))),
        }
    }

    /// The open connection, or a new one: the member closes idle connections.
    async fn sender(&mut self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        match self.api.address {
            Some(address) => {
                shake(TcpStream::connect(address).await.map_err(|error| nobody_at(address, &error))?).await
            }
            None => shake(socket::connect(&self.dir).await.map_err(|error| nobody(&self.dir, &error))?).await,
        }
    }

    /// The token, if the request goes over TCP; the socket needs none.
    fn authorization(&self) -> Result<Option<HeaderValue>, Failure> {
        let token = if self.is_of_directory() { None } else { self.api.token()? };
        let Some(token) = token else { return Ok(None) };
        let text = Zeroizing::new(format!("Bearer {}", token.text()));
        let mut value = HeaderValue::from_str(&text).map_err(Failure::new)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Start of a line that says why a stream ended early.
const ERROR_LINE: &str = "{\"error\":";

type NextFrame = Result<Frame<Bytes>, hyper::Error>;

/// Timeout of an answer, by default.
const TIMEOUT: Duration = Duration::from_secs(30);

async fn shake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| broken_off())?;
    tokio::spawn(connection);
    Ok(sender)
}

fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    form_urlencoded::Serializer::new(format!("{path}?")).extend_pairs(query).finish()
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::new(format!("cannot parse the answer of the member: {error}")))
}

fn broken_off() -> Failure {
    Failure::new("the member closed the connection: see its log")
}

fn nobody_at(address: SocketAddr, error: &io::Error) -> Failure {
    let text = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("no member answers on TCP {address}: start one with `datafan run --api {address}`")
        }
        _ => format!("cannot reach a member on TCP {address}: {error}"),
    };
    Failure::Said(Exit::NoMember, text)
}

fn nobody(dir: &Path, error: &io::Error) -> Failure {
    let socket = dir.join(socket::SOCKET_NAME);
    if let Ok(found) = fs::symlink_metadata(&socket).map(|found| found.file_type())
        && !found.is_socket()
    {
        let (what, socket) = (socket::kind_of(found), socket.display());
        let text = format!("{what} is at {socket}: remove it, and a running member creates its socket there");
        return Failure::Said(Exit::NoMember, text);
    }
    let dir = dir.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
            Failure::Said(
                Exit::NoMember,
                format!("no member is running in {dir}: start one with `datafan run`"),
            )
        }
        _ => Failure::Said(Exit::NoMember, format!("cannot reach the member in {dir}: {error}")),
    }
}
