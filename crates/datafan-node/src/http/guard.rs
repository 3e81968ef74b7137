//! Access control on TCP, where every user of this machine, and every web page in a browser, can connect.

use super::{refuse::json, token::Token, wire::Refusal};
use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{AUTHORIZATION, HOST, ORIGIN, REFERER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::Next,
    response::Response,
};
use std::{net::SocketAddr, sync::Arc};

/// What a request on TCP is checked against.
pub struct Guard {
    /// The address on which the API listens.
    pub api: SocketAddr,
    /// The token to send, if one is required.
    pub token: Option<Token>,
}

/// Accepts requests that come from this machine and carry the token.
pub async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if !is_local(request.headers(), guard.api) {
        let refusal = Refusal::failure("Host or Origin is not the loopback address of this API");
        return refused(StatusCode::FORBIDDEN, &refusal);
    }
    if let Some(what) = cross_site(request.headers(), guard.api) {
        let refusal = Refusal::failure(format!("the request comes from another site ({what})"));
        return refused(StatusCode::FORBIDDEN, &refusal);
    }
    match guard.token.as_ref().map(|token| judged(token, request.headers())) {
        None | Some(Ok(())) => same_origin_only(next.run(request).await),
        Some(Err(what)) => unauthorized(what),
    }
}

/// The header showing that a page of another origin caused a request. A browser sends no Origin if the page
/// embeds an image or a script or is left through a link; what it sends instead depends on its age.
fn cross_site(headers: &HeaderMap, api: SocketAddr) -> Option<&'static str> {
    let site = values(headers, &SEC_FETCH_SITE);
    if site.iter().any(|site| !["same-origin", "none"].contains(site)) {
        return Some("Sec-Fetch-Site");
    }
    let own = |referer: &&str| {
        let host = referer.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        host.is_some_and(|host| hosts(api).iter().any(|known| known.eq_ignore_ascii_case(host)))
    };
    values(headers, &REFERER).iter().any(|referer| !own(referer)).then_some("Referer")
}

/// No page of another origin may embed an answer, as whatever type.
fn same_origin_only(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The names under which clients reach the API.
fn hosts(api: SocketAddr) -> [String; 2] {
    [api.to_string(), format!("localhost:{}", api.port())]
}

/// The request must name a loopback address of ours as host and come from no other origin.
fn is_local(headers: &HeaderMap, api: SocketAddr) -> bool {
    let hosts = hosts(api);
    let is_own = |host: &str| hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
    let host_fits = matches!(values(headers, &HOST)[..], [host] if is_own(host));
    let origin_fits = values(headers, &ORIGIN).into_iter().all(|origin| {
        origin.strip_prefix("http://").is_some_and(|host| hosts.iter().any(|known| known == host))
    });
    host_fits && origin_fits
}

/// All values of a header; a value that is not text matches nothing.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect()
}

fn judged(token: &Token, headers: &HeaderMap) -> Result<(), &'static str> {
    let named = values(headers, &AUTHORIZATION);
    let [named] = named[..] else {
        return Err(match named.is_empty() {
            true => "this address requires a token",
            false => "there is more than one Authorization header",
        });
    };
    match named.split_once(' ') {
        Some((scheme, named)) if scheme.eq_ignore_ascii_case("bearer") => {
            if token.is(named.trim().as_bytes()) { Ok(()) } else { Err("wrong token") }
        }
        _ => Err("this address requires a token"),
    }
}

fn unauthorized(what: &str) -> Response {
    let refusal = Refusal::failure(format!(
        "{what}: use --api-token-file or DATAFAN_API_TOKEN_FILE with the token file of `datafan run`, or \
         send `Authorization: Bearer TOKEN`"
    ));
    let mut response = refused(StatusCode::UNAUTHORIZED, &refusal);
    let scheme = HeaderValue::from_static("Bearer realm=\"datafan\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    response
}

fn refused(status: StatusCode, refusal: &Refusal) -> Response {
    let mut response = json(refusal);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn other_names_for_this_machine_are_refused() {
        let api: SocketAddr = "127.0.0.1:7480".parse().unwrap();
        let check = |pairs: &[(HeaderName, &str)]| is_local(&headers(pairs), api);
        assert!(check(&[(HOST, "127.0.0.1:7480")]) && check(&[(HOST, "localhost:7480")]));
        assert!(check(&[(HOST, "localhost:7480"), (ORIGIN, "http://localhost:7480")]));
        assert!(!check(&[]) && !check(&[(HOST, "evil.example:7480")]));
        assert!(!check(&[(HOST, "127.0.0.1:7480"), (ORIGIN, "http://evil.example")]));
        assert!(!check(&[(HOST, "127.0.0.1:7480"), (ORIGIN, "null")]));
        assert!(!check(&[(HOST, "127.0.0.1:7480"), (HOST, "evil.example")]));
        let two =
            [(HOST, "localhost:7480"), (ORIGIN, "http://localhost:7480"), (ORIGIN, "http://evil.example")];
        assert!(!check(&two));
    }

    #[test]
    fn what_a_page_of_another_site_causes_is_refused() {
        let api: SocketAddr = "127.0.0.1:7480".parse().unwrap();
        let check = |pairs: &[(HeaderName, &str)]| cross_site(&headers(pairs), api).is_none();
        assert!(check(&[]), "a client that is not a browser sends none of them");
        for site in ["same-origin", "none"] {
            assert!(check(&[(SEC_FETCH_SITE, site)]), "{site}");
        }
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            assert!(!check(&[(SEC_FETCH_SITE, site)]), "{site}");
        }
        assert!(!check(&[(SEC_FETCH_SITE, "none"), (SEC_FETCH_SITE, "cross-site")]));
        assert!(
            check(&[(REFERER, "http://localhost:7480/v1/status")])
                && check(&[(REFERER, "http://127.0.0.1:7480")])
        );
        for referer in
            ["http://evil.example/", "http://localhost:7481/", "http://localhost:7480.evil.example/", "x"]
        {
            assert!(!check(&[(REFERER, referer)]), "{referer}");
        }
    }

    #[test]
    fn the_token_is_named_once_and_exactly() {
        let directory = tempfile::tempdir().unwrap();
        let token = Token::read_or_make(&directory.path().join("token")).unwrap();
        let check = |all: &[&str]| {
            let pairs: Vec<_> = all.iter().map(|value| (AUTHORIZATION, *value)).collect();
            judged(&token, &headers(&pairs)).is_ok()
        };
        let right = format!("Bearer {}", token.text());
        assert!(check(&[&right]) && check(&[&right.replace("Bearer", "bearer")]));
        assert!(!check(&[]) && !check(&[&right, &right]) && !check(&[token.text()]));
        for wrong in [
            &right[..right.len() - 1],
            &format!("{right}a"),
            "Bearer ",
            "Bearer",
            &right.replace("Bearer", "Basic"),
        ] {
            assert!(!check(&[wrong]), "{wrong}");
        }
    }
}
