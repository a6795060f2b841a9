//! JSON as it is written: the order of members included.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value whose members keep their order.
#[derive(Debug)]
pub(crate) enum Node {
    Null,
    Bool,
    Number,
    Text(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Node;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
                Ok(Node::Bool)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
                Ok(Node::Number)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
                Ok(Node::Number)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
                Ok(Node::Number)
            }
            fn visit_str<E>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = items.next_element()? {
                    nodes.push(node);
                }
                Ok(Node::Array(nodes))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
                let mut nodes = Vec::new();
                while let Some(member) = members.next_entry()? {
                    nodes.push(member);
                }
                Ok(Node::Object(nodes))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// Asserts that `answer` has the members of `document` in its order and no others, with values of the same form.
/// Where the document has a value the answer may have null only for members in `absent`, and must for them.
pub(crate) fn assert_same_shape(document: &str, answer: &str, absent: &[&str]) {
    let document: Node = serde_json::from_str(document).unwrap();
    let answer: Node = serde_json::from_str(answer).unwrap();
    compare("$", &document, &answer, absent);
}

fn compare(path: &str, document: &Node, answer: &Node, absent: &[&str]) {
    if absent.iter().any(|member| path.ends_with(&format!(".{member}"))) {
        assert!(matches!(answer, Node::Null), "{path} should be null, is {answer:?}");
        return;
    }
    match (document, answer) {
        (Node::Object(wanted), Node::Object(given)) => {
            let names = |members: &[(String, Node)]| members.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
            // `{}` stands for an object of any kind.
            if !wanted.is_empty() {
                assert_eq!(names(wanted), names(given), "{path}");
            }
            for ((name, wanted), (_, given)) in wanted.iter().zip(given) {
                compare(&format!("{path}.{name}"), wanted, given, absent);
            }
        }
        (Node::Array(wanted), Node::Array(given)) => {
            for (at, given) in given.iter().enumerate() {
                if let Some(wanted) = wanted.first() {
                    compare(&format!("{path}[{at}]"), wanted, given, absent);
                }
            }
        }
        (Node::Text(wanted), Node::Text(given)) => {
            assert_eq!(is_time(wanted), is_time(given), "{path}: {wanted} and {given}");
        }
        (Node::Null, Node::Null) | (Node::Bool, Node::Bool) | (Node::Number, Node::Number) => {}
        _ => panic!("{path} should be like {document:?}, is {answer:?}"),
    }
}

/// RFC 3339 in UTC.
fn is_time(text: &str) -> bool {
    text.len() >= 20
        && text.ends_with('Z')
        && text.is_char_boundary(19)
        && text[..19]
            .bytes()
            .zip("dddd-dd-ddTdd:dd:dd".bytes())
            .all(|(given, wanted)| {
                if wanted == b'd' {
                    given.is_ascii_digit()
                } else {
                    given == wanted
                }
            })
}
