//! A published client of the original API drives the running system, and every answer it gets is checked against schemas.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use std::path::{Path, PathBuf};
use std::process::Command;

use journeys::{Shape, System};

const REQUIREMENTS: &str = include_str!("requirements.txt");

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client")
}

/// Runs a command to its end, and fails with what it has printed unless it succeeds. `otherwise` says what to do then.
fn run(command: &mut Command, otherwise: &str) -> String {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{otherwise}: {command:?}: {error}"),
    };
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{otherwise}: {command:?}: {printed}");
    printed
}

/// A Python that has what `requirements.txt` names, from the package index that this machine is set up for. It is kept
/// beside what was built, until that file changes.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let (python, installed) = (folder.join("bin/python"), folder.join("installed.txt"));
    if python.exists() && std::fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
        return python;
    }
    run(
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder),
        "this test needs Python 3 with its venv module, install python3 and python3-venv",
    );
    let requirements = here().join("requirements.txt");
    run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--requirement"])
            .arg(requirements),
        "this test needs a Python package index that pip can reach",
    );
    std::fs::write(installed, REQUIREMENTS).unwrap();
    python
}

#[tokio::test]
async fn a_published_client_of_the_original_api_gets_what_it_is_promised() {
    let python = python();
    let system = System::start(Shape::OneProcess).await;
    let printed = run(
        Command::new(python)
            .arg(here().join("drive.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("HANDOFF_URL", format!("http://{}", system.faces().http))
            .env("HANDOFF_API_KEY", system.caller().key()),
        "the client has found a difference",
    );
    println!("{printed}");
}
