//! API keys as they are stored and listed.

use platform::fault::Violation;
use platform::time::Time;
use uuid::Uuid;

/// What is known of a key besides its secret.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Its public name.
    pub id: Uuid,
    /// The person or service behind it.
    pub owner: String,
    /// What it opens.
    pub scopes: Vec<String>,
    /// When it was minted.
    pub created_at: Time,
    /// From when on it is not valid any more.
    pub expires_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

/// The scopes of a new key: at least one, each `known`; sorted, each once.
pub fn scopes(field: &str, mut scopes: Vec<String>, known: &[&str]) -> Result<Vec<String>, Violation> {
    if scopes.is_empty() {
        return Err(Violation::new(field, "must name at least one scope"));
    }
    if let Some(at) = scopes.iter().position(|scope| !known.contains(&scope.as_str())) {
        return Err(Violation::new(
            format!("{field}[{at}]"),
            format!("must be one of {}", known.join(", ")),
        ));
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

/// When a new key expires: later than `now`.
pub fn expiry(field: &str, at: Time, now: Time) -> Result<Time, Violation> {
    (at > now)
        .then_some(at)
        .ok_or_else(|| Violation::new(field, "must be in the future"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_known_scopes_each_once() {
        let known = ["a:read", "a:write"];
        let read = |list: &[&str]| scopes("scopes", list.iter().map(|&scope| scope.to_owned()).collect(), &known);
        assert_eq!(read(&["a:write", "a:read", "a:write"]).unwrap(), ["a:read", "a:write"]);
        assert_eq!(read(&[]).unwrap_err().field, "scopes");
        assert_eq!(read(&["a:read", "internal"]).unwrap_err().field, "scopes[1]");
    }

    #[test]
    fn a_key_never_expires_in_the_past() {
        let now = platform::time::now();
        assert!(expiry("expires_at", now, now).is_err());
        assert!(expiry("expires_at", now + std::time::Duration::from_secs(1), now).is_ok());
    }
}
