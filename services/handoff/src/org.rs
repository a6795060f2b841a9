//! `handoff org`: organizations.

use std::process::ExitCode;

use clap::Subcommand;
use platform::db;
use proto::settings::v1::CreateOrganizationRequest;

use crate::admin;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create an organization and print its id
    Create {
        /// Lower-case DNS label, unique in the deployment
        subdomain: String,
        /// What people call it; the subdomain when absent
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        database: db::Config,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Create {
        subdomain,
        name,
        database,
    } = command;
    let mut settings = admin::settings(&database)?;
    let request = CreateOrganizationRequest {
        name: name.unwrap_or_else(|| subdomain.clone()),
        subdomain,
    };
    let answer = settings
        .client
        .create_organization(settings.service_key.request(admin::nobody(), request))
        .await
        .map_err(|status| admin::failed(&status))?
        .into_inner();
    println!("{}", answer.organization.unwrap_or_default().id);
    Ok(ExitCode::SUCCESS)
}
