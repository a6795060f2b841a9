//! The settings context for administrative commands: on the database, without a listener.

use anyhow::Context as _;
use platform::access::{Access, OrgId, ServiceKey};
use platform::db::{self, Db};
use platform::link::Link;
use platform::seal::MasterKey;
use platform::server::{Limits, Server, Stack};
use platform::{events, id};
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use proto::settings::v1::{FindOrganizationRequest, Organization};

/// A way to settings that is served by this very process.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) client: SettingsServiceClient<Link>,
    pub(crate) service_key: ServiceKey,
    /// Where `client` leads, as long as it is held.
    _server: Stack,
}

/// Opens the settings context. Its loops don't run here: what it has to tell waits in the database for those of the
/// running system, so Redis is not asked for.
pub(crate) fn settings(database: &db::Config) -> anyhow::Result<Settings> {
    let service_key = ServiceKey::random();
    let link = Link::local();
    let server = Server::new(Access::new(link.clone(), service_key.clone()), Limits::default());
    let running = settings_service::mount(
        server,
        settings_service::Dependencies {
            db: Db::open(database, settings_service::SCHEMA).context("the database URL can't be used")?,
            redis: events::redis::Config::new("redis://127.0.0.1"),
            // None of these commands seals anything.
            master_key: MasterKey::random(),
            mail: settings_service::mail::Config::default(),
        },
    )
    .build();
    let server = running.stack();
    link.lead_to(&server);
    Ok(Settings {
        client: SettingsServiceClient::new(link),
        service_key,
        _server: server,
    })
}

impl Settings {
    /// The organization with a subdomain.
    pub(crate) async fn organization(&mut self, subdomain: &str) -> anyhow::Result<Organization> {
        find(&mut self.client, &self.service_key, subdomain)
            .await?
            .with_context(|| format!("there is no organization with the subdomain {subdomain}"))
    }
}

/// The organization with a subdomain, when there is one.
pub(crate) async fn find(
    client: &mut SettingsServiceClient<Link>,
    service_key: &ServiceKey,
    subdomain: &str,
) -> anyhow::Result<Option<Organization>> {
    let request = FindOrganizationRequest {
        subdomain: subdomain.to_owned(),
    };
    match client.find_organization(service_key.request(nobody(), request)).await {
        Ok(answer) => Ok(answer.into_inner().organization),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
        Err(status) => Err(failed(&status)),
    }
}

/// No organization: for what belongs to none.
pub(crate) fn nobody() -> OrgId {
    OrgId(uuid::Uuid::nil())
}

/// The organization's id as the rest of the system has it.
pub(crate) fn org_id(organization: &Organization) -> anyhow::Result<OrgId> {
    id::parse(&organization.id)
        .map(OrgId)
        .context("the organization's id is not a UUID")
}

/// A refusal as a sentence for the terminal.
pub(crate) fn failed(status: &tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("{}", status.message())
}
