//! Flags and custom data of chats.

use platform::OrgId;
use platform::access::Call;
use platform::fault::{self, Violation};
use proto::conversation::v1 as wire;
use proto::conversation::v1::set_custom_data_request::CustomData as Wire;
use proto::settings::v1::VerifySignedDataRequest;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use super::{lock_chat, lock_running};
use crate::api::Api;
use crate::api::transitions::about;
use crate::domain::chats::custom_data::{self, FlagChanges, Flags, ITEMS, Item};
use crate::domain::{ConversationError, field};
use crate::store::Store;

/// Who sees what agents must not see.
const SEES_EVERYTHING: &str = "chats:read";

impl From<Flags> for wire::CustomerFlags {
    fn from(flags: Flags) -> Self {
        Self {
            verified_customer: flags.verified_customer,
            bad_actor: flags.bad_actor,
            repeat_customer: flags.repeat_customer,
        }
    }
}

impl From<Item> for wire::CustomDataItem {
    fn from(item: Item) -> Self {
        Self {
            key: item.key,
            label: item.label,
            value_json: item.value.to_string(),
            r#type: item.kind,
            invisible_to_agent: item.invisible,
            signed: item.signed,
        }
    }
}

/// Items as the caller gives them.
fn unsigned(data: wire::CustomData) -> Result<Vec<Item>, Violation> {
    let items = data.items.into_iter().enumerate().map(|(index, item)| {
        let name = format!("data.items[{index}].value_json");
        let value = serde_json::from_str(&item.value_json).map_err(|_| Violation::new(name, "must be JSON"))?;
        Ok(Item {
            key: item.key,
            label: item.label,
            value,
            kind: item.r#type,
            invisible: item.invisible_to_agent,
            signed: false,
        })
    });
    items.collect()
}

/// Checks items, and takes the reserved ones out.
fn check(name: &str, items: Vec<Item>) -> Result<(FlagChanges, Vec<Item>), Violation> {
    field::count(name, items.len(), 0, ITEMS)?;
    let (flags, items) = custom_data::reserved(name, items)?;
    let checked = items.into_iter().map(|item| {
        let name = format!("{name}.{}", item.key);
        item.check(&name)
    });
    Ok((flags, checked.collect::<Result<_, _>>()?))
}

impl Api {
    /// The items of a token that one of the organization's secrets has signed.
    async fn verified(&self, org: OrgId, signed_data: String) -> Result<Vec<Item>, Status> {
        let request = self.service_key.request(org, VerifySignedDataRequest { signed_data });
        let answer = self.settings.clone().verify_signed_data(request).await;
        let answer = answer.map_err(|status| {
            let details = status.get_error_details();
            let is_refusal = status.code() == Code::InvalidArgument
                && details
                    .error_info()
                    .is_some_and(|info| info.reason == "SIGNED_DATA_INVALID");
            if is_refusal {
                ConversationError::SignedDataInvalid.into()
            } else {
                fault::pass_on(status)
            }
        })?;
        let json = answer.into_inner().custom_data_json;
        // What is signed and makes no sense is told apart from nothing else, either.
        let data = serde_json::from_str(&json).map_err(|_| ConversationError::SignedDataInvalid)?;
        let items = custom_data::signed("signed_data", data);
        Ok(items.map_err(|_| ConversationError::SignedDataInvalid)?)
    }

    pub(in crate::api) async fn get_customer_flags(
        &self,
        call: Call,
        message: wire::GetCustomerFlagsRequest,
    ) -> Result<Response<wire::GetCustomerFlagsResponse>, Status> {
        let flags = Store::customer_flags(call.org(), &self.db, message.chat_id).await?;
        let flags = Some(flags.into());
        Ok(Response::new(wire::GetCustomerFlagsResponse { flags }))
    }

    pub(in crate::api) async fn set_customer_flags(
        &self,
        call: Call,
        message: wire::SetCustomerFlagsRequest,
    ) -> Result<Response<wire::SetCustomerFlagsResponse>, Status> {
        let changes = FlagChanges {
            verified_customer: message.verified_customer,
            bad_actor: message.bad_actor,
            repeat_customer: message.repeat_customer,
        };
        self.once(&call, "SetCustomerFlags", &message, async |tx| {
            let org = call.org();
            let locked = lock_chat(&call, tx, message.chat_id).await?;
            Store::set_customer_flags(org, tx, locked.id, changes).await?;
            let flags = Some(Store::customer_flags(org, tx, locked.id).await?.into());
            Ok(about(locked.id, wire::SetCustomerFlagsResponse { flags }))
        })
        .await
    }

    pub(in crate::api) async fn set_custom_data(
        &self,
        call: Call,
        message: wire::SetCustomDataRequest,
    ) -> Result<Response<wire::SetCustomDataResponse>, Status> {
        let checked = match message.custom_data.clone() {
            Some(Wire::Data(data)) => unsigned(data).and_then(|items| check("data", items)),
            // Outside of the transaction, which would hold a connection meanwhile.
            Some(Wire::SignedData(token)) => {
                let items = self.verified(call.org(), token).await?;
                Ok(check("signed_data", items).map_err(|_| ConversationError::SignedDataInvalid)?)
            }
            None => Err(Violation::new("custom_data", "must be data or signed_data")),
        };
        let (flags, items) = checked.map_err(ConversationError::from)?;
        self.once(&call, "SetCustomData", &message, async |tx| {
            let org = call.org();
            let locked = lock_running(&call, tx, message.chat_id).await?;
            Store::set_customer_flags(org, tx, locked.id, flags).await?;
            if !Store::set_custom_data(org, tx, locked.id, &items).await? {
                return Err(ConversationError::invalid(
                    "data",
                    "must leave the chat with at most 200 items",
                ));
            }
            Ok(about(locked.id, wire::SetCustomDataResponse {}))
        })
        .await
    }

    pub(in crate::api) async fn get_conversation_custom_data(
        &self,
        call: Call,
        message: wire::GetConversationCustomDataRequest,
    ) -> Result<Response<wire::GetConversationCustomDataResponse>, Status> {
        let (org, id) = (call.org(), message.conversation_id);
        let flags = Store::customer_flags(org, &self.db, id).await?;
        let with_invisible = call.caller.may(SEES_EVERYTHING);
        let items = Store::custom_data(org, &self.db, id, with_invisible).await?;
        Ok(Response::new(wire::GetConversationCustomDataResponse {
            items: items.into_iter().map(Into::into).collect(),
            flags: Some(flags.into()),
        }))
    }
}
