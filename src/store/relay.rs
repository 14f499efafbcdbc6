//! `TCP_NODELAY` for Postgres, which sqlx 0.9.0 does not set (its issue 4335; mended there, not released).
//!
//! Without it the kernel holds back the last piece of a message until the server has acknowledged the ones before it,
//! which the server puts off for up to 40 ms, because it is waiting for the rest of the message. Every batch that does
//! not fit into one packet pays that. sqlx lets nobody near its socket, so it connects to one of ours within this
//! process, and what it says goes on to Postgres without delay, byte for byte: TLS is between sqlx and Postgres as ever.
//!
//! The inner socket is in Linux's abstract name space, which needs no file. Elsewhere sqlx connects by itself.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use tokio_util::task::AbortOnDropHandle;

/// Goes on for as long as a clone of it lives.
#[derive(Clone)]
pub(super) struct Relay(
    #[allow(dead_code, reason = "held to be dropped")] Option<Arc<AbortOnDropHandle<()>>>,
);

/// The same server, reached without delay.
#[cfg(not(target_os = "linux"))]
pub(super) fn through_relay(options: PgConnectOptions) -> (PgConnectOptions, Relay) {
    (options, Relay(None))
}

/// The same server, reached without delay.
#[cfg(target_os = "linux")]
pub(super) fn through_relay(options: PgConnectOptions) -> (PgConnectOptions, Relay) {
    let (host, port) = (options.get_host().to_owned(), options.get_port());
    // A local socket knows no delay.
    if options.get_socket().is_some() || host.starts_with('/') {
        return (options, Relay(None));
    }
    let name = format!("\0agenthook-{}", uuid::Uuid::new_v4());
    // What sqlx makes of a socket's directory.
    match tokio::net::UnixListener::bind(format!("{name}/.s.PGSQL.{port}")) {
        Ok(listener) => {
            let task = AbortOnDropHandle::new(tokio::spawn(linux::serve(listener, host, port)));
            (options.socket(name), Relay(Some(Arc::new(task))))
        }
        Err(error) => {
            tracing::warn!(%error, "no socket of our own: what goes to Postgres may be delayed by 40 ms");
            (options, Relay(None))
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;

    use tokio::io::copy_bidirectional_with_sizes;
    use tokio::net::{TcpStream, UnixListener, UnixStream};
    use tokio::task::JoinSet;

    /// Bytes on their way, each way.
    const BUFFER: usize = 64 * 1024;

    /// Connections end with the task, and an end of one side ends the other.
    pub(super) async fn serve(listener: UnixListener, host: String, port: u16) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                connection = listener.accept() => match connection {
                    // The name is no secret: nobody else on this machine gets to Postgres through us.
                    Ok((inner, _)) if !is_ours(&inner) => drop(inner),
                    Ok((inner, _)) => {
                        let host = host.clone();
                        connections.spawn(async move {
                            if let Err(error) = forward(inner, &host, port).await {
                                tracing::debug!(%error, "a connection to Postgres ended");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection to Postgres could not be made");
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    fn is_ours(inner: &UnixStream) -> bool {
        let peer = inner.peer_cred().ok().and_then(|peer| peer.pid());
        peer.is_some_and(|pid| u32::try_from(pid).is_ok_and(|pid| pid == std::process::id()))
    }

    async fn forward(mut inner: UnixStream, host: &str, port: u16) -> io::Result<()> {
        let mut outer = TcpStream::connect((host, port)).await?;
        outer.set_nodelay(true)?;
        copy_bidirectional_with_sizes(&mut inner, &mut outer, BUFFER, BUFFER).await.map(drop)
    }
}
