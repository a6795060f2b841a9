//! Custom attributes: their definitions, and their values on conversations and end users.

use std::collections::BTreeMap;
use std::fmt;

use http::StatusCode;
use proto::conversation::v1 as pb;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::answer::Data;
use super::ask::{Ask, is_uuid};
use super::parts::{AttributeValue, CustomAttribute};
use super::refusal::{Part, Refusal, SCOPE_IS_401, Terms};
use super::words::AttributeEntity;
use crate::answer::{Stamp, given};
use crate::errors::Names;
use crate::extract::Object;
use crate::words::{Word as _, number};

/// Values to be set, by the id of the attribute; null clears one.
#[derive(Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = BTreeMap<String, AttributeValue>)]
pub(super) struct AttributePatch(BTreeMap<String, Option<Given>>);

/// A text, or the path from parent to child.
enum Given {
    Text(String),
    Path(Vec<String>),
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Given;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Given, E> {
                Ok(Given::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, steps: A) -> Result<Given, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(steps)).map(Given::Path)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl AttributePatch {
    fn changes(self) -> Result<Vec<pb::AttributeChange>, Refusal> {
        let changes = self.0.into_iter().map(|(id, value)| {
            if !is_uuid(&id) {
                return Err(Refusal::invalid(Part::Body, id, "must be a UUID"));
            }
            let (text, path) = match value {
                None => (None, None),
                Some(Given::Text(text)) => (Some(text), None),
                Some(Given::Path(values)) => (None, Some(pb::AttributePath { values })),
            };
            Ok(pb::AttributeChange { id, text, path })
        });
        changes.collect()
    }
}

const PATCH: Terms = Terms::BODY.known(&[
    SCOPE_IS_401,
    ("ATTRIBUTE_NOT_FOUND", StatusCode::BAD_REQUEST, NOT_PATCHED),
    ("ATTRIBUTE_DEACTIVATED", StatusCode::BAD_REQUEST, NOT_PATCHED),
    ("ATTRIBUTE_VALUE_INVALID", StatusCode::BAD_REQUEST, NOT_PATCHED),
]);
const NOT_PATCHED: &str = "Invalid input for patching";

fn values(values: Vec<pb::AttributeValue>) -> Data<Vec<CustomAttribute>> {
    Data {
        data: values.into_iter().map(CustomAttribute::from).collect(),
    }
}

/// Patch the custom attributes of a conversation
///
/// All or none. The answer has those that were patched and have a value now.
#[utoipa::path(patch, path = "/v1/conversations/{conversationId}/custom-attributes", tag = "Conversations",
    request_body(content = AttributePatch, content_type = "application/json",
        example = json!({"2f5515b6-7e98-4f4d-9010-bfd2a27d4f35": "012345", "e14708a6-eed9-495c-9d88-c72331e9e247": ["str1", "str2"]})),
    responses((status = 200, description = "The patched attributes", body = Data<Vec<CustomAttribute>>)))]
pub(super) async fn patch_conversation_attributes(ask: Ask) -> Result<Data<Vec<CustomAttribute>>, Refusal> {
    let conversation_id = ask.conversation()?;
    let changes = ask.object::<AttributePatch>()?.changes()?;
    let request = ask.request(pb::PatchConversationAttributesRequest {
        conversation_id,
        changes,
    });
    let answer = ask.conversations().patch_conversation_attributes(request).await;
    let answer = answer.map_err(PATCH.refuse())?.into_inner();
    Ok(values(answer.custom_attributes))
}

/// Patch the custom attributes of an end user
///
/// All or none.
#[utoipa::path(patch, path = "/v1/endusers/{userId}/custom-attributes", tag = "End users",
    request_body(content = AttributePatch, content_type = "application/json"),
    responses((status = 200, description = "The attributes", body = Data<Vec<CustomAttribute>>)))]
pub(super) async fn patch_end_user_attributes(ask: Ask) -> Result<Data<Vec<CustomAttribute>>, Refusal> {
    let id = ask.uuid("userId")?;
    let changes = ask.object::<AttributePatch>()?.changes()?;
    let request = ask.request(pb::PatchEndUserAttributesRequest { id, changes });
    let answer = ask.directory().patch_end_user_attributes(request).await;
    let answer = answer.map_err(PATCH.refuse())?.into_inner();
    Ok(values(answer.custom_attributes))
}

/// How a value is given.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AttributeInput)]
struct Input {
    /// Text only.
    #[serde(skip_serializing_if = "Option::is_none")]
    placeholder: Option<String>,
    /// Select only, and required there.
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Vec<SelectOption>>,
    #[serde(rename = "_type")]
    kind: InputKind,
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[schema(as = AttributeInputKind)]
enum InputKind {
    Text,
    Select,
}

/// One of the values to select from.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SelectOption {
    /// Of a new definition: minted when absent.
    #[serde(default)]
    id: String,
    label: String,
    value: String,
    #[serde(default)]
    #[schema(no_recursion)]
    nested_options: Vec<SelectOption>,
    #[serde(default)]
    is_deactivated: bool,
}

impl From<SelectOption> for pb::SelectOption {
    fn from(option: SelectOption) -> Self {
        Self {
            id: option.id,
            label: option.label,
            value: option.value,
            nested_options: option.nested_options.into_iter().map(Self::from).collect(),
            is_deactivated: option.is_deactivated,
        }
    }
}

impl From<pb::SelectOption> for SelectOption {
    fn from(option: pb::SelectOption) -> Self {
        Self {
            id: option.id,
            label: option.label,
            value: option.value,
            nested_options: option.nested_options.into_iter().map(Self::from).collect(),
            is_deactivated: option.is_deactivated,
        }
    }
}

impl Input {
    fn given(self) -> Result<(Option<pb::TextInput>, Option<pb::SelectInput>), Refusal> {
        match (self.kind, self.options) {
            (InputKind::Text, _) => Ok((
                Some(pb::TextInput {
                    placeholder: self.placeholder,
                }),
                None,
            )),
            (InputKind::Select, Some(options)) => {
                let options = options.into_iter().map(pb::SelectOption::from).collect();
                Ok((None, Some(pb::SelectInput { options })))
            }
            (InputKind::Select, None) => Err(Refusal::required("inputDefinition.options")),
        }
    }
}

impl From<pb::custom_attribute_definition::Input> for Input {
    fn from(input: pb::custom_attribute_definition::Input) -> Self {
        match input {
            pb::custom_attribute_definition::Input::Text(text) => Self {
                placeholder: text.placeholder,
                options: None,
                kind: InputKind::Text,
            },
            pb::custom_attribute_definition::Input::Select(select) => Self {
                placeholder: None,
                options: Some(select.options.into_iter().map(SelectOption::from).collect()),
                kind: InputKind::Select,
            },
        }
    }
}

/// The definition of a custom attribute.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CustomAttributeDefinition)]
pub(super) struct Definition {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_type: Option<AttributeEntity>,
    identifier: String,
    label: String,
    input_definition: Input,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    created_at: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Stamp>,
    is_required: bool,
    is_archived: bool,
    is_deactivated: bool,
}

impl Definition {
    fn of(definition: pb::CustomAttributeDefinition) -> Result<Self, Refusal> {
        Ok(Self {
            entity_type: AttributeEntity::of(definition.entity()),
            id: definition.id,
            identifier: definition.identifier,
            label: definition.label,
            input_definition: given(definition.input)?.into(),
            description: definition.description,
            created_at: Stamp::of(definition.created_at),
            updated_at: Stamp::maybe(definition.updated_at),
            is_required: definition.is_required,
            is_archived: definition.is_archived,
            is_deactivated: definition.is_deactivated,
        })
    }

    fn answer(definition: Option<pb::CustomAttributeDefinition>) -> Result<Data<Self>, Refusal> {
        let data = Self::of(given(definition)?)?;
        Ok(Data { data })
    }
}

/// A custom attribute to be defined.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateDefinition {
    entity_type: AttributeEntity,
    /// Unique for its kind of entity.
    identifier: String,
    label: String,
    #[schema(value_type = Input)]
    input_definition: Object<Input>,
    description: Option<String>,
    #[serde(default)]
    is_required: bool,
    #[serde(default)]
    is_archived: bool,
    #[serde(default)]
    is_deactivated: bool,
}

const NAMES: Names = &[
    ("definition", ""),
    ("entity", "entityType"),
    ("text", "inputDefinition"),
    ("select", "inputDefinition"),
    ("input", "inputDefinition"),
];

/// Define a custom attribute
///
/// An addition to the source.
#[utoipa::path(post, path = "/v1/custom-attributes", tag = "Custom attributes",
    request_body(content = CreateDefinition, content_type = "application/json"),
    responses((status = 201, description = "The definition", body = Data<Definition>)))]
pub(super) async fn create_custom_attribute(ask: Ask) -> Result<(StatusCode, Data<Definition>), Refusal> {
    use pb::custom_attribute_definition::Input as Kind;
    let body: CreateDefinition = ask.object()?;
    let (text, select) = body.input_definition.0.given()?;
    let definition = pb::CustomAttributeDefinition {
        entity: number(Some(body.entity_type)),
        identifier: body.identifier,
        label: body.label,
        input: text.map(Kind::Text).or(select.map(Kind::Select)),
        description: body.description,
        is_required: body.is_required,
        is_archived: body.is_archived,
        is_deactivated: body.is_deactivated,
        ..pb::CustomAttributeDefinition::default()
    };
    let request = ask.request(pb::CreateCustomAttributeRequest {
        definition: Some(definition),
    });
    let answer = ask.directory().create_custom_attribute(request).await;
    let answer = answer.map_err(Terms::BODY.names(NAMES).refuse())?.into_inner();
    Ok((StatusCode::CREATED, Definition::answer(answer.definition)?))
}

/// What to change of a definition: the members that are present.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DefinitionChange {
    label: Option<String>,
    /// An empty text clears it.
    description: Option<String>,
    /// Of the same `_type` as before.
    #[schema(value_type = Option<Input>)]
    input_definition: Option<Object<Input>>,
    is_required: Option<bool>,
    is_archived: Option<bool>,
    is_deactivated: Option<bool>,
}

/// Change the definition of a custom attribute
///
/// An addition to the source.
#[utoipa::path(patch, path = "/v1/custom-attributes/{customAttributeId}", tag = "Custom attributes",
    request_body(content = DefinitionChange, content_type = "application/json"),
    responses((status = 200, description = "The definition", body = Data<Definition>)))]
pub(super) async fn update_custom_attribute(ask: Ask) -> Result<Data<Definition>, Refusal> {
    let id = ask.uuid("customAttributeId")?;
    let body: DefinitionChange = ask.object()?;
    let input = body.input_definition.map(|Object(input)| input.given()).transpose()?;
    let (text, select) = input.unwrap_or_default();
    let request = ask.request(pb::UpdateCustomAttributeRequest {
        id,
        label: body.label,
        description: body.description,
        select,
        is_required: body.is_required,
        is_archived: body.is_archived,
        is_deactivated: body.is_deactivated,
        text,
    });
    let answer = ask.directory().update_custom_attribute(request).await;
    let answer = answer.map_err(Terms::BODY.names(NAMES).refuse())?.into_inner();
    Definition::answer(answer.definition)
}

/// List the custom attributes
#[utoipa::path(get, path = "/v1/custom-attributes", tag = "Custom attributes",
    responses((status = 200, description = "The definitions", body = Data<Vec<Definition>>)))]
pub(super) async fn list_custom_attributes(ask: Ask) -> Result<Data<Vec<Definition>>, Refusal> {
    let request = ask.request(pb::ListCustomAttributesRequest {});
    let answer = ask.directory().list_custom_attributes(request).await?.into_inner();
    let definitions = answer.definitions.into_iter().map(Definition::of);
    let data = definitions.collect::<Result<_, _>>()?;
    Ok(Data { data })
}

/// Get the definition of a custom attribute
#[utoipa::path(get, path = "/v1/custom-attributes/{customAttributeId}", tag = "Custom attributes",
    responses((status = 200, description = "The definition", body = Data<Definition>)))]
pub(super) async fn get_custom_attribute(ask: Ask) -> Result<Data<Definition>, Refusal> {
    let request = ask.request(pb::GetCustomAttributeRequest {
        id: ask.uuid("customAttributeId")?,
    });
    let answer = ask.directory().get_custom_attribute(request).await?.into_inner();
    Definition::answer(answer.definition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::parse;

    const ID: &str = "2f5515b6-7e98-4f4d-9010-bfd2a27d4f35";

    fn changes(body: &str) -> Result<Vec<pb::AttributeChange>, String> {
        let patch: Object<AttributePatch> =
            parse(body.as_bytes()).map_err(|failure| Refusal::from(failure).message().to_owned())?;
        patch.0.changes().map_err(|refusal| refusal.message().to_owned())
    }

    #[test]
    fn a_value_is_a_text_a_path_or_nothing() {
        let change = |text: Option<&str>, path: Option<&[&str]>| pb::AttributeChange {
            id: ID.to_owned(),
            text: text.map(str::to_owned),
            path: path.map(|path| pb::AttributePath {
                values: path.iter().map(|step| (*step).to_owned()).collect(),
            }),
        };
        for (value, expected) in [
            (r#""012345""#, change(Some("012345"), None)),
            (r#"["str1","str2"]"#, change(None, Some(&["str1", "str2"]))),
            ("[]", change(None, Some(&[]))),
            ("null", change(None, None)),
        ] {
            assert_eq!(
                changes(&format!(r#"{{"{ID}":{value}}}"#)).unwrap(),
                [expected],
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_no_value_or_no_id_is_refused() {
        for (body, expected) in [
            (
                format!(r#"{{"{ID}":7}}"#),
                format!("Invalid value for: body ({ID} must be a string or an array of strings)"),
            ),
            (
                r#"{"colour":"red"}"#.to_owned(),
                "Invalid value for: body (colour must be a UUID)".to_owned(),
            ),
            (
                "[]".to_owned(),
                "Invalid value for: body (body must be an object)".to_owned(),
            ),
        ] {
            assert_eq!(changes(&body).unwrap_err(), expected);
        }
    }

    #[test]
    fn the_input_of_a_definition_ends_with_its_type() {
        let text = |input: Input| serde_json::to_string(&input).unwrap();
        let input = pb::custom_attribute_definition::Input::Text(pb::TextInput {
            placeholder: Some("p".to_owned()),
        });
        assert_eq!(text(input.into()), r#"{"placeholder":"p","_type":"Text"}"#);
        let input = pb::custom_attribute_definition::Input::Select(pb::SelectInput { options: Vec::new() });
        assert_eq!(text(input.into()), r#"{"options":[],"_type":"Select"}"#);
    }
}
