//! Query parameters: an endpoint accepts only its own, and no text that could be read in two ways.

use super::{refuse::Answered, wire::Refusal};
use axum::{
    extract::{FromRequestParts, Query, Request},
    http::{Uri, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;

/// The parameters of a request, as parsed by [`asked`].
pub struct Asked<T>(Answered<T>);

/// Parses the parameters.
///
/// # Errors
/// If one is unknown, missing or malformed.
pub fn asked<T>(query: Asked<T>) -> Answered<T> {
    query.0
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let query = Query::try_from_uri(&parts.uri);
        Ok(Self(query.map(|Query(asked)| asked).map_err(|error| Refusal::usage(plain(&error.body_text())))))
    }
}

/// For endpoints without parameters.
pub async fn without_parameters(request: Request, next: Next) -> Response {
    match request.uri().query() {
        None | Some("") => next.run(request).await,
        Some(_) => Refusal::usage(format!("{} takes no parameters", request.uri().path())).into_response(),
    }
}

/// Refuses anything that is not percent-encoded UTF-8.
///
/// # Errors
/// If a `%` is not followed by two hexadecimal digits, or the decoded bytes are not UTF-8.
pub fn well_encoded(uri: &Uri) -> Answered<()> {
    for (what, text) in [("the path", uri.path()), ("a parameter", uri.query().unwrap_or_default())] {
        let bytes = decoded(text.as_bytes()).ok_or_else(|| {
            Refusal::usage(format!(
                "{what} has a % that two hexadecimal digits do not follow: write %25 for a %"
            ))
        });
        if String::from_utf8(bytes?).is_err() {
            return Err(Refusal::usage(format!("{what} is not UTF-8")));
        }
    }
    Ok(())
}

/// `None` if the text is malformed.
fn decoded(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match first {
            b'%' => {
                let digit = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
                let byte = digit(0)? * 16 + digit(1)?;
                rest = &after[2..];
                byte as u8
            }
            other => *other,
        });
    }
    Some(bytes)
}

/// Phrases of serde, and clearer ones.
fn plain(text: &str) -> String {
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text);
    PLAIN.iter().fold(text.to_owned(), |text, (ours, plain)| text.replace(ours, plain))
}

const PLAIN: [(&str, &str); 7] = [
    ("unknown field", "unknown parameter"),
    ("missing field", "missing parameter"),
    ("duplicate field", "repeated parameter"),
    ("invalid digit found in string", "not a whole number"),
    ("cannot parse integer from empty string", "not a whole number"),
    ("number too large to fit in target type", "number is too large"),
    ("provided string was not `true` or `false`", "neither `true` nor `false`"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{data::ItemsAsked, wait::WaitAsked, wire::RefusalKind};

    fn encoded(text: &str) -> Answered<()> {
        well_encoded(&format!("/v1/item?{text}").parse().unwrap())
    }

    #[test]
    fn parameters_are_percent_encoded_utf_8() {
        for good in ["", "key=a", "key=%f0%9f%98%80&all=true", "key=gr%C3%BCn", "key=100%25", "k=%EF%BF%BD"] {
            assert_eq!(encoded(good), Ok(()), "{good}");
        }
        for bad in ["key=%ff%fe", "key=a%C3", "key=%c3&x=%bc", "key=%ed%a0%80"] {
            assert!(encoded(bad).unwrap_err().error.contains("a parameter is not UTF-8"), "{bad}");
        }
        for bad in ["key=100%", "key=%zz", "key=%+1", "key=%4"] {
            assert!(encoded(bad).unwrap_err().error.contains("two hexadecimal digits"), "{bad}");
        }
        let path = well_encoded(&"/v1/%zz".parse().unwrap()).unwrap_err();
        assert!(path.error.starts_with("the path has a %"), "{}", path.error);
    }

    fn error<T: DeserializeOwned>(query: &str) -> String {
        let uri = format!("/v1/x?{query}").parse().unwrap();
        let Err(rejection) = Query::<T>::try_from_uri(&uri) else { panic!("{query} was taken") };
        let refusal = Refusal::usage(plain(&rejection.body_text()));
        assert_eq!(refusal.kind, RefusalKind::Usage);
        refusal.error
    }

    #[test]
    fn what_is_wrong_with_a_parameter_is_said_plainly() {
        assert_eq!(error::<WaitAsked>("links=x"), "links: not a whole number");
        assert_eq!(error::<WaitAsked>("links="), "links: not a whole number");
        assert_eq!(error::<WaitAsked>(&format!("links={}0", u64::MAX)), "links: number is too large");
        assert_eq!(error::<ItemsAsked>("all=yes"), "all: neither `true` nor `false`");
        let unknown = error::<WaitAsked>("link=1");
        assert!(unknown.contains("unknown parameter `link`, expected one of"), "{unknown}");
        let repeated = error::<WaitAsked>("links=1&links=2");
        assert!(repeated.contains("repeated parameter `links`"), "{repeated}");
    }
}
