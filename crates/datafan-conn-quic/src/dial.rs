//! Dials `HOST:PORT`: names are resolved for every dial, and their addresses tried in turn.

use crate::{config::RESOLVED_MAX, ending, greeting, hello::Greeted, link::Origin, table::Table, verifier};
use datafan_core::{
    connector::{Address, Direction},
    id::MemberId,
    limits::ADDRESS_BYTES_MAX,
};
use quinn::{ClientConfig, ConnectionError, Endpoint};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::time::timeout;

/// What a dial needs.
#[derive(Clone)]
pub(crate) struct Dialler {
    pub(crate) table: Arc<Table>,
    pub(crate) endpoints: Vec<(SocketAddr, Endpoint)>,
    pub(crate) client: ClientConfig,
}

impl Dialler {
    /// Dials `address`; the result is an event.
    pub(crate) async fn dial(self, address: Address, expected: Option<MemberId>) {
        let result = self.try_dial(&address, expected).await;
        self.table.dial_ends(address, expected, result);
    }

    async fn try_dial(&self, address: &Address, expected: Option<MemberId>) -> Result<Greeted, String> {
        let mut last = Err(format!("{address} resolves to no address of a family that we listen on"));
        let targets = self.resolve(address).await?;
        // All addresses together share one timeout.
        let limit = self.table.handshake_timeout / targets.len().max(1) as u32;
        for target in targets {
            let Some(endpoint) = self.endpoint(target) else { continue };
            self.table.half_open.knows(target.ip());
            let origin = Origin { direction: Direction::Out, dialled: Some(address.clone()) };
            last = self.connect(endpoint, target, expected, origin, limit).await;
            if last.is_ok() {
                break;
            }
        }
        last
    }

    async fn resolve(&self, address: &Address) -> Result<Vec<SocketAddr>, String> {
        if address.len() > ADDRESS_BYTES_MAX {
            return Err(format!("address is {} bytes, limit {ADDRESS_BYTES_MAX}", address.len()));
        }
        match timeout(self.table.handshake_timeout, tokio::net::lookup_host(&**address)).await {
            Ok(Ok(found)) => Ok(found.take(RESOLVED_MAX).collect()),
            Ok(Err(error)) => Err(format!("cannot resolve: {error}")),
            Err(_) => Err("cannot resolve: the name service does not answer".into()),
        }
    }

    /// The endpoint that reaches `target`: of its address family, and bound to loopback only if `target` is
    /// on loopback too.
    fn endpoint(&self, target: SocketAddr) -> Option<&Endpoint> {
        let family = || self.endpoints.iter().filter(|(bound, _)| bound.is_ipv4() == target.is_ipv4());
        let fits = |bound: &SocketAddr| bound.ip().is_loopback() == target.ip().is_loopback();
        let is_any = |bound: &SocketAddr| bound.ip().is_unspecified();
        let found = family().find(|(bound, _)| fits(bound) || is_any(bound)).or_else(|| family().next());
        found.map(|(_, endpoint)| endpoint)
    }

    async fn connect(
        &self,
        endpoint: &Endpoint,
        target: SocketAddr,
        expected: Option<MemberId>,
        origin: Origin,
        limit: Duration,
    ) -> Result<Greeted, String> {
        let no_answer = || format!("no answer: check that UDP port {} is open", target.port());
        let connecting = endpoint
            .connect_with(self.client.clone(), target, &verifier::server_name(expected))
            .map_err(|error| error.to_string())?;
        let connection = match timeout(limit, connecting).await {
            Err(_) | Ok(Err(ConnectionError::TimedOut)) => return Err(no_answer()),
            Ok(Err(error)) => return Err(ending::describe(&error, None)),
            Ok(Ok(connection)) => connection,
        };
        greeting::greet(&self.table, connection, origin).await
    }
}
