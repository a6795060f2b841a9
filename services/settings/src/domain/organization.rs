//! Organizations and their company secrets.

use platform::OrgId;
use platform::fault::Violation;
use platform::time::Time;

/// Who everything belongs to.
#[derive(Clone, Debug)]
pub struct Organization {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// Its name in addresses.
    pub subdomain: String,
    /// When it was created.
    pub created_at: Time,
}

/// A lower-case DNS label (RFC 1035 §2.3.1, digits first allowed by RFC 1123 §2.1).
pub fn subdomain(field: &str, text: String) -> Result<String, Violation> {
    let bytes = text.as_bytes();
    let label = (1..=63).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-');
    label
        .then_some(text)
        .ok_or_else(|| Violation::new(field, "must be 1 to 63 of a-z, 0-9 and -, without - at either end"))
}

/// How many company secrets are live at a time: enough to change one without a gap.
pub const LIVE_SECRETS: usize = 2;

/// A company secret: 32 to 1024 bytes.
pub fn company_secret(field: &str, text: String) -> Result<String, Violation> {
    let text = super::field::lookup(field, text)?;
    if !(32..=1024).contains(&text.len()) {
        return Err(Violation::new(field, "must be 32 to 1024 bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subdomain_is_a_dns_label() {
        for good in ["demo", "a", "1-a", &"a".repeat(63)] {
            assert!(subdomain("s", good.into()).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "Demo", "a.b", "a_b", "ü", "a\0", &"a".repeat(64)] {
            assert!(subdomain("s", bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_company_secret_is_measured_in_bytes() {
        assert!(company_secret("s", "x".repeat(31)).is_err());
        assert!(company_secret("s", "ü".repeat(16)).is_ok());
        assert!(company_secret("s", "x".repeat(1025)).is_err());
    }
}
