//! `handoff migrate`: the schemas of every context.

use std::process::ExitCode;

use platform::db::{self, Db};
use sqlx::migrate::Migrator;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; list what is missing and fail when something is. What a newer version has added is listed too
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    database: db::Config,
}

const SCHEMAS: [(&str, &Migrator); 3] = [
    (settings_service::SCHEMA, &settings_service::MIGRATOR),
    (thread_service::SCHEMA, &thread_service::MIGRATOR),
    (conversation_service::SCHEMA, &conversation_service::MIGRATOR),
];

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let db = Db::open(&args.database, "handoff migrate")?;
    let mut missing = 0;
    for (schema, migrator) in SCHEMAS {
        if args.check {
            let difference = db.compare(migrator).await?;
            for migration in &difference.missing {
                println!("{schema} {migration}: missing");
            }
            for number in &difference.newer {
                println!("{schema} {number}: of a newer version");
            }
            missing += difference.missing.len();
        } else {
            db.migrate(migrator).await?;
        }
    }
    Ok(if missing == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
