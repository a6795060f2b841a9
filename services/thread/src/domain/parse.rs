//! From wire values to domain values, or to an error that names the field.

use uuid::Uuid;

use super::Error;

/// The largest message: 32 KiB of UTF-8.
const MAX_CONTENT: usize = 32 * 1024;
const MAX_SOURCES: usize = 64 * 1024;
const MAX_URL: usize = 2048;

/// PostgreSQL stores every character but this one.
const NUL: char = '\0';

/// A text of 1 to `most` characters.
pub(crate) fn text(field: &'static str, text: String, most: usize) -> Result<String, Error> {
    if text.is_empty() {
        return Err(Error::invalid(field, "must not be empty"));
    }
    if text.contains(NUL) {
        return Err(Error::invalid(field, "must not contain U+0000"));
    }
    if text.len() > most && text.chars().count() > most {
        return Err(Error::invalid(field, "is too long"));
    }
    Ok(text)
}

/// A text where the empty one stands for none.
pub(crate) fn optional_text(field: &'static str, value: String, most: usize) -> Result<Option<String>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    text(field, value, most).map(Some)
}

/// The same with a limit in bytes.
pub(crate) fn optional_bytes(field: &'static str, value: String, most: usize) -> Result<Option<String>, Error> {
    if value.len() > most {
        return Err(Error::invalid(field, "is too long"));
    }
    optional_text(field, value, most)
}

/// An id by which something is looked up: whatever text it is, it either is one or not, unless the database can't even be
/// asked about it.
pub(crate) fn lookup<'a>(field: &'static str, id: &'a str) -> Result<&'a str, Error> {
    if id.contains(NUL) {
        return Err(Error::invalid(field, "must not contain U+0000"));
    }
    Ok(id)
}

/// The text of a message: 1 byte to 32 KiB.
pub(crate) fn content(field: &'static str, content: String) -> Result<String, Error> {
    if content.len() > MAX_CONTENT {
        return Err(Error::TooLarge(field));
    }
    text(field, content, MAX_CONTENT)
}

/// A caller-chosen thread id: `[A-Za-z0-9._~-]{1,128}`.
pub(crate) fn thread_id(field: impl Into<String>, id: String) -> Result<String, Error> {
    let fits = (1..=128).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte));
    if fits {
        Ok(id)
    } else {
        Err(Error::invalid(
            field,
            "must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ -",
        ))
    }
}

/// A message id, which is a UUID.
pub(crate) fn message_id(field: &'static str, id: &str) -> Result<Uuid, Error> {
    platform::id::parse(id).ok_or_else(|| Error::invalid(field, "must be a message id"))
}

/// An e-mail address: something on both sides of one `@`, without spaces or control characters, at most 254 characters.
pub(crate) fn email(field: &'static str, address: String) -> Result<String, Error> {
    let valid = address.len() <= 254
        && address.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && local.len() <= 64
                && !local.contains('@')
                && !domain.is_empty()
                && !domain.starts_with('.')
                && !domain.ends_with('.')
        })
        && !address.chars().any(|c| c.is_control() || c.is_whitespace());
    if valid {
        Ok(address)
    } else {
        Err(Error::invalid(field, "must be an e-mail address"))
    }
}

fn url(field: &'static str, value: String) -> Result<String, Error> {
    let absolute = value
        .split_once("://")
        .is_some_and(|(scheme, rest)| matches!(scheme, "http" | "https") && !rest.is_empty() && !rest.starts_with('/'));
    if absolute && value.len() <= MAX_URL && !value.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Ok(value)
    } else {
        Err(Error::invalid(
            field,
            "must be an absolute http or https URL of at most 2048 characters",
        ))
    }
}

/// The URL of an icon.
pub(crate) fn icon_url(field: &'static str, value: String) -> Result<String, Error> {
    url(field, value)
}

/// The URL of a webhook; the empty one clears it.
pub(crate) fn webhook_url(field: &'static str, value: String) -> Result<Option<String>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    url(field, value).map(Some)
}

/// The sources of an answer: a JSON array of at most 100 objects, at most 64 KiB.
pub(crate) fn sources(field: &'static str, json: String) -> Result<Option<String>, Error> {
    if json.is_empty() {
        return Ok(None);
    }
    if json.len() > MAX_SOURCES {
        return Err(Error::TooLarge(field));
    }
    let array: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(&json).map_err(|_| Error::invalid(field, "must be a JSON array of objects"))?;
    if array.len() > 100 {
        return Err(Error::invalid(field, "must not have more than 100 entries"));
    }
    if json.contains(NUL) || json.contains("\\u0000") {
        return Err(Error::invalid(field, "must not contain U+0000"));
    }
    Ok((!array.is_empty()).then_some(json))
}

/// A list of tags: at most 50, each 1 to 100 characters; a tag that comes twice counts once.
pub(crate) fn tags(field: &str, tags: Vec<String>) -> Result<Vec<String>, Error> {
    if tags.len() > 50 {
        return Err(Error::invalid(field, "must not have more than 50 entries"));
    }
    let mut kept: Vec<String> = Vec::with_capacity(tags.len());
    for (index, tag) in tags.into_iter().enumerate() {
        let tag = text("tags", tag, 100).map_err(|error| match error {
            Error::Invalid { rule, .. } => Error::invalid(format!("{field}[{index}]"), rule),
            other => other,
        })?;
        if !kept.contains(&tag) {
            kept.push(tag);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_id_is_what_a_url_segment_can_hold() {
        for id in [
            "a",
            "d2cd2d88-bac1-48de-a7b4-19797451f47g",
            "A.b_c~d-e",
            &"x".repeat(128),
        ] {
            assert_eq!(thread_id("thread_id", id.to_owned()).unwrap(), id);
        }
        for id in ["", "a b", "a/b", "ü", "a\0", &"x".repeat(129)] {
            assert!(thread_id("thread_id", id.to_owned()).is_err(), "{id}");
        }
    }

    #[test]
    fn a_text_without_nul_and_within_its_limit_is_kept_verbatim() {
        assert_eq!(text("title", "ü".repeat(10), 10).unwrap(), "ü".repeat(10));
        for wrong in [String::new(), "ü".repeat(11), "a\0b".to_owned()] {
            let error = text("title", wrong, 10).unwrap_err();
            assert!(matches!(error, Error::Invalid { ref field, .. } if field == "title"));
        }
    }

    #[test]
    fn a_message_has_at_most_32_kib() {
        assert!(content("content", "a".repeat(MAX_CONTENT)).is_ok());
        assert!(matches!(
            content("content", "a".repeat(MAX_CONTENT + 1)),
            Err(Error::TooLarge("content"))
        ));
    }

    #[test]
    fn sources_are_a_bounded_array_of_objects() {
        assert_eq!(
            sources("s", "[{\"a\":1}]".to_owned()).unwrap().as_deref(),
            Some("[{\"a\":1}]")
        );
        assert_eq!(sources("s", "[]".to_owned()).unwrap(), None);
        for wrong in ["{}", "[1]", "[", "[{\"a\":\"\\u0000\"}]", &"[".repeat(20_000)] {
            assert!(sources("s", wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_has_two_sides_and_no_room_for_a_second_header() {
        assert!(email("email", "visitor@example.com".to_owned()).is_ok());
        for wrong in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\r\nBcc: x@y", "a@.b"] {
            assert!(email("email", wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
