//! The W3C trace context of a request: the caller's, or one that begins here.

use http::{HeaderMap, HeaderName, HeaderValue};
use rand::RngCore as _;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Makes sure that the request has a `traceparent`, and returns the id its answer carries in `x-request-id`: the trace
/// id, by which the request is found in the logs and traces of every service.
pub(crate) fn begin(headers: &mut HeaderMap) -> HeaderValue {
    if let Some(id) = headers.get(TRACEPARENT).and_then(|value| trace_id(value.as_bytes())) {
        return id;
    }
    let text = new();
    let id = HeaderValue::from_bytes(&text[3..35]).expect("hexadecimal digits");
    let value = HeaderValue::from_bytes(&text).expect("hexadecimal digits and dashes");
    headers.insert(TRACEPARENT, value);
    id
}

/// `00-<32 digits>-<16 digits>-<2 digits>`; later versions may append more. Ids of nothing but zeroes are not ids.
fn trace_id(text: &[u8]) -> Option<HeaderValue> {
    let fits = (55..=64).contains(&text.len())
        && text[2] == b'-'
        && text[35] == b'-'
        && text[52] == b'-'
        && (text.len() == 55 || text[55] == b'-')
        && !text.starts_with(b"ff")
        && [0..2, 3..35, 36..52, 53..55].into_iter().all(|digits| {
            text[digits]
                .iter()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        })
        && [3..35, 36..52]
            .into_iter()
            .all(|digits| text[digits].iter().any(|digit| *digit != b'0'));
    fits.then(|| HeaderValue::from_bytes(&text[3..35]).ok())?
}

fn new() -> [u8; 55] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut ids = [0_u8; 24];
    rand::rng().fill_bytes(&mut ids);
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
    let places = (3..35).step_by(2).chain((36..52).step_by(2));
    for (byte, place) in ids.iter().zip(places) {
        text[place] = DIGITS[usize::from(byte >> 4)];
        text[place + 1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_trace_is_kept() {
        let mut headers = HeaderMap::new();
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.insert(TRACEPARENT, HeaderValue::from_static(given));
        assert_eq!(begin(&mut headers), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(headers[TRACEPARENT], given);
    }

    #[test]
    fn a_request_without_a_readable_trace_gets_one() {
        for given in [
            None,
            Some(""),
            Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g"),
            Some("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert(TRACEPARENT, HeaderValue::from_static(given));
            }
            let id = begin(&mut headers);
            assert!(trace_id(headers[TRACEPARENT].as_bytes()).is_some(), "{headers:?}");
            assert!(headers[TRACEPARENT].to_str().unwrap().contains(id.to_str().unwrap()));
        }
    }
}
