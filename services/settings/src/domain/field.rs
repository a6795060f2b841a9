//! Wire texts and numbers become values that fit, or a violation that names the field.

use std::ops::RangeInclusive;

use platform::fault::Violation;

/// What a request does to an optional field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// The field is absent.
    #[default]
    Keep,
    /// The field is present and empty.
    Clear,
    /// The field is present.
    Set(T),
}

impl<T> Change<T> {
    /// Does it.
    pub fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }
}

/// Longest name and title, in characters.
pub const NAME: usize = 200;
/// Longest description, prompt and message, in characters.
pub const PROSE: usize = 2000;
/// Longest URL, in characters.
pub const URL: usize = 2048;

/// A text that is there and at most `max` characters long.
pub fn required(field: &str, text: String, max: usize) -> Result<String, Violation> {
    if text.is_empty() {
        return Err(Violation::new(field, "must not be empty"));
    }
    bounded(field, text, max)
}

/// A text that may be empty and is at most `max` characters long.
pub fn bounded(field: &str, text: String, max: usize) -> Result<String, Violation> {
    let text = lookup(field, text)?;
    if text.chars().count() > max {
        return Err(Violation::new(field, format!("must be at most {max} characters")));
    }
    Ok(text)
}

/// An optional text, cleared by an empty one.
pub fn change(field: &str, text: Option<String>, max: usize) -> Result<Change<String>, Violation> {
    Ok(match text {
        None => Change::Keep,
        Some(text) if text.is_empty() => Change::Clear,
        Some(text) => Change::Set(bounded(field, text, max)?),
    })
}

/// A text that something is looked up by. Any text will do that the database can hold.
pub fn lookup(field: &str, text: String) -> Result<String, Violation> {
    if text.contains('\0') {
        return Err(Violation::new(field, "must not contain U+0000"));
    }
    Ok(text)
}

/// An optional absolute `http` or `https` URL, cleared by an empty text.
pub fn url(field: &str, text: Option<String>) -> Result<Change<String>, Violation> {
    let change = change(field, text, URL)?;
    if let Change::Set(text) = &change {
        let absolute = text.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
        });
        if !absolute {
            return Err(Violation::new(field, "must be an absolute http or https URL"));
        }
    }
    Ok(change)
}

/// An optional number within its range.
pub fn number(field: &str, number: Option<i32>, range: RangeInclusive<i32>) -> Result<Option<i32>, Violation> {
    match number {
        Some(number) if !range.contains(&number) => Err(Violation::new(
            field,
            format!("must be {} to {}", range.start(), range.end()),
        )),
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_measured_in_characters() {
        assert!(required("f", "ü".repeat(200), NAME).is_ok());
        let violation = required("f", "ü".repeat(201), NAME).unwrap_err();
        assert_eq!(violation, Violation::new("f", "must be at most 200 characters"));
    }

    #[test]
    fn a_nul_is_refused_wherever_a_text_is_taken() {
        let nul = "a\0b".to_owned();
        assert!(required("f", nul.clone(), 9).is_err());
        assert!(change("f", Some(nul.clone()), 9).is_err());
        assert!(url("f", Some(format!("https://example.com/{nul}"))).is_err());
        assert!(lookup("f", nul).is_err());
    }

    #[test]
    fn an_empty_text_clears_and_an_absent_one_keeps() {
        let mut field = Some("before".to_owned());
        change("f", None, 9).unwrap().apply(&mut field);
        assert_eq!(field.as_deref(), Some("before"));
        change("f", Some(String::new()), 9).unwrap().apply(&mut field);
        assert_eq!(field, None);
    }

    #[test]
    fn only_absolute_web_addresses_are_urls() {
        for good in ["https://example.com", "http://10.0.0.1:8080/a.png?x=1#y"] {
            assert!(url("f", Some(good.into())).is_ok(), "{good}");
        }
        for bad in [
            "example.com/a.png",
            "/a.png",
            "javascript:alert(1)",
            "https://",
            "ftp://example.com",
            "https://a b",
        ] {
            assert!(url("f", Some(bad.into())).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_number_outside_its_range_is_refused_with_the_range() {
        assert_eq!(number("f", Some(5), 1..=5), Ok(Some(5)));
        for wrong in [i32::MIN, 0, 6] {
            assert_eq!(
                number("f", Some(wrong), 1..=5),
                Err(Violation::new("f", "must be 1 to 5"))
            );
        }
    }
}
