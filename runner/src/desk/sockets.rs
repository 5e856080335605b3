//! The listening sockets that `dev` keeps open from one server to the next.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::Command;

use command_fds::{CommandFdExt as _, FdMapping};

use super::Surroundings;
use super::arguments::Order;
use super::fault::Fault;
use runner::server::listen;

/// The first file descriptor behind standard input, output and error: there systemd, and so `listenfd`, begins.
const FIRST: i32 = 3;

/// Bound once. While a server is being replaced, the operating system lets callers wait here.
#[derive(Debug)]
pub(super) struct Sockets {
    public: TcpListener,
    admin: TcpListener,
}

impl Sockets {
    /// Binds the addresses that `serve` would listen on.
    ///
    /// # Errors
    ///
    /// An address that cannot be bound.
    pub(super) fn bind(order: &Order, surroundings: &Surroundings) -> Result<Self, Fault> {
        let open = |option: &'static str, variable: &Option<String>, usual: &str| {
            let address = order
                .value_of(option)
                .or(variable.as_deref())
                .unwrap_or(usual);
            listen(address).map_err(|source| Fault::CannotListen {
                address: address.to_owned(),
                option,
                source,
            })
        };
        Ok(Self {
            public: open("--listen", &surroundings.listen, "127.0.0.1:3000")?,
            admin: open("--admin", &surroundings.admin, "127.0.0.1:3001")?,
        })
    }

    /// Hands the sockets on to a process that is about to be started.
    ///
    /// # Errors
    ///
    /// The process has no file descriptors left.
    pub(super) fn hand_on(&self, command: &mut Command) -> io::Result<()> {
        let mappings = [&self.public, &self.admin]
            .into_iter()
            .zip(FIRST..)
            .map(|(socket, child_fd)| {
                let parent_fd = OwnedFd::from(socket.try_clone()?);
                Ok(FdMapping {
                    parent_fd,
                    child_fd,
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        command
            .env("LISTEN_FDS", mappings.len().to_string())
            .env("LISTEN_FDNAMES", "public:admin")
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS_FIRST_FD")
            .fd_mappings(mappings)
            .map_err(io::Error::other)?;
        Ok(())
    }
}
