//! A running system of its own, in one process or in several.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;

use platform::access::ServiceKey;
use platform::seal::MasterKey;
use proto::conversation::v1::conversation_service_client::ConversationServiceClient;
use serde_json::json;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use crate::caller::{Caller, Faces};
use crate::process::{Process, command};
use crate::stores::{Database, Redis, port};
use crate::wait::until;

/// How the system is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `handoff dev`.
    OneProcess,
    /// `settings-service`, `thread-service`, `conversation-service` and `gateway`.
    SeparateProcesses,
}

/// A process of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `handoff dev`.
    Everything,
    /// `settings-service`.
    Settings,
    /// `thread-service`.
    Threads,
    /// `conversation-service`.
    Conversations,
    /// `gateway`.
    Gateway,
}

impl Role {
    fn program(self) -> &'static str {
        match self {
            Self::Everything => "handoff",
            Self::Settings => "settings-service",
            Self::Threads => "thread-service",
            Self::Conversations => "conversation-service",
            Self::Gateway => "gateway",
        }
    }
}

/// A process, and how to start it again.
#[derive(Debug)]
struct Running {
    process: Process,
    env: Vec<(&'static str, String)>,
}

/// The organization of [`System::caller`].
const SUBDOMAIN: &str = "demo";
/// Its chatbot, whose escalations are mailed.
pub const CHATBOT: &str = "361628903185318481";
/// Who is told of its escalations.
const LEAD: &str = "support@demo.example";

/// A system with an organization, a chatbot and a key. Everything of it ends when this is dropped.
#[derive(Debug)]
pub struct System {
    // Dropped in this order: the processes before what they use.
    processes: BTreeMap<Role, Running>,
    faces: Faces,
    caller: Caller,
    database_url: String,
    redis_url: String,
    redis: Option<Redis>,
    database: Option<Database>,
    /// Where conversations are served and the deployment's service key, of separate processes.
    connectors: Option<(SocketAddr, ServiceKey)>,
    data: TempDir,
}

impl System {
    /// Starts a system on a database and a Redis of its own.
    pub async fn start(shape: Shape) -> Self {
        let database = Database::create().await;
        let url = database.url().to_owned();
        Self::start_on(shape, database, url).await
    }

    /// The same with the URL under which the system sees its database.
    pub async fn start_on(shape: Shape, database: Database, url: String) -> Self {
        let redis = Redis::start().await;
        let mut system = match shape {
            Shape::OneProcess => {
                Self::one_process(&[
                    ("DATABASE_URL", url),
                    ("REDIS_URL", redis.url()),
                    ("HANDOFF_ALLOW_UNSAFE_DURABILITY", "true".to_owned()),
                ])
                .await
            }
            Shape::SeparateProcesses => Self::separate_processes(&database, url, &redis).await,
        };
        database.url().clone_into(&mut system.database_url);
        system.database = Some(database);
        system.redis = Some(redis);
        system
    }

    /// `handoff dev` on the private stores that it starts itself.
    pub async fn on_private_stores() -> Self {
        Self::one_process(&[]).await
    }

    async fn one_process(env: &[(&'static str, String)]) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut env = env.to_vec();
        for listener in ["HANDOFF_HTTP", "HANDOFF_GRPC", "HANDOFF_ADMIN"] {
            env.push((listener, "127.0.0.1:0".to_owned()));
        }
        let mut process = spawn(Role::Everything, &env, data.path());
        let (faces, mut dev) = come_up(&mut process, data.path()).await;
        Self {
            processes: BTreeMap::from([(Role::Everything, Running { process, env })]),
            caller: Caller::new(&faces, dev.remove("HANDOFF_API_KEY").expect("dev.env has a key")),
            faces,
            database_url: dev.remove("DATABASE_URL").expect("dev.env has the URL"),
            redis_url: dev.remove("REDIS_URL").expect("dev.env has the URL"),
            redis: None,
            database: None,
            connectors: None,
            data,
        }
    }

    async fn separate_processes(database: &Database, url: String, redis: &Redis) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        // Services are found at the same place after a restart; the gateway is found by its log.
        let (settings, threads, conversations) = (local(port()), local(port()), local(port()));
        let url_of = |address: SocketAddr| format!("http://{address}");
        let mail = data.path().join("mail").display().to_string();
        let service_key = ServiceKey::random();
        let deployment = [
            ("HANDOFF_SERVICE_KEY", service_key.reveal().to_owned()),
            ("HANDOFF_MASTER_KEY", MasterKey::random().to_text()),
            ("HANDOFF_ALLOW_UNSAFE_DURABILITY", "true".to_owned()),
            ("HANDOFF_LINGER_SECONDS", "0".to_owned()),
            ("HANDOFF_ADMIN", local(0).to_string()),
            ("HANDOFF_HTTP", local(0).to_string()),
            ("HANDOFF_SETTINGS_URL", url_of(settings)),
            ("HANDOFF_THREAD_URL", url_of(threads)),
            ("HANDOFF_CONVERSATION_URL", url_of(conversations)),
            ("DATABASE_URL", url),
            ("REDIS_URL", redis.url()),
            ("MAIL_DIR", mail),
        ];
        let mut processes = BTreeMap::new();
        for (role, grpc) in [
            (Role::Settings, settings),
            (Role::Threads, threads),
            (Role::Conversations, conversations),
            (Role::Gateway, local(0)),
        ] {
            let mut env = deployment.to_vec();
            env.push(("HANDOFF_GRPC", grpc.to_string()));
            let process = spawn(role, &env, data.path());
            processes.insert(role, Running { process, env });
        }
        for role in [Role::Settings, Role::Threads, Role::Conversations] {
            let running = processes.get_mut(&role).expect("it was started");
            running.process.address("grpc").await;
        }
        let gateway = processes.get_mut(&Role::Gateway).expect("it was started");
        let faces = Faces {
            http: gateway.process.address("http").await,
            settings,
            threads,
            conversations,
        };
        admin(database.url(), &["org", "create", SUBDOMAIN]);
        let key = admin(database.url(), &["key", "create", SUBDOMAIN, "--owner", "developer"]);
        let caller = Caller::new(&faces, key);
        add_chatbot(&caller).await;
        Self {
            processes,
            faces,
            caller,
            database_url: database.url().to_owned(),
            redis_url: redis.url(),
            redis: None,
            database: None,
            connectors: Some((conversations, service_key)),
            data,
        }
    }

    /// The owner of a key with every scope, named `developer`.
    pub fn caller(&self) -> Caller {
        self.caller.clone()
    }

    /// The owner of another key.
    pub fn caller_with(&self, key: impl Into<String>) -> Caller {
        Caller::new(&self.faces, key)
    }

    /// Somebody of another organization, which is made now and has a chatbot of the same id.
    pub async fn stranger(&self, subdomain: &str) -> Caller {
        admin(&self.database_url, &["org", "create", subdomain]);
        let key = admin(&self.database_url, &["key", "create", subdomain, "--owner", "stranger"]);
        let caller = self.caller_with(key);
        add_chatbot(&caller).await;
        caller
    }

    /// What a channel connector of separate processes uses: the conversation context and the service key.
    pub fn connector(&self) -> (ConversationServiceClient<Channel>, &ServiceKey) {
        let (address, key) = self.connectors.as_ref().expect("the system is in separate processes");
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address makes a URL");
        (ConversationServiceClient::new(endpoint.connect_lazy()), key)
    }

    /// Whether it is in separate processes.
    pub fn is_separate(&self) -> bool {
        self.connectors.is_some()
    }

    /// Where it keeps what is in no other server.
    pub fn folder(&self) -> &Path {
        self.data.path()
    }

    /// What its processes have logged.
    pub fn logs(&self) -> Vec<String> {
        self.processes
            .values()
            .flat_map(|running| running.process.log())
            .collect()
    }

    /// Where its faces are.
    pub fn faces(&self) -> &Faces {
        &self.faces
    }

    /// Its database as a test reaches it, whatever the system's own way there.
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// Where its Redis is.
    pub fn redis_url(&self) -> &str {
        &self.redis_url
    }

    /// Its Redis.
    pub fn redis(&mut self) -> &mut Redis {
        self.redis.as_mut().expect("the system has a Redis of its own")
    }

    /// One of its processes.
    pub fn process(&mut self, role: Role) -> &mut Process {
        &mut self.running(role).process
    }

    fn running(&mut self, role: Role) -> &mut Running {
        self.processes.get_mut(&role).expect("the shape has this process")
    }

    /// Starts a process that has ended again, and waits until it listens.
    pub async fn restart(&mut self, role: Role) {
        let data = self.data.path().to_owned();
        let running = self.running(role);
        running.process = spawn(role, &running.env, &data);
        match role {
            Role::Everything => {
                let (faces, mut dev) = come_up(&mut running.process, &data).await;
                assert_eq!(
                    dev["HANDOFF_API_KEY"],
                    self.caller.key(),
                    "the key in dev.env is reused"
                );
                if self.database.is_none() {
                    // Private stores are on ports that were free.
                    self.database_url = dev.remove("DATABASE_URL").expect("dev.env has the URL");
                    self.redis_url = dev.remove("REDIS_URL").expect("dev.env has the URL");
                }
                self.faces = faces;
            }
            Role::Gateway => self.faces.http = running.process.address("http").await,
            Role::Settings | Role::Threads | Role::Conversations => drop(running.process.address("grpc").await),
        }
        self.caller = Caller::new(&self.faces, self.caller.key());
    }

    /// The lead mails that were sent.
    pub fn mails(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.data.path().join("mail")) else {
            // The first mail makes the folder.
            return Vec::new();
        };
        files
            .map(|file| file.expect("the folder can be read").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
            .map(|path| std::fs::read_to_string(path).expect("a mail is a text"))
            .collect()
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn spawn(role: Role, env: &[(&'static str, String)], data: &Path) -> Process {
    let mut command = command(role.program());
    command.envs(env.iter().map(|(name, value)| (name, value)));
    if role == Role::Everything {
        command.arg("dev").arg("--data").arg(data);
    }
    Process::start(role.program(), command)
}

/// Waits until `handoff dev` is ready, which is when it listens and has written `dev.env`.
async fn come_up(process: &mut Process, data: &Path) -> (Faces, HashMap<String, String>) {
    let http = process.address("http").await;
    let grpc = process.address("grpc").await;
    let url = format!("http://{http}");
    let dev = until("dev.env is written", async || {
        process.assert_running();
        let text = std::fs::read_to_string(data.join("dev.env")).ok()?;
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let lines: HashMap<_, _> = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        // An earlier run has left one of its own.
        (lines["HANDOFF_URL"] == url).then_some(lines)
    })
    .await;
    let faces = Faces {
        http,
        settings: grpc,
        threads: grpc,
        conversations: grpc,
    };
    (faces, dev)
}

/// Runs an administrative command and returns what it prints.
fn admin(database_url: &str, arguments: &[&str]) -> String {
    let output = command("handoff")
        .args(arguments)
        .env("DATABASE_URL", database_url)
        .output()
        .expect("the command runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("the output is text");
    text.trim().to_owned()
}

async fn add_chatbot(caller: &Caller) {
    let chatbot = json!({"id": CHATBOT, "name": "Demo"});
    caller.post("/v1/chatbots", chatbot).data().await;
    let settings = json!({"enableHumanSupport": true, "leadNotification": true, "leadNotificationEmail": [LEAD]});
    let path = format!("/v1/chatbots/chatbot/{CHATBOT}/human-support-settings");
    caller.post(path, settings).data().await;
}
