//! `handoff key`: API keys.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use platform::db;
use platform::time::{Time, from_proto, now, to_proto, to_rfc3339};
use proto::settings::v1::{ApiKey, CreateApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest};

use crate::admin;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a key and print it; it can't be shown again
    Create {
        /// Subdomain of the organization
        org: String,
        /// The person or service behind the key: the author of what is done with it
        #[arg(long)]
        owner: String,
        /// What the key opens, for example threads:read; repeat it or separate with commas. Absent: everything
        #[arg(long = "scope", value_delimiter = ',')]
        scopes: Vec<String>,
        /// Days until it expires; absent: never
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36500))]
        expires_in_days: Option<u32>,
        #[command(flatten)]
        database: db::Config,
    },
    /// List an organization's keys, newest first
    List {
        /// Subdomain of the organization
        org: String,
        #[command(flatten)]
        database: db::Config,
    },
    /// Revoke a key: it is refused everywhere within five seconds
    Revoke {
        /// Subdomain of the organization
        org: String,
        /// Id of the key, as `list` shows it
        id: String,
        #[command(flatten)]
        database: db::Config,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create {
            org,
            owner,
            scopes,
            expires_in_days,
            database,
        } => {
            let mut settings = admin::settings(&database)?;
            let org = admin::org_id(&settings.organization(&org).await?)?;
            let scopes = if scopes.is_empty() {
                proto::scopes().into_iter().map(str::to_owned).collect()
            } else {
                scopes
            };
            let request = CreateApiKeyRequest {
                owner,
                scopes,
                expires_at: expires_in_days.map(|days| to_proto(now() + chrono::Duration::days(days.into()))),
            };
            let answer = settings
                .client
                .create_api_key(settings.service_key.request(org, request))
                .await
                .map_err(|status| admin::failed(&status))?
                .into_inner();
            println!("{}", answer.key);
        }
        Command::List { org, database } => {
            let mut settings = admin::settings(&database)?;
            let org = admin::org_id(&settings.organization(&org).await?)?;
            let mut request = ListApiKeysRequest {
                page_size: 100,
                page_token: String::new(),
            };
            loop {
                let page = settings
                    .client
                    .list_api_keys(settings.service_key.request(org, request.clone()))
                    .await
                    .map_err(|status| admin::failed(&status))?
                    .into_inner();
                for key in &page.api_keys {
                    println!("{}", line(key)?);
                }
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
        }
        Command::Revoke { org, id, database } => {
            let mut settings = admin::settings(&database)?;
            let org = admin::org_id(&settings.organization(&org).await?)?;
            settings
                .client
                .revoke_api_key(
                    settings
                        .service_key
                        .request(org, RevokeApiKeyRequest { id: id.clone() }),
                )
                .await
                .map_err(|status| admin::failed(&status))?;
            println!("revoked {id}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A key on one line: id, state, owner, scopes.
fn line(key: &ApiKey) -> anyhow::Result<String> {
    let time = |at: Option<prost_types::Timestamp>| -> anyhow::Result<Option<Time>> {
        at.map(|at| from_proto(at).context("a time is out of range"))
            .transpose()
    };
    let state = match (time(key.revoked_at)?, time(key.expires_at)?) {
        (Some(at), _) => format!("revoked {}", to_rfc3339(at)),
        (None, Some(at)) if at <= now() => format!("expired {}", to_rfc3339(at)),
        (None, Some(at)) => format!("until {}", to_rfc3339(at)),
        (None, None) => "active".to_owned(),
    };
    Ok(format!("{}\t{state}\t{}\t{}", key.id, key.owner, key.scopes.join(",")))
}
