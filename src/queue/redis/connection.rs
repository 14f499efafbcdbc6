//! The connection: made when it is first used, and made again when it is lost.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, IntoConnectionInfo};
use secrecy::{ExposeSecret, SecretString};

/// How long an answer may take. apalis's own connection gives up after 500 ms, and each such end is the end of a
/// worker; a Redis that forks to save itself, or is stalled for 5 s, takes longer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long one try to connect may take.
pub(super) const CONNECT: Duration = Duration::from_secs(3);

/// Why a Redis URL cannot be used. Says nothing of what stands in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UrlFault(String);

/// Reads the URL.
pub(super) fn client(url: &SecretString) -> Result<Client, UrlFault> {
    // redis's own faults name what is wrong, not what was given.
    let fault = |error: redis::RedisError| UrlFault(format!("cannot be used: {error}"));
    let info = url.expose_secret().into_connection_info().map_err(fault)?;
    if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
        return Err(UrlFault(
            "must not end in #insecure: the server's certificate is always checked (SSL_CERT_FILE names \
             an authority of your own)"
                .into(),
        ));
    }
    // Without nodelay a small command may wait 40 ms for the answer to the one before it.
    let tcp = TcpSettings::default().set_nodelay(true);
    // A cut network is noticed after this, and not when TCP has given up by itself, which takes a quarter of an
    // hour. A stalled Redis is not cut off: its kernel still confirms.
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(ANSWER);
    Client::open(info.set_tcp_settings(tcp)).map_err(fault)
}

/// A connection that is made when it is first used, and made again when it is lost.
pub(super) fn open(url: &SecretString) -> Result<ConnectionManager, UrlFault> {
    let client = client(url)?;
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(UrlFault("is used outside of a tokio runtime".into()));
    }
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(ANSWER))
        .set_connection_timeout(Some(CONNECT))
        // A command that meets a dead Redis fails within about a second: who sent it tries again, or drops it.
        .set_number_of_retries(2)
        .set_min_delay(Duration::from_millis(100))
        .set_max_delay(Duration::from_secs(1));
    ConnectionManager::new_lazy_with_config(client, config)
        .map_err(|error| UrlFault(format!("cannot be used: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_does_not_repeat_the_url() {
        for url in ["redis://:hunter2@host/many", "rediss://:hunter2@host/#insecure", "redis://:hunter2@"] {
            let fault = client(&url.to_owned().into()).expect_err(url).to_string();
            assert!(!fault.contains("hunter2") && !fault.contains('\n'), "{fault}");
        }
    }

    #[test]
    fn tls_is_there() {
        let url = "rediss://user:password@host:6380/3".to_owned().into();
        let client = client(&url).expect("a URL with TLS");
        assert!(matches!(
            client.get_connection_info().addr(),
            ConnectionAddr::TcpTls { insecure: false, .. }
        ));
    }
}
