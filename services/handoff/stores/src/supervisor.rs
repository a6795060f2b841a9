//! The process that owns both servers and outlives its own owner by the time it takes to stop them.

use std::os::fd::AsFd;
use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{SignalKind, signal};

use crate::account;
use crate::folder::Folder;
use crate::postgres::Postgres;
use crate::redis::Redis;
use crate::server::Server;
use crate::stores::{Answer, Plan, Urls};

pub(crate) const COMMAND: &str = "supervise";

/// Serves one owner: reads the plan from stdin, answers on stdout, and stops everything when stdin closes.
pub(crate) fn run() -> Result<ExitCode> {
    // One thread: servers follow the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(supervise())?;
    Ok(ExitCode::SUCCESS)
}

async fn supervise() -> Result<()> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
    let mut owner = BufReader::new(Receiver::from_owned_fd(stdin).context("stdin is not the pipe of an owner")?);
    let mut plan = String::new();
    owner.read_line(&mut plan).await?;
    let plan: Plan = serde_json::from_str(&plan).context("stdin holds no plan")?;

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut rest = Vec::new();
    let mut servers = Servers::default();
    tokio::select! {
        () = servers.serve(plan) => {}
        _ = owner.read_to_end(&mut rest) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    servers.stop().await
}

fn answer(answer: &Answer) -> Result<()> {
    use std::io::Write;
    let mut stdout = std::io::stdout();
    serde_json::to_writer(&mut stdout, answer)?;
    writeln!(stdout)?;
    Ok(stdout.flush()?)
}

#[derive(Debug, Default)]
struct Servers {
    folder: Option<Folder>,
    postgres: Option<Server<Postgres>>,
    redis: Option<Server<Redis>>,
}

impl Servers {
    /// Returns only when it has failed and has said so.
    async fn serve(&mut self, plan: Plan) {
        // An answer that cannot be written has no reader: the owner is gone.
        let urls = match self.start(plan).await {
            Ok(urls) => urls,
            Err(error) => {
                let _ = answer(&Answer::Failed(format!("{error:#}")));
                return;
            }
        };
        let _ = answer(&Answer::Ready(urls));
        let (Some(postgres), Some(redis)) = (&mut self.postgres, &mut self.redis) else {
            return;
        };
        if let Err(error) = tokio::try_join!(postgres.keep_running(), redis.keep_running()) {
            eprintln!("the private stores stop: {error:#}");
        }
    }

    async fn start(&mut self, plan: Plan) -> Result<Urls> {
        let account = account::for_servers(&plan.dir)?;
        let folder = self
            .folder
            .insert(Folder::open(&plan.dir, plan.lifetime, plan.owner, account).await?);
        let postgres = async {
            let engine = Postgres::prepare(plan.engines.postgres, folder.path(), plan.lifetime, account).await?;
            let server = self.postgres.insert(Server::new(engine, account));
            server.start().await?;
            anyhow::Ok(server)
        };
        let redis = async {
            let engine = Redis::prepare(plan.engines.redis, folder.path(), plan.lifetime, account)?;
            let server = self.redis.insert(Server::new(engine, account));
            server.start().await?;
            anyhow::Ok(server)
        };
        let (postgres, redis) = tokio::try_join!(postgres, redis)?;
        Ok(Urls {
            database: Postgres::url(folder.path(), postgres.port())?,
            redis: format!("redis://127.0.0.1:{}", redis.port()),
        })
    }

    async fn stop(self) -> Result<()> {
        let Self {
            folder,
            mut postgres,
            mut redis,
        } = self;
        if let Some(folder) = &folder {
            folder.leave()?;
        }
        tokio::join!(
            async {
                if let Some(postgres) = &mut postgres {
                    postgres.stop().await;
                }
            },
            async {
                if let Some(redis) = &mut redis {
                    redis.stop().await;
                }
            },
        );
        match folder {
            Some(folder) => folder.close().await,
            None => Ok(()),
        }
    }
}
