//! The operations that there are.

use std::sync::LazyLock;

use http::Method;
use serde_json::{Map, Value, json};

use crate::support::BOT;

/// One operation of the description.
pub(super) struct Operation {
    pub(super) method: Method,
    /// With its parameters: `/v1/chatting/{chatbotId}/threads`.
    pub(super) pattern: String,
    detail: Value,
}

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&gateway::document()).unwrap());

/// The paths of the other dialects, whose failures have another form: their own tests send them bad input.
const OTHER_DIALECTS: [&str; 11] = [
    "/apps",
    "/v1/agents",
    "/v1/anonymization",
    "/v1/contact-endpoints",
    "/v1/conversations",
    "/v1/custom-attributes",
    "/v1/endusers",
    "/v1/queues",
    "/v1/search",
    "/v1/tags",
    "/v1/teams",
];

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = Vec::new();
    for (pattern, item) in DESCRIPTION["paths"].as_object().unwrap() {
        if OTHER_DIALECTS.iter().any(|root| pattern.starts_with(root)) {
            continue;
        }
        for (method, detail) in item.as_object().unwrap() {
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                pattern: pattern.clone(),
                detail: detail.clone(),
            });
        }
    }
    assert!(operations.len() > 30, "the description is read");
    operations
}

impl Operation {
    pub(super) fn parameters(&self, within: &str) -> Vec<&Value> {
        let parameters = self.detail["parameters"].as_array().unwrap();
        parameters
            .iter()
            .filter(|parameter| parameter["in"] == within)
            .collect()
    }

    /// The path with every parameter set: the chatbot exists, nothing else does.
    pub(super) fn path(&self) -> String {
        self.path_with("", "")
    }

    pub(super) fn path_with(&self, name: &str, value: &str) -> String {
        let mut path = self.pattern.clone();
        for parameter in self.parameters("path") {
            let parameter = parameter["name"].as_str().unwrap();
            let filling = match parameter {
                _ if parameter == name => value,
                "chatbotId" => BOT,
                _ => "0190f0c8-7d5c-7cc1-8d3e-0a4a5e1b7a10",
            };
            path = path.replace(&format!("{{{parameter}}}"), filling);
        }
        path
    }

    /// The schema of the request body: that of an item, where the body is an array.
    pub(super) fn body(&self) -> Option<Body> {
        let schema = &self.detail["requestBody"]["content"]["application/json"]["schema"];
        let (reference, listed) = match &schema["items"]["$ref"] {
            Value::String(reference) => (reference.as_str(), true),
            _ => (schema["$ref"].as_str()?, false),
        };
        let schema = &DESCRIPTION["components"]["schemas"][reference.rsplit('/').next()?];
        Some(Body {
            members: schema["properties"].as_object()?.clone(),
            listed,
        })
    }

    pub(super) fn describe(&self) -> String {
        format!("{} {}", self.method, self.pattern)
    }
}

pub(super) struct Body {
    pub(super) members: Map<String, Value>,
    pub(super) listed: bool,
}

impl Body {
    pub(super) fn around(&self, object: Value) -> Value {
        if self.listed { json!([object]) } else { object }
    }

    pub(super) fn field(&self, member: &str) -> String {
        if self.listed {
            format!("[0].{member}")
        } else {
            member.to_owned()
        }
    }
}

/// An object that is right by itself.
pub(super) fn complete(body: &Body) -> Map<String, Value> {
    let known = json!({
        "message": "Hello", "threadId": "t", "title": "Title", "description": "Text", "chatStart": "ai",
        "name": "Name", "resolved": true, "from": "BOT",
    });
    let mut members = known.as_object().unwrap().clone();
    members.retain(|name, _| body.members.contains_key(name));
    members
}
