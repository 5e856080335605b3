//! Listening sockets that somebody else opened: `dev` of the front desk, or a service manager.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

/// The two listening sockets that a process was started with. Not blocking, so that tokio takes them. How many connections wait in them
/// is for whoever opened them to say: systemd has `Backlog=`.
#[derive(Debug)]
pub struct Inherited {
    /// For webhooks: the first socket handed on. It stands for `--listen`.
    pub public: TcpListener,
    /// For the management API: the second one. It stands for `--admin`.
    pub admin: TcpListener,
}

/// Takes the listening sockets that this process was started with, in the way of systemd (`LISTEN_FDS`).
///
/// `None` if there are none, which is the usual case; also when asked a second time. Call it first in
/// `main`: it takes variables out of the environment, and no other thread may read that meanwhile.
///
/// # Errors
///
/// What was handed on is not two TCP sockets.
pub fn inherited_listeners() -> io::Result<Option<Inherited>> {
    let mut handed_on = ListenFd::from_env();
    if handed_on.len() == 0 {
        return Ok(None);
    }
    match (
        handed_on.take_tcp_listener(0)?,
        handed_on.take_tcp_listener(1)?,
    ) {
        (Some(public), Some(admin)) if handed_on.len() == 2 => {
            public.set_nonblocking(true)?;
            admin.set_nonblocking(true)?;
            Ok(Some(Inherited { public, admin }))
        }
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{} listening sockets were handed on, two are needed: public and admin",
                handed_on.len()
            ),
        )),
    }
}
