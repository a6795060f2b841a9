//! Page sizes and the opaque tokens of keyset pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;
use tonic::Status;

use crate::fault;

/// Rows on a page when the caller does not say.
pub const DEFAULT_SIZE: i32 = 20;
/// Rows on a page at most.
pub const MAX_SIZE: i32 = 100;
/// The last page that can be asked for by number.
pub const MAX_PAGE: i32 = 1000;

/// The size of a page: 0 is [`DEFAULT_SIZE`], more than [`MAX_SIZE`] is [`MAX_SIZE`].
///
/// # Errors
/// `InvalidArgument` naming `page_size` when it is negative.
pub fn size(asked: i32) -> Result<i64, Status> {
    match asked {
        ..0 => Err(fault::invalid("page_size", "must not be negative")),
        0 => Ok(i64::from(DEFAULT_SIZE)),
        _ => Ok(i64::from(asked.min(MAX_SIZE))),
    }
}

/// The number of a page, 1-based: 0 is the first, more than [`MAX_PAGE`] is [`MAX_PAGE`].
///
/// # Errors
/// `InvalidArgument` naming `page` when it is negative.
pub fn number(asked: i32) -> Result<i64, Status> {
    match asked {
        ..0 => Err(fault::invalid("page", "must not be negative")),
        0 => Ok(1),
        _ => Ok(i64::from(asked.min(MAX_PAGE))),
    }
}

/// Makes and reads page tokens. A token says where the next page starts and for which list it was made; it is signed, so
/// that a made-up one is refused, but it authorizes nothing.
#[derive(Clone)]
pub struct Tokens(Hmac<Sha256>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

const MAC: usize = 16;

impl Tokens {
    /// Tokens signed with a key derived from `master`.
    pub fn new(master: &crate::seal::MasterKey) -> Self {
        Self(Hmac::new_from_slice(&master.derive(b"page tokens")).expect("any length will do"))
    }

    /// The token of the page that starts after `position` in the list that `list` describes: everything the answer
    /// depends on besides the position, the organization included.
    pub fn make<P: Serialize>(&self, list: &[&str], position: &P) -> String {
        let mut token = serde_json::to_vec(position).expect("a position is plain data");
        let mac = self.sign(list, &token);
        token.extend_from_slice(&mac[..MAC]);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The position in a token; `None` for the empty token of a first page.
    ///
    /// # Errors
    /// `InvalidArgument` naming `page_token` when it was not made by us for this list.
    pub fn read<P: DeserializeOwned>(&self, list: &[&str], token: &str) -> Result<Option<P>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let refused = || fault::invalid("page_token", "was not issued for this list");
        if token.len() > 1024 {
            return Err(refused());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
        let (position, mac) = bytes
            .len()
            .checked_sub(MAC)
            .map(|at| bytes.split_at(at))
            .ok_or_else(refused)?;
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&self.sign(list, position)[..MAC], mac)) {
            return Err(refused());
        }
        serde_json::from_slice(position).map(Some).map_err(|_| refused())
    }

    fn sign(&self, list: &[&str], position: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in list {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(position);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(&crate::seal::MasterKey::random())
    }

    #[test]
    fn a_token_reads_back_for_its_own_list_only() {
        let tokens = tokens();
        let token = tokens.make(&["threads", "org"], &(1, "a"));
        assert_eq!(
            tokens.read::<(i32, String)>(&["threads", "org"], &token).unwrap(),
            Some((1, "a".to_owned()))
        );
        assert!(tokens.read::<(i32, String)>(&["threads", "other"], &token).is_err());
        assert!(tokens.read::<(i32, String)>(&["threadso", "rg"], &token).is_err());
    }

    #[test]
    fn a_forged_token_is_refused_and_named() {
        let tokens = tokens();
        let own = tokens.make(&["l"], &7);
        let other = Tokens::new(&crate::seal::MasterKey::random()).make(&["l"], &7);
        for forged in [&own[1..], &other, "x", "%%%", &"a".repeat(5000)] {
            let status = tokens.read::<i32>(&["l"], forged).unwrap_err();
            assert!(status.message().contains("page_token"));
        }
        assert_eq!(tokens.read::<i32>(&["l"], "").unwrap(), None);
    }
}
