//! The gRPC contract of every Handoff context, generated from `handoff/<context>/v1/*.proto`.
#![expect(clippy::pedantic, clippy::large_enum_variant, reason = "generated code")]

/// People, queues, and the conversations they have.
pub mod conversation {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("handoff.conversation.v1");
    }
}

/// Organizations, API keys, chatbots and their configuration.
pub mod settings {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("handoff.settings.v1");
    }
}

/// Chatbot threads and their escalation to people.
pub mod thread {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("handoff.thread.v1");
    }
}

/// All descriptors, with their comments: what gRPC reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Who may call what: each method's gRPC path with its `access` option.
///
/// The option is `public`, `internal`, or the scope an API key must hold; empty where the proto states nothing.
pub const ACCESS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/access.rs"));

/// The scope of the live feed, the one thing a scope opens that is no method.
pub const FEED: &str = "events:read";

/// The scopes an API key can hold: every scope that some method or the live feed asks for, sorted.
pub fn scopes() -> Vec<&'static str> {
    let mut scopes: Vec<_> = ACCESS
        .iter()
        .map(|(_, access)| *access)
        .filter(|access| !matches!(*access, "public" | "internal" | ""))
        .chain([FEED])
        .collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_method_states_who_may_call_it() {
        let silent: Vec<_> = super::ACCESS.iter().filter(|(_, access)| access.is_empty()).collect();
        assert!(silent.is_empty(), "no access option: {silent:?}");
        assert!(super::ACCESS.len() > 30, "the table is read from the protos");
    }

    #[test]
    fn every_access_is_a_known_word_or_a_scope() {
        for (method, access) in super::ACCESS {
            let scope = access
                .split_once(':')
                .is_some_and(|(area, verb)| !area.is_empty() && matches!(verb, "read" | "write"));
            assert!(scope || matches!(*access, "public" | "internal"), "{method}: {access}");
        }
    }
}
