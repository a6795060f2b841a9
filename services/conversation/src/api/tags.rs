//! Tags.

use platform::access::Call;
use proto::conversation::v1::{
    self as wire, CreateTagRequest, CreateTagResponse, DeleteTagRequest, DeleteTagResponse, GetTagRequest,
    GetTagResponse, ListTagsRequest, ListTagsResponse, SetTagStateRequest, SetTagStateResponse,
};
use tonic::{Response, Status};

use super::{Api, Done};
use crate::domain::tags::{self, Tag};
use crate::domain::{ConversationError, field};
use crate::store::Store;

impl Api {
    pub(super) async fn create_tag(
        &self,
        call: Call,
        message: CreateTagRequest,
    ) -> Result<Response<CreateTagResponse>, Status> {
        let name = field::required("name", message.name.clone(), field::NAME).map_err(ConversationError::from)?;
        let color = message.color.clone().filter(|color| !color.is_empty());
        let color = color
            .map(|color| tags::color("color", color))
            .transpose()
            .map_err(ConversationError::from)?;
        self.once(&call, "CreateTag", &message, async |tx| {
            let tag = Store::ensure_tag(call.org(), tx, &name, color.as_deref()).await?;
            let subject = format!("tags/{}", tag.id);
            Ok(Done::new(subject, CreateTagResponse { tag: Some(tag.into()) }))
        })
        .await
    }

    pub(super) async fn list_tags(
        &self,
        call: Call,
        message: ListTagsRequest,
    ) -> Result<Response<ListTagsResponse>, Status> {
        let tags = Store::tags(call.org(), &self.db, message.include_deactivated).await?;
        Ok(Response::new(ListTagsResponse {
            tags: tags.into_iter().map(Into::into).collect(),
        }))
    }

    pub(super) async fn get_tag(&self, call: Call, message: GetTagRequest) -> Result<Response<GetTagResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        let tag = Store::tag(call.org(), &self.db, id).await?;
        Ok(Response::new(GetTagResponse { tag: Some(tag.into()) }))
    }

    pub(super) async fn set_tag_state(
        &self,
        call: Call,
        message: SetTagStateRequest,
    ) -> Result<Response<SetTagStateResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        self.once(&call, "SetTagState", &message, async |tx| {
            let tag = Store::set_tag_state(call.org(), tx, id, message.active).await?;
            let answer = SetTagStateResponse { tag: Some(tag.into()) };
            Ok(Done::new(format!("tags/{id}"), answer))
        })
        .await
    }

    pub(super) async fn delete_tag(
        &self,
        call: Call,
        message: DeleteTagRequest,
    ) -> Result<Response<DeleteTagResponse>, Status> {
        let id = field::uuid("id", &message.id).map_err(ConversationError::from)?;
        self.once(&call, "DeleteTag", &message, async |tx| {
            Store::delete_tag(call.org(), tx, id).await?;
            Ok(Done::new(format!("tags/{id}"), DeleteTagResponse {}))
        })
        .await
    }
}

impl From<Tag> for wire::Tag {
    fn from(tag: Tag) -> Self {
        Self {
            id: tag.id.to_string(),
            name: tag.name,
            color: tag.color,
            active: tag.active,
        }
    }
}
