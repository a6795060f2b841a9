use proto::conversation::v1 as wire;
use platform::access::Call;
use tonic::{Response, Status};
impl super::Api {
    pub(super) async fn anonymize(&self, _: Call, _: wire::AnonymizeRequest) -> Result<Response<wire::AnonymizeResponse>, Status> { Err(Status::unimplemented("")) }
    pub(super) async fn get_anonymization_request(&self, _: Call, _: wire::GetAnonymizationRequestRequest) -> Result<Response<wire::GetAnonymizationRequestResponse>, Status> { Err(Status::unimplemented("")) }
}
