//! What the address of a request says: the endpoint, the path fragment, the query parameters.

use encoding_rs::UTF_8;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use sdk::QueryParameters;
use thiserror::Error;

use super::form::read_pairs;

/// What stands before every endpoint id (W1).
const PREFIX: &str = "/trigger/";

/// The path of a request to an endpoint (W1, W11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPath {
    /// The endpoint id; never empty.
    pub endpoint: String,
    /// What follows the endpoint id, without the slash between them; empty if nothing follows. It is data: `..`, slashes and
    /// NUL in it mean nothing, and it must not be used as a path.
    pub fragment: String,
}

/// Why a path is not that of an endpoint. The text is what the sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathFault {
    /// The path is not `/trigger/{endpoint id}`.
    #[error("Received a request to a path that is not /trigger/ and an endpoint id.")]
    NoEndpoint,
    /// The path is not UTF-8 once it is percent-decoded. It is refused, as the flow would see something else than was sent.
    #[error("Received a request to a path that is not UTF-8.")]
    NotUtf8,
}

impl PathFault {
    /// Returns the status of the answer: 404 (W3) or 400.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoEndpoint => StatusCode::NOT_FOUND,
            Self::NotUtf8 => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads the path of a request, as sent: `/trigger/{endpoint id}[/{path fragment}]`.
///
/// The path is split first and each side percent-decoded once afterwards, so an encoded slash never separates. A `%` that
/// is not followed by two hexadecimal digits is itself; `+` is a plus.
///
/// # Errors
///
/// The path is not that of an endpoint, or not UTF-8.
pub fn read_path(path: &str) -> Result<EndpointPath, PathFault> {
    let rest = path.strip_prefix(PREFIX).ok_or(PathFault::NoEndpoint)?;
    let (endpoint, fragment) = rest.split_once('/').unwrap_or((rest, ""));
    if endpoint.is_empty() {
        return Err(PathFault::NoEndpoint);
    }
    Ok(EndpointPath {
        endpoint: decode(endpoint)?,
        fragment: decode(fragment)?,
    })
}

/// Reads a query string, as sent and without its `?` (W12).
///
/// `+` is a space. A name without `=` has an empty value, a name that comes again keeps every value, nothing between two
/// `&` is no parameter. What is not UTF-8 once it is percent-decoded becomes U+FFFD.
pub fn read_query(query: Option<&str>) -> QueryParameters {
    read_pairs(query.unwrap_or_default().as_bytes(), UTF_8)
}

fn decode(text: &str) -> Result<String, PathFault> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| PathFault::NotUtf8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(path: &str, endpoint: &str, fragment: &str) {
        let expected = EndpointPath {
            endpoint: endpoint.to_owned(),
            fragment: fragment.to_owned(),
        };
        assert_eq!(read_path(path), Ok(expected), "{path}");
    }

    // W1, W11, TP-20, TP-27.
    #[test]
    fn a_path_is_an_endpoint_and_what_follows() {
        check("/trigger/EXAMPLE==", "EXAMPLE==", "");
        check("/trigger/EXAMPLE%3D%3D", "EXAMPLE==", "");
        check("/trigger/id/", "id", "");
        check("/trigger/id/my/custom/path", "id", "my/custom/path");
        check("/trigger/id//a/", "id", "/a/");
        check("/trigger/id/gr%C3%BCn/a+b%20c", "id", "grün/a+b c");
    }

    // W11.
    #[test]
    fn a_path_fragment_stays_data() {
        check("/trigger/id/../../etc/passwd", "id", "../../etc/passwd");
        check("/trigger/id/%2e%2e%2Fsecret", "id", "../secret");
        check("/trigger/id/a%00b", "id", "a\0b");
        check("/trigger/id/%252f", "id", "%2f");
        check("/trigger/id/100%", "id", "100%");
        check("/trigger/id/%zz%4", "id", "%zz%4");
        check("/trigger/id%2Fother/x", "id/other", "x");
        check("/trigger/../id", "..", "id");
    }

    // W3.
    #[test]
    fn a_path_without_an_endpoint_is_not_found() {
        for path in [
            "",
            "/",
            "/trigger",
            "/trigger/",
            "/trigger//id",
            "/Trigger/id",
            "/triggers/id",
            "trigger/id",
        ] {
            assert_eq!(read_path(path), Err(PathFault::NoEndpoint), "{path}");
        }
        assert_eq!(PathFault::NoEndpoint.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_path_that_is_not_utf_8_is_refused() {
        for path in [
            "/trigger/id/gr%FCn",
            "/trigger/%ff",
            "/trigger/id/%ed%a0%80",
        ] {
            assert_eq!(read_path(path), Err(PathFault::NotUtf8), "{path}");
        }
        assert_eq!(PathFault::NotUtf8.status(), StatusCode::BAD_REQUEST);
    }

    // W12, TP-28.
    #[test]
    fn a_query_keeps_every_value_of_a_name_in_order() {
        let parameters = read_query(Some("tag=new&page=2&tag=paid&tag="));
        assert_eq!(
            parameters.get_all("tag").collect::<Vec<_>>(),
            ["new", "paid", ""]
        );
        assert_eq!(parameters.get("page"), Some("2"));
    }

    #[test]
    fn a_query_is_decoded_once() {
        let parameters = read_query(Some(
            "a%20b=1+2&x=a%3Db%26c&y=%252B&flag&=v&&u==&bad=%ff%&s=a;b",
        ));
        let pairs: Vec<_> = parameters.iter().collect();
        assert_eq!(
            pairs,
            [
                ("a b", "1 2"),
                ("x", "a=b&c"),
                ("y", "%2B"),
                ("flag", ""),
                ("", "v"),
                ("u", "="),
                ("bad", "\u{fffd}%"),
                ("s", "a;b"),
            ]
        );
    }

    #[test]
    fn no_query_is_no_parameter() {
        assert!(read_query(None).is_empty());
        assert!(read_query(Some("")).is_empty());
        assert!(read_query(Some("&&")).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(11), ..ProptestConfig::default() })]

        #[test]
        fn no_address_panics(path in "(/trigger/)?([a-z/.+=%&?]|%[0-9a-f]{2}|\\PC){0,40}") {
            let _ = read_path(&path);
            let _ = read_query(Some(&path));
        }

        // W11: what is encoded once comes back, whatever it is.
        #[test]
        fn a_fragment_comes_back_as_it_was_meant(fragment in any::<String>()) {
            let encoded = percent_encoding::utf8_percent_encode(&fragment, percent_encoding::NON_ALPHANUMERIC);
            prop_assert_eq!(read_path(&format!("/trigger/id/{encoded}")).unwrap().fragment, fragment);
        }
    }
}
