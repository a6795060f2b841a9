//! What integrators of a chat have said of its end user. An addition to the source.

use proto::conversation::v1 as pb;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answer::Data;
use super::ask::Ask;
use super::refusal::Refusal;
use crate::answer::given;
use crate::errors::Failure;

/// The custom data of a chat.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomData {
    verified_customer: bool,
    bad_actor: bool,
    repeat_customer: bool,
    /// By key.
    items: Vec<Item>,
}

/// One thing that is known.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ShownCustomDataItem)]
struct Item {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// JSON of any type.
    #[schema(value_type = Value)]
    value: Box<RawValue>,
    /// `string`, `number`, `date`, `url` or `boolean`; absent when nothing was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    /// Whether it is kept from agents.
    invisible_to_agent: bool,
    /// Whether it came in a token that verified.
    signed: bool,
}

impl Item {
    fn of(item: pb::CustomDataItem) -> Result<Self, Failure> {
        let value = RawValue::from_string(item.value_json);
        Ok(Self {
            key: item.key,
            label: item.label,
            value: value.map_err(|_| Failure::internal("an item of custom data is no JSON"))?,
            r#type: item.r#type,
            invisible_to_agent: item.invisible_to_agent,
            signed: item.signed,
        })
    }
}

/// Get the custom data of a chat
///
/// For agents: what is invisible to them is only there for keys with the scope `chats:read`.
#[utoipa::path(get, path = "/v1/conversations/{conversationId}/custom-data", tag = "Conversations",
    responses((status = 200, description = "The custom data", body = Data<CustomData>)))]
pub(super) async fn get_conversation_custom_data(ask: Ask) -> Result<Data<CustomData>, Refusal> {
    let request = ask.request(pb::GetConversationCustomDataRequest {
        conversation_id: ask.conversation()?,
    });
    let answer = ask.chats().get_conversation_custom_data(request).await?.into_inner();
    let flags = given(answer.flags)?;
    let items = answer.items.into_iter().map(Item::of);
    Ok(Data {
        data: CustomData {
            verified_customer: flags.verified_customer,
            bad_actor: flags.bad_actor,
            repeat_customer: flags.repeat_customer,
            items: items.collect::<Result<_, _>>()?,
        },
    })
}
