//! While another process is active: everything is answered 503, so that nobody takes a request for accepted and a load balancer sends none.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Failure;
use super::serve::{Ends, Sockets};
use crate::server::{Limits, Standby, serve};

/// How long callers get at the end: their answers are short.
const GRACE: Duration = Duration::from_secs(2);

/// Serves until this process may be active, and returns the sockets; returns none if it was asked to stop.
pub(super) async fn stand_by(
    sockets: Sockets,
    limits: &Limits,
    ends: &mut Ends,
) -> Result<Option<Sockets>, Failure> {
    let unusable = |fault: std::io::Error| Failure(format!("the sockets cannot be used: {fault}"));
    let (ingress, next_ingress) = twice(sockets.ingress).map_err(unusable)?;
    let (admin, next_admin) = twice(sockets.admin.0).map_err(unusable)?;
    let (stop, stopping) = watch::channel(false);
    let answer = |listener| {
        let mut stopping = stopping.clone();
        let stopped = async move {
            // The sender lives until both listeners have ended.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        serve(listener, Standby, limits.clone(), stopped, GRACE)
    };
    let waiting = async {
        let granted = tokio::select! {
            granted = ends.claim.granted() => granted.map(|()| true),
            () = ends.signals.wait() => Ok(false),
        };
        stop.send_replace(true);
        granted
    };
    let (granted, _, _) = tokio::join!(waiting, answer(ingress), answer(admin));
    let next = Sockets {
        ingress: next_ingress,
        admin: (next_admin, sockets.admin.1),
    };
    Ok(granted?.then_some(next))
}

/// Makes two of a listening socket: what waits in it is there for whoever takes it.
fn twice(listener: TcpListener) -> std::io::Result<(TcpListener, TcpListener)> {
    let listener = listener.into_std()?;
    let other = listener.try_clone()?;
    Ok((
        TcpListener::from_std(listener)?,
        TcpListener::from_std(other)?,
    ))
}
