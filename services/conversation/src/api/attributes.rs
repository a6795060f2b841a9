//! Custom attributes.

use platform::access::Call;
use platform::fault::Violation;
use platform::time;
use proto::conversation::v1::{
    self as wire, CreateCustomAttributeRequest, CreateCustomAttributeResponse, GetCustomAttributeRequest,
    GetCustomAttributeResponse, ListCustomAttributesRequest, ListCustomAttributesResponse,
    UpdateCustomAttributeRequest, UpdateCustomAttributeResponse,
};
use tonic::{Response, Status};

use super::{Api, Done};
use crate::domain::attributes::{
    Change, Definition, Entity, Input, MAX_DEPTH, SelectOption, Shown, Value, check_options,
};
use crate::domain::{ConversationError, field};
use crate::store::Store;

/// How many attributes a request sets at most.
const CHANGES: usize = 100;
/// How many steps a path has at most that is worth comparing with options.
const STEPS: usize = MAX_DEPTH;

impl Api {
    pub(super) async fn create_custom_attribute(
        &self,
        call: Call,
        message: CreateCustomAttributeRequest,
    ) -> Result<Response<CreateCustomAttributeResponse>, Status> {
        let mut definition = parse_new(message.clone()).map_err(ConversationError::from)?;
        self.once(&call, "CreateCustomAttribute", &message, async |tx| {
            definition.created_at = Store::create_definition(call.org(), tx, &definition).await?;
            let subject = format!("custom-attributes/{}", definition.id);
            let answer = CreateCustomAttributeResponse {
                definition: Some(definition.into()),
            };
            Ok(Done::new(subject, answer))
        })
        .await
    }

    pub(super) async fn update_custom_attribute(
        &self,
        call: Call,
        message: UpdateCustomAttributeRequest,
    ) -> Result<Response<UpdateCustomAttributeResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        let change = message.clone();
        self.once(&call, "UpdateCustomAttribute", &message, async |tx| {
            let mut definition = Store::hold_definition(call.org(), tx, id).await?;
            apply(&mut definition, change)?;
            let at = Store::save_definition(call.org(), tx, &definition).await?;
            definition.updated_at = Some(at);
            let answer = UpdateCustomAttributeResponse {
                definition: Some(definition.into()),
            };
            Ok(Done::new(format!("custom-attributes/{id}"), answer))
        })
        .await
    }

    pub(super) async fn list_custom_attributes(
        &self,
        call: Call,
        _: ListCustomAttributesRequest,
    ) -> Result<Response<ListCustomAttributesResponse>, Status> {
        let definitions = Store::definitions(call.org(), &self.db).await?;
        Ok(Response::new(ListCustomAttributesResponse {
            definitions: definitions.into_iter().map(Into::into).collect(),
        }))
    }

    pub(super) async fn get_custom_attribute(
        &self,
        call: Call,
        message: GetCustomAttributeRequest,
    ) -> Result<Response<GetCustomAttributeResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        let definition = Store::definition(call.org(), &self.db, id).await?;
        Ok(Response::new(GetCustomAttributeResponse {
            definition: Some(definition.into()),
        }))
    }
}

/// The wanted values of custom attributes; `changes` is what requests call them.
pub(super) fn parse_changes(changes: Vec<wire::AttributeChange>) -> Result<Vec<Change>, Violation> {
    field::count("changes", changes.len(), 0, CHANGES)?;
    let mut parsed: Vec<Change> = Vec::with_capacity(changes.len());
    for (index, change) in changes.into_iter().enumerate() {
        let name = format!("changes[{index}]");
        let id = field::uuid(&format!("{name}.id"), &change.id)?;
        if parsed.iter().any(|other| other.id == id) {
            return Err(Violation::new(format!("{name}.id"), "must not come twice"));
        }
        let value = match (change.text, change.path) {
            (None, None) => None,
            (Some(text), None) => Some(Value::Text(field::bounded(
                &format!("{name}.text"),
                text,
                field::PROSE,
            )?)),
            (None, Some(path)) => Some(Value::Path(parse_path(&format!("{name}.path.values"), path.values)?)),
            (Some(_), Some(_)) => return Err(Violation::new(name, "must be a text or a path")),
        };
        parsed.push(Change { id, value });
    }
    Ok(parsed)
}

fn parse_path(name: &str, steps: Vec<String>) -> Result<Vec<String>, Violation> {
    field::count(name, steps.len(), 1, STEPS)?;
    steps
        .into_iter()
        .enumerate()
        .map(|(index, step)| field::required(&format!("{name}[{index}]"), step, field::NAME))
        .collect()
}

fn parse_new(message: CreateCustomAttributeRequest) -> Result<Definition, Violation> {
    use wire::custom_attribute_definition::Input as WireInput;
    let new = message
        .definition
        .ok_or_else(|| Violation::new("definition", "must be given"))?;
    let entity = match wire::AttributeEntity::try_from(new.entity) {
        Ok(wire::AttributeEntity::Contact) => Entity::Contact,
        Ok(wire::AttributeEntity::Conversation) => Entity::Conversation,
        Ok(wire::AttributeEntity::Unspecified) | Err(_) => {
            return Err(Violation::new("definition.entity", "must be a kind of entity"));
        }
    };
    let input = match new.input {
        Some(WireInput::Text(text)) => parse_text("definition.text", text)?,
        Some(WireInput::Select(select)) => parse_select("definition.select", select)?,
        None => return Err(Violation::new("definition.input", "must be given")),
    };
    Ok(Definition {
        id: platform::id::new(),
        entity,
        identifier: field::required("definition.identifier", new.identifier, field::NAME)?,
        label: field::required("definition.label", new.label, field::NAME)?,
        input,
        description: field::optional("definition.description", new.description, field::PROSE)?,
        is_required: new.is_required,
        is_archived: new.is_archived,
        is_deactivated: new.is_deactivated,
        // The database's clock says when.
        created_at: time::now(),
        updated_at: None,
    })
}

fn apply(definition: &mut Definition, change: UpdateCustomAttributeRequest) -> Result<(), Violation> {
    if let Some(label) = change.label {
        definition.label = field::required("label", label, field::NAME)?;
    }
    if change.description.is_some() {
        definition.description = field::optional("description", change.description, field::PROSE)?;
    }
    match (change.text, change.select, &definition.input) {
        (None, None, _) => {}
        (Some(text), None, Input::Text { .. }) => definition.input = parse_text("text", text)?,
        (None, Some(select), Input::Select(_)) => definition.input = parse_select("select", select)?,
        // Values that are there would lose their meaning.
        (Some(_), _, _) => return Err(Violation::new("text", "must not be given for a select")),
        (None, Some(_), _) => return Err(Violation::new("select", "must not be given for a text")),
    }
    definition.is_required = change.is_required.unwrap_or(definition.is_required);
    definition.is_archived = change.is_archived.unwrap_or(definition.is_archived);
    definition.is_deactivated = change.is_deactivated.unwrap_or(definition.is_deactivated);
    Ok(())
}

fn parse_text(name: &str, text: wire::TextInput) -> Result<Input, Violation> {
    let placeholder = field::optional(&format!("{name}.placeholder"), text.placeholder, field::NAME)?;
    Ok(Input::Text { placeholder })
}

fn parse_select(name: &str, select: wire::SelectInput) -> Result<Input, Violation> {
    let name = format!("{name}.options");
    let options = parse_options(&name, select.options, MAX_DEPTH)?;
    check_options(&name, &options)?;
    Ok(Input::Select(options))
}

fn parse_options(name: &str, options: Vec<wire::SelectOption>, depth: usize) -> Result<Vec<SelectOption>, Violation> {
    if depth == 0 && !options.is_empty() {
        return Err(Violation::new(name, format!("must be nested at most {MAX_DEPTH} deep")));
    }
    let parse = |(index, option): (usize, wire::SelectOption)| {
        let name = format!("{name}[{index}]");
        Ok(SelectOption {
            id: if option.id.is_empty() {
                platform::id::new()
            } else {
                field::uuid(&format!("{name}.id"), &option.id)?
            },
            label: field::required(&format!("{name}.label"), option.label, field::NAME)?,
            value: field::required(&format!("{name}.value"), option.value, field::NAME)?,
            is_deactivated: option.is_deactivated,
            nested: parse_options(
                &format!("{name}.nested_options"),
                option.nested_options,
                depth.saturating_sub(1),
            )?,
        })
    };
    options.into_iter().enumerate().map(parse).collect()
}

impl From<Shown> for wire::AttributeValue {
    fn from(shown: Shown) -> Self {
        let (text, path) = match shown.value {
            Value::Text(text) => (Some(text), Vec::new()),
            Value::Path(path) => (None, path),
        };
        Self {
            id: shown.id.to_string(),
            name: shown.name,
            identifier: shown.identifier,
            text,
            path,
        }
    }
}

impl From<Definition> for wire::CustomAttributeDefinition {
    fn from(definition: Definition) -> Self {
        use wire::custom_attribute_definition::Input as WireInput;
        let entity = match definition.entity {
            Entity::Contact => wire::AttributeEntity::Contact,
            Entity::Conversation => wire::AttributeEntity::Conversation,
        };
        Self {
            id: definition.id.to_string(),
            entity: entity.into(),
            identifier: definition.identifier,
            label: definition.label,
            input: Some(match definition.input {
                Input::Text { placeholder } => WireInput::Text(wire::TextInput { placeholder }),
                Input::Select(options) => WireInput::Select(wire::SelectInput {
                    options: options.into_iter().map(Into::into).collect(),
                }),
            }),
            description: definition.description,
            is_required: definition.is_required,
            is_archived: definition.is_archived,
            is_deactivated: definition.is_deactivated,
            created_at: Some(time::to_proto(definition.created_at)),
            updated_at: definition.updated_at.map(time::to_proto),
        }
    }
}

impl From<SelectOption> for wire::SelectOption {
    fn from(option: SelectOption) -> Self {
        Self {
            id: option.id.to_string(),
            label: option.label,
            value: option.value,
            nested_options: option.nested.into_iter().map(Into::into).collect(),
            is_deactivated: option.is_deactivated,
        }
    }
}
