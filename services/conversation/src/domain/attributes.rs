//! Custom attributes: what an organization wants to know of end users and conversations.

use std::collections::HashSet;

use platform::fault::Violation;
use platform::time::Time;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ConversationError, field};

/// What a custom attribute is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entity {
    Contact,
    Conversation,
}

impl Entity {
    /// What is stored.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Conversation => "conversation",
        }
    }

    /// The entity that was stored; the table allows no third.
    pub(crate) fn from_stored(text: &str) -> Self {
        if text == "contact" {
            Self::Contact
        } else {
            Self::Conversation
        }
    }
}

/// What values an attribute takes. Its JSON is what is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Input {
    Text { placeholder: Option<String> },
    Select(Vec<SelectOption>),
}

/// One choice, and the choices it opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SelectOption {
    pub(crate) id: Uuid,
    pub(crate) label: String,
    pub(crate) value: String,
    pub(crate) is_deactivated: bool,
    pub(crate) nested: Vec<SelectOption>,
}

/// How deep options are nested at most.
pub(crate) const MAX_DEPTH: usize = 5;
/// How many options an attribute has at most, nested ones included.
pub(crate) const MAX_OPTIONS: usize = 1000;

/// The definition of a custom attribute.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) id: Uuid,
    pub(crate) entity: Entity,
    /// Unique for its kind of entity.
    pub(crate) identifier: String,
    pub(crate) label: String,
    pub(crate) input: Input,
    pub(crate) description: Option<String>,
    pub(crate) is_required: bool,
    pub(crate) is_archived: bool,
    pub(crate) is_deactivated: bool,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Option<Time>,
}

/// What an attribute is set to. Its JSON, a text or an array, is what is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Value {
    Text(String),
    /// The values of options from parent to child.
    Path(Vec<String>),
}

/// A wanted value of one attribute, not yet checked against its definition; none clears it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) id: Uuid,
    pub(crate) value: Option<Value>,
}

/// A value with what is needed to show it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Shown {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) identifier: String,
    pub(crate) value: Value,
}

impl Definition {
    /// Whether the attribute can be set to a value. `field` is what the request calls it.
    pub(crate) fn check(&self, field: &str, value: &Value) -> Result<(), ConversationError> {
        if self.is_deactivated || self.is_archived {
            return Err(ConversationError::AttributeDeactivated);
        }
        let refused = |why: &str| Err(ConversationError::AttributeValueInvalid(Violation::new(field, why)));
        match (&self.input, value) {
            (Input::Text { .. }, Value::Text(_)) => Ok(()),
            (Input::Text { .. }, Value::Path(_)) => refused("must be a text"),
            (Input::Select(_), Value::Text(_)) => refused("must be a list of values of options"),
            (Input::Select(options), Value::Path(path)) if leads_somewhere(options, path) => Ok(()),
            (Input::Select(_), Value::Path(_)) => refused("must be values of active options from parent to child"),
        }
    }
}

/// Checks every change that sets something; an attribute without a definition here does not exist.
pub(crate) fn check_changes(definitions: &[Definition], changes: &[Change]) -> Result<(), ConversationError> {
    for (index, change) in changes.iter().enumerate() {
        let definition = definitions
            .iter()
            .find(|definition| definition.id == change.id)
            .ok_or(ConversationError::AttributeNotFound)?;
        if let Some(value) = &change.value {
            definition.check(&format!("changes[{index}]"), value)?;
        }
    }
    Ok(())
}

fn leads_somewhere(options: &[SelectOption], path: &[String]) -> bool {
    let mut level = options;
    for step in path {
        let taken = level
            .iter()
            .find(|option| !option.is_deactivated && option.value == *step);
        let Some(option) = taken else {
            return false;
        };
        level = &option.nested;
    }
    !path.is_empty()
}

/// Whether options are few and flat enough, and siblings can be told apart.
pub(crate) fn check_options(field: &str, options: &[SelectOption]) -> Result<(), Violation> {
    let mut total = 0;
    check_level(field, options, 1, &mut total)
}

fn check_level(field: &str, options: &[SelectOption], depth: usize, total: &mut usize) -> Result<(), Violation> {
    if depth > MAX_DEPTH && !options.is_empty() {
        return Err(Violation::new(
            field,
            format!("must be nested at most {MAX_DEPTH} deep"),
        ));
    }
    *total += options.len();
    field::count(field, *total, 0, MAX_OPTIONS)?;
    let mut values = HashSet::with_capacity(options.len());
    for option in options {
        if !values.insert(option.value.as_str()) {
            return Err(Violation::new(field, "must have different values on one level"));
        }
        check_level(field, &option.nested, depth + 1, total)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(value: &str, nested: Vec<SelectOption>) -> SelectOption {
        SelectOption {
            id: platform::id::new(),
            label: value.to_uppercase(),
            value: value.to_owned(),
            is_deactivated: false,
            nested,
        }
    }

    fn definition(input: Input) -> Definition {
        Definition {
            id: platform::id::new(),
            entity: Entity::Contact,
            identifier: "i".to_owned(),
            label: "l".to_owned(),
            input,
            description: None,
            is_required: false,
            is_archived: false,
            is_deactivated: false,
            created_at: platform::time::now(),
            updated_at: None,
        }
    }

    fn path(steps: &[&str]) -> Value {
        Value::Path(steps.iter().map(|&step| step.to_owned()).collect())
    }

    #[test]
    fn a_path_follows_active_options_from_parent_to_child() {
        let mut off = option("off", vec![]);
        off.is_deactivated = true;
        let select = definition(Input::Select(vec![option("a", vec![option("b", vec![])]), off]));
        for good in [path(&["a"]), path(&["a", "b"])] {
            select.check("f", &good).unwrap();
        }
        let text = Value::Text("a".to_owned());
        for wrong in [
            path(&[]),
            path(&["b"]),
            path(&["a", "x"]),
            path(&["a", "b", "c"]),
            path(&["off"]),
            text,
        ] {
            assert!(
                matches!(select.check("f", &wrong), Err(ConversationError::AttributeValueInvalid(v)) if v.field == "f"),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_deactivated_or_archived_attribute_takes_no_value() {
        let value = Value::Text("x".to_owned());
        let mut text = definition(Input::Text { placeholder: None });
        text.check("f", &value).unwrap();
        text.is_archived = true;
        assert!(matches!(
            text.check("f", &value),
            Err(ConversationError::AttributeDeactivated)
        ));
        text.is_archived = false;
        text.is_deactivated = true;
        assert!(matches!(
            text.check("f", &value),
            Err(ConversationError::AttributeDeactivated)
        ));
    }

    #[test]
    fn options_are_few_flat_and_different() {
        let deep = (0..MAX_DEPTH).fold(vec![], |nested, _| vec![option("x", nested)]);
        check_options("f", &deep).unwrap();
        assert!(check_options("f", &[option("x", deep)]).is_err());
        let many = |n: usize| (0..n).map(|n| option(&n.to_string(), vec![])).collect::<Vec<_>>();
        check_options("f", &many(MAX_OPTIONS)).unwrap();
        assert!(check_options("f", &many(MAX_OPTIONS + 1)).is_err());
        assert!(check_options("f", &[option("x", vec![]), option("x", vec![])]).is_err());
    }

    #[test]
    fn an_input_and_a_value_survive_storage() {
        let inputs = [
            Input::Text {
                placeholder: Some("p".to_owned()),
            },
            Input::Select(vec![option("a", vec![option("b", vec![])])]),
        ];
        for input in inputs {
            let stored = serde_json::to_value(&input).unwrap();
            assert_eq!(serde_json::from_value::<Input>(stored).unwrap(), input);
        }
        for value in [Value::Text("x".to_owned()), path(&["a", "b"])] {
            let stored = serde_json::to_value(&value).unwrap();
            assert_eq!(serde_json::from_value::<Value>(stored).unwrap(), value);
        }
    }
}
