//! Wire texts and numbers become values that fit, or a violation that names the field.

use platform::fault::Violation;
use platform::time::{self, Time};
use uuid::Uuid;

/// Longest name, title and label, in characters.
pub(crate) const NAME: usize = 200;
/// Longest description, in characters.
pub(crate) const PROSE: usize = 2000;
/// Longest URL, in characters.
pub(crate) const URL: usize = 2048;
/// Longest id of somebody else's, in characters.
pub(crate) const FOREIGN_ID: usize = 255;
/// Longest e-mail address, in bytes: what SMTP can carry.
pub(crate) const EMAIL: usize = 254;

/// A text that is there and at most `max` characters long.
pub(crate) fn required(field: &str, text: String, max: usize) -> Result<String, Violation> {
    if text.is_empty() {
        return Err(Violation::new(field, "must not be empty"));
    }
    bounded(field, text, max)
}

/// A text that may be empty and is at most `max` characters long.
pub(crate) fn bounded(field: &str, text: String, max: usize) -> Result<String, Violation> {
    let text = lookup(field, text)?;
    if text.len() > max && text.chars().count() > max {
        return Err(Violation::new(field, format!("must be at most {max} characters")));
    }
    Ok(text)
}

/// An optional text, for which the empty one stands for none.
pub(crate) fn optional(field: &str, text: Option<String>, max: usize) -> Result<Option<String>, Violation> {
    text.filter(|text| !text.is_empty())
        .map(|text| bounded(field, text, max))
        .transpose()
}

/// A text that something is looked up by. Any text will do that the database can hold.
pub(crate) fn lookup(field: &str, text: String) -> Result<String, Violation> {
    if text.contains('\0') {
        return Err(Violation::new(field, "must not contain U+0000"));
    }
    Ok(text)
}

/// A list of at most `most` texts, each checked by `check` under a name of its own; one that comes twice counts once.
pub(crate) fn texts(
    field: &str,
    texts: Vec<String>,
    most: usize,
    check: impl Fn(&str, String) -> Result<String, Violation>,
) -> Result<Vec<String>, Violation> {
    count(field, texts.len(), 0, most)?;
    let mut kept = Vec::with_capacity(texts.len());
    for (index, text) in texts.into_iter().enumerate() {
        let text = check(&format!("{field}[{index}]"), text)?;
        if !kept.contains(&text) {
            kept.push(text);
        }
    }
    Ok(kept)
}

/// A list's length, which is within its bounds.
pub(crate) fn count(field: &str, length: usize, least: usize, most: usize) -> Result<(), Violation> {
    if (least..=most).contains(&length) {
        return Ok(());
    }
    Err(Violation::new(field, format!("must have {least} to {most} entries")))
}

/// A UUID in its hyphenated form.
pub(crate) fn uuid(field: &str, text: &str) -> Result<Uuid, Violation> {
    platform::id::parse(text).ok_or_else(|| Violation::new(field, "must be a UUID"))
}

/// An optional UUID.
pub(crate) fn optional_uuid(field: &str, text: Option<&str>) -> Result<Option<Uuid>, Violation> {
    text.map(|text| uuid(field, text)).transpose()
}

/// An e-mail address: something on both sides of one `@`, without spaces or control characters.
pub(crate) fn email(field: &str, address: String) -> Result<String, Violation> {
    let valid = address.len() <= EMAIL
        && address.split_once('@').is_some_and(|(local, domain)| {
            (1..=64).contains(&local.len())
                && !domain.is_empty()
                && !domain.contains('@')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
        })
        && !address.chars().any(|c| c.is_control() || c.is_whitespace());
    if valid {
        Ok(address)
    } else {
        Err(Violation::new(field, "must be an e-mail address"))
    }
}

/// A phone number in E.164 form: `+`, and 2 to 15 digits of which the first is not 0.
pub(crate) fn phone(field: &str, number: String) -> Result<String, Violation> {
    let valid = number.strip_prefix('+').is_some_and(|digits| {
        (2..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    });
    if valid {
        Ok(number)
    } else {
        Err(Violation::new(field, "must be an E.164 phone number"))
    }
}

/// An absolute `http` or `https` URL.
pub(crate) fn url(field: &str, text: String) -> Result<String, Violation> {
    let text = bounded(field, text, URL)?;
    let absolute = text.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if absolute {
        Ok(text)
    } else {
        Err(Violation::new(field, "must be an absolute http or https URL"))
    }
}

/// A point in time that the database can hold too.
pub(crate) fn time(field: &str, timestamp: prost_types::Timestamp) -> Result<Time, Violation> {
    time::from_proto(timestamp)
        .filter(|time| (0..=253_402_300_799).contains(&time.timestamp()))
        .ok_or_else(|| Violation::new(field, "must be a point in time from 1970 to 9999"))
}
