//! Where the HTTP API listens on TCP, and the token it asks for.

use super::{
    failure::{Exit, Failure},
    parse,
};
use datafan_node::http::token::Token;
use std::{env, net::SocketAddr, path::PathBuf};

/// Address and token file of the HTTP API on TCP, from options and environment.
#[derive(Clone, Default, Debug)]
pub struct Api {
    /// Its address.
    pub address: Option<SocketAddr>,
    /// The file with its token.
    pub token_file: Option<PathBuf>,
}

/// The options, or else the environment.
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
        let text = "--api-token-file needs --api IP:PORT: only the API on TCP takes a token";
        return Err(Failure::Said(Exit::Usage, text.to_owned()));
    }
    Ok(Api { address, token_file: token_file.or_else(|| set("DATAFAN_API_TOKEN_FILE").map(PathBuf::from)) })
}

impl Api {
    /// The token to send with requests, if there is one.
    pub fn token(&self) -> Result<Option<Token>, Failure> {
        self.token_file.as_deref().map(Token::read).transpose().map_err(Failure::new)
    }

    /// The token that the server demands; created if the file does not exist.
    pub fn token_or_new(&self) -> Result<Option<Token>, Failure> {
        self.token_file.as_deref().map(Token::read_or_make).transpose().map_err(Failure::new)
    }
}
