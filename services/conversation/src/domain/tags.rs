//! Tags.

use platform::fault::Violation;
use uuid::Uuid;

/// A word that conversations are marked with.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    /// `#rrggbb`.
    pub(crate) color: Option<String>,
    /// Only an active tag can be added to a conversation.
    pub(crate) active: bool,
}

/// A color, `#` and six hexadecimal digits.
pub(crate) fn color(field: &str, text: String) -> Result<String, Violation> {
    let valid = text
        .strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if valid {
        Ok(text)
    } else {
        Err(Violation::new(field, "must be a color like #00ff7f"))
    }
}
