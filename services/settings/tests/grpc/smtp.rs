//! A mail server that does as it is told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How the server behaves to whoever connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It takes every mail.
    Takes,
    /// It says that it may take the mail later.
    Postpones,
    /// It refuses the recipient for good.
    Refuses,
    /// It does not let anybody in.
    Bars,
    /// It says nothing.
    Hangs,
    /// It takes the mail and is gone before it says so.
    Vanishes,
}

#[derive(Clone)]
pub(crate) struct Smtp {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    mode: Mode,
    connections: usize,
    recipients: Vec<String>,
    mails: Vec<String>,
}

impl Smtp {
    pub(crate) async fn start(mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let smtp = Self {
            url: format!("smtp://{}", listener.local_addr().unwrap()),
            state: Arc::new(Mutex::new(State {
                mode,
                connections: 0,
                recipients: Vec::new(),
                mails: Vec::new(),
            })),
        };
        let server = smtp.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                // A client that goes away is its own business.
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        smtp
    }

    pub(crate) fn becomes(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    /// How often somebody has connected.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Whole mails, as they came after `DATA`.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.state.lock().unwrap().mails.clone()
    }

    /// Everybody named by `RCPT TO`, refused or not.
    pub(crate) fn recipients(&self) -> Vec<String> {
        self.state.lock().unwrap().recipients.clone()
    }

    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mode = {
            let mut state = self.state.lock().unwrap();
            state.connections += 1;
            state.mode
        };
        match mode {
            Mode::Hangs => std::future::pending().await,
            Mode::Bars => return stream.write_all(b"530 5.7.0 authentication required\r\n").await,
            _ => stream.write_all(b"220 sink ESMTP\r\n").await?,
        }
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let command = line.trim_end().to_owned();
            line.clear();
            let answer = match command.get(..4).unwrap_or_default().to_uppercase().as_str() {
                "EHLO" => "250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
                "RCPT" => {
                    self.state.lock().unwrap().recipients.push(command);
                    match mode {
                        Mode::Postpones => "451 4.3.0 try again later\r\n",
                        Mode::Refuses => "550 5.1.1 no such user\r\n",
                        _ => "250 ok\r\n",
                    }
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let mut mail = String::new();
                    while stream.read_line(&mut mail).await? > 0 && !mail.ends_with("\r\n.\r\n") {}
                    self.state.lock().unwrap().mails.push(mail);
                    if mode == Mode::Vanishes {
                        return Ok(());
                    }
                    "250 taken\r\n"
                }
                "QUIT" => return stream.write_all(b"221 bye\r\n").await,
                _ => "250 ok\r\n",
            };
            stream.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }
}
