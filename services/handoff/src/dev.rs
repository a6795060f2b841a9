//! `handoff dev`: the whole system for one person, with something in it to try.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZero;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use platform::access::{OrgId, ServiceKey};
use platform::batch::commits;
use platform::db;
use platform::events;
use platform::link::Link;
use platform::seal::MasterKey;
use platform::service::{self, Common, Startup};
use platform::{admin as admin_port, server, telemetry};
use proto::conversation::v1::directory_service_client::DirectoryServiceClient;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use proto::settings::v1::{
    CreateApiKeyRequest, CreateChatbotRequest, CreateHumanSupportSettingsRequest, CreateOrganizationRequest,
    HumanSupportSettingsChange, LeadNotificationEmail, ResolveApiKeyRequest,
};
use tonic::Code;

use crate::admin;
use crate::seed;
use crate::stores::Stores;
use crate::system::{self, Started};

/// The organization that is there to be tried.
const SUBDOMAIN: &str = "demo";
/// Its chatbot: the id of the documented examples.
const CHATBOT: &str = "361628903185318481";
/// Who is told of its escalations.
const LEAD: &str = "support@demo.example";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address of the REST gateway; port 0 takes a free one
    #[arg(long, env = "HANDOFF_HTTP", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Address of the gRPC services; port 0 takes a free one
    #[arg(long, env = "HANDOFF_GRPC", default_value = "127.0.0.1:9090")]
    grpc: SocketAddr,
    #[command(flatten)]
    admin: admin_port::Config,
    /// Where everything is kept: databases, keys, mails
    #[arg(long, value_name = "DIR", default_value = ".handoff")]
    data: PathBuf,
    /// Use this PostgreSQL instead of a private one
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Use this Redis instead of a private one
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// Connections each context keeps to the database
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=500))]
    database_connections: u16,
    /// Threads that do the work; half of the cores, unless given: the stores and the callers are on this machine, too
    #[arg(long, env = "TOKIO_WORKER_THREADS")]
    workers: Option<NonZero<usize>>,
    /// Start on a database server that may lose what it has committed (`fsync` or `synchronous_commit` off)
    #[arg(long, env = "HANDOFF_ALLOW_UNSAFE_DURABILITY")]
    allow_unsafe_durability: bool,
    #[command(flatten)]
    mail: settings_service::mail::Config,
    #[command(flatten)]
    writes: commits::Config,
    #[command(flatten)]
    patience: conversation_service::Patience,
    #[command(flatten)]
    grpc_limits: server::Limits,
    #[command(flatten)]
    gateway_limits: gateway::Limits,
    #[command(flatten)]
    telemetry: telemetry::Config,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.data).with_context(|| format!("can't create {}", args.data.display()))?;
    let data = args.data.canonicalize()?;
    // What is written there, as long as the system is up, is what runs: an old one would mislead.
    let earlier = read_env(&data)?;
    let stores = match (&args.database_url, &args.redis_url) {
        (Some(_), Some(_)) => None,
        _ => Some(Stores::start(&data)?),
    };
    let url = |given: &Option<String>, private: fn(&Stores) -> &str| {
        given
            .clone()
            .or_else(|| stores.as_ref().map(|stores| private(stores).to_owned()))
            .unwrap_or_default()
    };
    let database_url = url(&args.database_url, Stores::database_url);
    let redis_url = url(&args.redis_url, Stores::redis_url);
    let common = Common {
        telemetry: args.telemetry,
        admin: args.admin,
        linger_seconds: 0,
    };
    let mut mail = args.mail;
    mail.mail_dir.get_or_insert_with(|| data.join("mail"));
    let config = system::Config {
        http: args.http,
        grpc: args.grpc,
        database: db::Config {
            database_url: database_url.clone().into(),
            database_connections: args.database_connections,
        },
        redis: events::redis::Config::new(redis_url.clone()),
        startup: Startup {
            no_migrate: false,
            allow_unsafe_durability: args.allow_unsafe_durability,
        },
        master_key: master_key(&data)?,
        service_key: ServiceKey::random(),
        mail,
        writes: args.writes,
        patience: args.patience,
        grpc_limits: args.grpc_limits,
        gateway_limits: args.gateway_limits,
    };
    let workers = args.workers.unwrap_or_else(|| {
        let cores = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        NonZero::new(cores.get() / 2).unwrap_or(NonZero::<usize>::MIN)
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers.get())
        .enable_all()
        .build()?;
    let code = runtime.block_on(service::process("handoff", &common, async |process| {
        system::run(config, process, async |started| {
            ready(started, &data, &database_url, &redis_url, &earlier).await
        })
        .await
    }));
    drop(runtime);
    if let Some(stores) = stores {
        stores.stop();
    }
    Ok(code)
}

/// Seeds what is missing, writes `dev.env` and says that everything is there.
async fn ready(
    started: Started,
    data: &Path,
    database_url: &str,
    redis_url: &str,
    earlier: &HashMap<String, String>,
) -> anyhow::Result<()> {
    let mut settings = started.settings;
    let known = earlier.get("HANDOFF_API_KEY").map(String::as_str);
    let mut directory = started.directory;
    let key = seed(&mut settings, &mut directory, &started.service_key, known).await?;
    let lines = [
        ("HANDOFF_URL", format!("http://{}", started.http)),
        ("HANDOFF_GRPC_URL", format!("http://{}", started.grpc)),
        ("HANDOFF_ADMIN_URL", format!("http://{}", started.admin)),
        ("HANDOFF_API_KEY", key),
        ("HANDOFF_CHATBOT_ID", CHATBOT.to_owned()),
        ("HANDOFF_DATA", data.display().to_string()),
        ("DATABASE_URL", database_url.to_owned()),
        ("REDIS_URL", redis_url.to_owned()),
    ];
    let mut text = String::new();
    for (name, value) in lines {
        writeln!(text, "{name}={value}")?;
    }
    write_private(&data.join("dev.env"), &text)?;
    let path = data.join("dev.env");
    println!("{text}");
    println!("ready: load the lines above with  . {}  and try", path.display());
    println!();
    println!("{CURL_LINES}");
    Ok(())
}

/// The three lines of the README.
const CURL_LINES: &str = r#"curl -H "Authorization: Bearer $HANDOFF_API_KEY" -H 'Content-Type: application/json' -d '{"threadId":"hello","chatUserEmail":"visitor@example.com"}' "$HANDOFF_URL/v0/chatbots/$HANDOFF_CHATBOT_ID/threads"
curl -H "Authorization: Bearer $HANDOFF_API_KEY" -H 'Content-Type: application/json' -d '{"threadId":"hello","message":"I want to talk to a person"}' "$HANDOFF_URL/v0/chatbots/$HANDOFF_CHATBOT_ID/message"
curl -H "Authorization: Bearer $HANDOFF_API_KEY" -X PATCH "$HANDOFF_URL/api/v1/chatting/$HANDOFF_CHATBOT_ID/thread/hello/escalate""#;

/// Makes the demo organization, its chatbot, its people and queues, and a key, as far as they are missing. Returns the key: the known one when
/// it is still good.
async fn seed(
    settings: &mut SettingsServiceClient<Link>,
    directory: &mut DirectoryServiceClient<Link>,
    service: &ServiceKey,
    known: Option<&str>,
) -> anyhow::Result<String> {
    let organization = if let Some(organization) = admin::find(settings, service, SUBDOMAIN).await? {
        organization
    } else {
        let request = CreateOrganizationRequest {
            name: "Demo".to_owned(),
            subdomain: SUBDOMAIN.to_owned(),
        };
        settings
            .create_organization(service.request(admin::nobody(), request))
            .await
            .map_err(|status| admin::failed(&status))?
            .into_inner()
            .organization
            .context("the answer has no organization")?
    };
    let org = admin::org_id(&organization)?;
    seed_chatbot(settings, service, org).await?;
    seed::directory(directory, service, org).await?;
    if let Some(key) = known {
        let request = ResolveApiKeyRequest { key: key.to_owned() };
        match settings.resolve_api_key(request).await {
            Ok(answer) if answer.get_ref().organization_id == organization.id => return Ok(key.to_owned()),
            Ok(_) => {}
            Err(status) if status.code() == Code::Unauthenticated => {}
            Err(status) => return Err(admin::failed(&status)),
        }
    }
    let request = CreateApiKeyRequest {
        owner: "developer".to_owned(),
        scopes: proto::scopes().into_iter().map(str::to_owned).collect(),
        expires_at: None,
    };
    let answer = settings
        .create_api_key(service.request(org, request))
        .await
        .map_err(|status| admin::failed(&status))?;
    Ok(answer.into_inner().key)
}

async fn seed_chatbot(
    settings: &mut SettingsServiceClient<Link>,
    service: &ServiceKey,
    org: OrgId,
) -> anyhow::Result<()> {
    let chatbot = CreateChatbotRequest {
        id: Some(CHATBOT.to_owned()),
        name: "Demo".to_owned(),
        ..CreateChatbotRequest::default()
    };
    let human_support = CreateHumanSupportSettingsRequest {
        chatbot_id: CHATBOT.to_owned(),
        settings: Some(HumanSupportSettingsChange {
            enable_human_support: Some(true),
            lead_notification: Some(true),
            lead_notification_email: Some(LeadNotificationEmail {
                addresses: vec![LEAD.to_owned()],
            }),
            ..HumanSupportSettingsChange::default()
        }),
    };
    let made = settings.create_chatbot(service.request(org, chatbot)).await.map(drop);
    // What is there stays as its owner has left it.
    if unless_there(made)? {
        let made = settings
            .create_human_support_settings(service.request(org, human_support))
            .await
            .map(drop);
        unless_there(made)?;
    }
    Ok(())
}

/// Whether it was made now.
fn unless_there(made: Result<(), tonic::Status>) -> anyhow::Result<bool> {
    match made {
        Ok(()) => Ok(true),
        Err(status) if status.code() == Code::AlreadyExists => Ok(false),
        Err(status) => Err(admin::failed(&status)),
    }
}

/// The lines of an earlier `dev.env`.
fn read_env(data: &Path) -> anyhow::Result<HashMap<String, String>> {
    let text = match std::fs::read_to_string(data.join("dev.env")) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).context("can't read the earlier dev.env"),
    };
    Ok(text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// The master key of this data, made when it is first needed.
fn master_key(data: &Path) -> anyhow::Result<MasterKey> {
    let path = data.join("master.key");
    match std::fs::read_to_string(&path) {
        Ok(text) => text
            .trim()
            .parse()
            .with_context(|| format!("{} is damaged", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = MasterKey::random();
            write_private(&path, &key.to_text())?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
    }
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        let draft = path.with_extension("draft");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().with_context(|| format!("can't write {}", path.display()))
}
