//! Who a caller says he is, and where, as far as it can be believed.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use ipnet::IpNet;

/// Whether a caller who has proved to be of the organization with `subdomain` says that he is of another one: by the user
/// of Basic, who may be left out.
pub(crate) fn names_another(subdomain: &str, headers: &HeaderMap) -> bool {
    user(headers).is_some_and(|user| !user.is_empty() && !user.eq_ignore_ascii_case(subdomain))
}

/// The user of a Basic authorization.
fn user(headers: &HeaderMap) -> Option<String> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = header.trim_start().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(user, _)| user.to_owned())
}

/// The address to count failed authentications by: the peer's, or, when the peer is a trusted proxy, the last one in
/// X-Forwarded-For that no trusted proxy has. What stands further left was written by the caller himself.
pub(crate) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return peer;
    }
    let mut nearest = peer;
    let hops = headers
        .get_all("x-forwarded-for")
        .iter()
        .rev()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.rsplit(','));
    for hop in hops {
        let Some(hop) = read(hop.trim()) else {
            return nearest;
        };
        nearest = hop;
        if !is_trusted(&hop) {
            break;
        }
    }
    nearest
}

/// Whether the caller speaks TLS: a trusted proxy says so in X-Forwarded-Proto, whose first word is the caller's side.
pub(crate) fn tls(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    trusted.iter().any(|network| network.contains(&peer))
        && headers.get("x-forwarded-proto").is_some_and(|value| {
            let first = value.as_bytes().split(|byte| *byte == b',').next();
            first.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
        })
}

/// An address with or without a port, as proxies write it.
fn read(hop: &str) -> Option<IpAddr> {
    hop.parse::<IpAddr>()
        .or_else(|_| hop.parse::<std::net::SocketAddr>().map(|address| address.ip()))
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn seen(peer: &str, forwarded: &[&'static str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn the_user_of_basic_is_the_subdomain_when_there_is_one() {
        for (user, expected) in [
            ("acme", false),
            ("ACME", false),
            ("", false),
            ("globex", true),
            ("acme ", true),
        ] {
            let mut headers = HeaderMap::new();
            let basic = format!("Basic {}", STANDARD.encode(format!("{user}:hk_x:y")));
            headers.insert(AUTHORIZATION, HeaderValue::try_from(basic).unwrap());
            assert_eq!(names_another("acme", &headers), expected, "{user}");
        }
        for header in ["Bearer hk_x", "hk_x", "Basic %%%"] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(header));
            assert!(!names_another("acme", &headers), "{header}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(seen("10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen("::ffff:10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn only_a_trusted_proxy_can_say_that_the_caller_speaks_tls() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (peer, proto, expected) in [
            ("10.0.0.1", Some("https"), true),
            ("10.0.0.1", Some("HTTPS, http"), true),
            ("10.0.0.1", Some("http"), false),
            ("10.0.0.1", None, false),
            ("192.0.2.1", Some("https"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(proto) = proto {
                headers.insert("x-forwarded-proto", HeaderValue::from_static(proto));
            }
            assert_eq!(
                tls(peer.parse().unwrap(), &headers, &trusted),
                expected,
                "{peer} {proto:?}"
            );
        }
    }

    #[test]
    fn what_the_caller_wrote_himself_is_not_believed() {
        assert_eq!(seen("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.7"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &["1.1.1.1", "203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &["1.1.1.1, nonsense"]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }
}
