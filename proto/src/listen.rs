//! Where processes listen: loopback and Unix sockets, nothing else.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::{TcpListener, UnixListener};

/// An address to listen on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listen {
    /// TCP on a loopback address; port 0 for any that is free.
    Tcp(SocketAddr),
    /// A Unix socket at this path, for the user alone.
    Unix(PathBuf),
}

/// Why a process cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The text is no address.
    #[error(
        "{text:?} is no address to listen on: expected 127.0.0.1:PORT, [::1]:PORT or unix:/PATH"
    )]
    Unreadable {
        /// The text.
        text: String,
    },
    /// Others could reach it.
    #[error(
        "refusing to listen on {address}: it is not a loopback address, and connections are neither encrypted nor authenticated; listen on 127.0.0.1 or a Unix socket"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// Another process listens there.
    #[error("{listen} is in use by another process; stop it or choose another address")]
    InUse {
        /// The address.
        listen: Listen,
    },
    /// The system refuses.
    #[error("cannot listen on {listen}: {source}")]
    Refused {
        /// The address.
        listen: Listen,
        /// Why.
        source: io::Error,
    },
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let unreadable = || ListenError::Unreadable { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(unreadable()) } else { Ok(Listen::Unix(path.into())) };
        }
        let text = text.strip_prefix("http://").unwrap_or(text);
        text.parse().map(Listen::Tcp).map_err(|_| unreadable())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => write!(f, "http://{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that listens.
#[derive(Debug)]
pub enum Socket {
    /// At a TCP address.
    Tcp(TcpListener),
    /// At a file, which whoever is done with the socket removes.
    Unix(UnixListener, PathBuf),
}

impl Socket {
    /// Listens. A Unix socket that a dead process left behind is replaced.
    ///
    /// # Errors
    /// When the address is not on loopback, is in use, or the system refuses.
    pub async fn bind(listen: &Listen) -> Result<Self, ListenError> {
        let bound = match listen {
            Listen::Tcp(address) => bind_tcp(*address).await.map(Socket::Tcp),
            Listen::Unix(path) => bind_unix(path).map(|socket| Socket::Unix(socket, path.clone())),
        };
        bound.map_err(|error| match error {
            BindError::NotLoopback(address) => ListenError::NotLoopback { address },
            BindError::Io(error) if error.kind() == io::ErrorKind::AddrInUse => {
                ListenError::InUse { listen: listen.clone() }
            }
            BindError::Io(source) => ListenError::Refused { listen: listen.clone(), source },
        })
    }

    /// Where it listens, with the port that it was given.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<Listen> {
        match self {
            Socket::Tcp(socket) => socket.local_addr().map(Listen::Tcp),
            Socket::Unix(_, path) => Ok(Listen::Unix(path.clone())),
        }
    }
}

enum BindError {
    NotLoopback(SocketAddr),
    Io(io::Error),
}

impl From<io::Error> for BindError {
    fn from(error: io::Error) -> Self {
        BindError::Io(error)
    }
}

async fn bind_tcp(address: SocketAddr) -> Result<TcpListener, BindError> {
    if !address.ip().is_loopback() {
        return Err(BindError::NotLoopback(address));
    }
    Ok(TcpListener::bind(address).await?)
}

fn bind_unix(path: &Path) -> Result<UnixListener, BindError> {
    let socket = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(socket)
}

/// Whether a socket is left over from a process that is gone.
fn is_stale(path: &Path) -> bool {
    let refused = std::os::unix::net::UnixStream::connect(path);
    refused.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let check = |text: &str, shown: &str| {
            assert_eq!(text.parse::<Listen>().expect("an address").to_string(), shown);
        };
        check("127.0.0.1:7070", "http://127.0.0.1:7070");
        check("http://[::1]:0", "http://[::1]:0");
        check("unix:/run/drawloom.sock", "unix:/run/drawloom.sock");
        check("unix:///run/drawloom.sock", "unix:/run/drawloom.sock");
        assert!("localhost".parse::<Listen>().is_err());
        assert!("unix:".parse::<Listen>().is_err());
    }

    #[tokio::test]
    async fn only_loopback_is_listened_on() {
        let listen: Listen = "0.0.0.0:0".parse().expect("an address");
        let error = Socket::bind(&listen).await.expect_err("not loopback");
        assert!(matches!(error, ListenError::NotLoopback { .. }));
        assert!(error.to_string().contains("refusing to listen on 0.0.0.0:0"));
    }

    #[tokio::test]
    async fn a_port_in_use_is_told() {
        let any: Listen = "127.0.0.1:0".parse().expect("an address");
        let first = Socket::bind(&any).await.expect("a free port");
        let taken = first.address().expect("bound");
        let error = Socket::bind(&taken).await.expect_err("taken");
        assert_eq!(
            error.to_string(),
            format!("{taken} is in use by another process; stop it or choose another address")
        );
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let listen = Listen::Unix(folder.path().join("s"));
        let first = Socket::bind(&listen).await.expect("a fresh path");
        assert!(matches!(Socket::bind(&listen).await, Err(ListenError::InUse { .. })));
        drop(first);
        Socket::bind(&listen).await.expect("the first is gone");
    }
}
