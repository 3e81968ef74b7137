//! Where a member's HTTP interface is on TCP, and what it wants to be told there.

use super::{
    failure::{Exit, Failure},
    parse,
};
use datafan_node::http::token::Token;
use std::{env, net::SocketAddr, path::PathBuf};

/// What options and environment say of the interface on TCP.
#[derive(Clone, Default, Debug)]
pub struct Api {
    /// Where it is.
    pub address: Option<SocketAddr>,
    /// Where its token is.
    pub token_file: Option<PathBuf>,
}

/// What is named, else what the environment says.
pub fn resolve(address: Option<SocketAddr>, token_file: Option<PathBuf>) -> Result<Api, Failure> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let address = match (address, set("DATAFAN_API")) {
        (None, Some(text)) => {
            let said = |what: String| Failure::Said(Exit::Usage, format!("DATAFAN_API: {what}"));
            Some(parse::loopback(&text.to_string_lossy()).map_err(said)?)
        }
        (address, _) => address,
    };
    if address.is_none() && token_file.is_some() {
        let text = "--api-token-file is of no use without --api IP:PORT: the socket needs no token";
        return Err(Failure::Said(Exit::Usage, text.to_owned()));
    }
    Ok(Api { address, token_file: token_file.or_else(|| set("DATAFAN_API_TOKEN_FILE").map(PathBuf::from)) })
}

impl Api {
    /// The token to ask with, if there is one.
    pub fn token(&self) -> Result<Option<Token>, Failure> {
        self.token_file.as_deref().map(Token::read).transpose().map_err(Failure::new)
    }

    /// The token to ask for, made where it is not there yet.
    pub fn token_or_new(&self) -> Result<Option<Token>, Failure> {
        self.token_file.as_deref().map(Token::read_or_make).transpose().map_err(Failure::new)
    }
}
