//! What comes with a request besides its message.

use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::{Caller, OrgId, not_valid};
use crate::{fault, link};

/// What a method needs to know of the call besides its message.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// The caller's `idempotency-key`, 1 to 255 printable characters, quotes removed.
    pub idempotency_key: Option<String>,
    /// The W3C trace context the call came with.
    pub traceparent: Option<String>,
    as_it_is: bool,
}

impl Call {
    /// Takes a request apart.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when no layer has put a caller there; `INVALID_ARGUMENT` naming `idempotency-key`.
    pub fn open<T>(request: Request<T>) -> Result<(Self, T), Status> {
        let (metadata, extensions, message) = request.into_parts();
        let caller = extensions.get::<Caller>().cloned().ok_or_else(not_valid)?;
        Ok((
            Self {
                caller,
                idempotency_key: idempotency_key(&metadata)?,
                traceparent: metadata
                    .get("traceparent")
                    .and_then(|value| value.to_str().ok())
                    .filter(|value| value.len() <= 64)
                    .map(str::to_owned),
                as_it_is: link::is_taken_as_it_is(&extensions),
            },
            message,
        ))
    }

    /// The answer to the call, which may be a large one: not encoded for a caller in this process who said that he
    /// [takes it as it is](link::take_as_it_is).
    pub fn answer<T: Default + Send + 'static>(&self, message: T) -> Response<T> {
        if self.as_it_is {
            link::carry(message)
        } else {
            Response::new(message)
        }
    }

    /// The caller's organization.
    pub fn org(&self) -> OrgId {
        self.caller.org
    }
}

fn idempotency_key(metadata: &MetadataMap) -> Result<Option<String>, Status> {
    let Some(value) = metadata.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    let bare = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    if bare.is_empty() || bare.len() > 255 || !bare.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(fault::invalid(
            "idempotency-key",
            "must be 1 to 255 printable ASCII characters",
        ));
    }
    Ok(Some(bare.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idempotency_key_is_read_bare_and_quoted() {
        let key = |value: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("idempotency-key", value.parse().unwrap());
            idempotency_key(&metadata)
        };
        assert_eq!(key("a-1").unwrap().as_deref(), Some("a-1"));
        assert_eq!(key("\"a-1\"").unwrap().as_deref(), Some("a-1"));
        assert!(key("").is_err());
        assert!(key(&"a".repeat(256)).is_err());
        assert_eq!(idempotency_key(&MetadataMap::new()).unwrap(), None);
    }
}
