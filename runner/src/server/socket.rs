//! Opens listening sockets.

use std::io;
use std::net::{TcpListener, ToSocketAddrs};

/// As many as are served at once by default: a crowd is not turned away for coming at the same moment.
const BACKLOG: i32 = 1024;

/// Listens on `address`; port 0 picks a free port. Not blocking, so that tokio takes it.
///
/// 1024 connections wait in the backlog of the operating system until they are accepted, or fewer if the system allows fewer
/// (`net.core.somaxconn` on Linux); whoever comes then has to connect again, which operating systems do by themselves after a second.
/// The standard library, and tokio with it, lets only 128 wait. An address that a process left just now can be listened on again.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::from_std(runner::server::listen("127.0.0.1:0")?)?;
/// assert_ne!(listener.local_addr()?.port(), 0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The address cannot be resolved, is in use, or may not be listened on.
pub fn listen(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // Said once more, the number holds from then on.
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream};

    use super::listen;

    #[test]
    fn both_kinds_of_addresses_are_listened_on() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = listen(address).unwrap();
            let address = listener.local_addr().unwrap();
            assert_ne!(address.port(), 0);
            TcpStream::connect(address).unwrap();
        }
    }

    #[test]
    fn an_address_is_free_again_at_once_and_taken_as_long_as_it_is_listened_on() {
        let listener = listen("127.0.0.1:0").unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let taken = listen(address).unwrap_err();
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
        // Whoever hangs up first keeps the port for a while: here it is the side that listened.
        listener.set_nonblocking(false).unwrap();
        let caller = TcpStream::connect(address).unwrap();
        drop(listener.accept().unwrap());
        drop((listener, caller));
        listen(address).unwrap();
    }
}
