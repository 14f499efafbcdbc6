//! PUBLISH and SUBSCRIBE.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use redis::aio::{MultiplexedConnection, PubSubSink};
use redis::{AsyncConnectionConfig, Client, Msg};
use tokio::time::timeout;

use super::BadAddress;
use super::link::{Ear, Fault, Link, SILENCE};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The client, and the connection that speaks.
#[derive(Clone)]
pub(super) struct Redis {
    client: Client,
    channel: String,
    speaking: Option<MultiplexedConnection>,
}

/// A connection that listens.
pub(super) struct Subscription {
    messages: Pin<Box<dyn Stream<Item = Msg> + Send>>,
    sink: PubSubSink,
}

impl Redis {
    /// Connects to nothing yet.
    pub fn new(url: &str) -> Result<Self, BadAddress> {
        let unnamed = Self::on(String::new(), url)?;
        // A channel is heard in all databases of a Redis, so its name tells ours.
        let channel = format!("agenthook:{}", unnamed.client.get_connection_info().redis_settings().db());
        Ok(Self { channel, ..unnamed })
    }

    /// The same on a channel of this name, which is heard in all databases of the Redis.
    pub fn on(channel: String, url: &str) -> Result<Self, BadAddress> {
        let client = Client::open(url).map_err(|error| {
            // The error's own text may repeat the URL, and with it a password.
            BadAddress(format!("is not a URL that can be used for Redis ({:?})", error.kind()))
        })?;
        Ok(Self { client, channel, speaking: None })
    }

    async fn publish(&mut self, message: &str) -> Result<(), Fault> {
        let mut connection = match self.speaking.take() {
            Some(connection) => connection,
            None => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECT_TIMEOUT))
                    .set_response_timeout(Some(ANSWER_TIMEOUT));
                self.client.get_multiplexed_async_connection_with_config(&config).await?
            }
        };
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&self.channel).arg(message).query_async::<()>(&mut connection).await?;
        self.speaking = Some(connection);
        Ok(())
    }
}

impl Link for Redis {
    type Ear = Subscription;

    async fn say(&mut self, message: &str) -> Result<(), Fault> {
        let used = self.speaking.is_some();
        match self.publish(message).await {
            // The connection had died since; the next is a new one.
            Err(_) if used => self.publish(message).await,
            said => said,
        }
    }

    async fn open(&self) -> Result<Subscription, Fault> {
        let (mut sink, messages) = self.client.get_async_pubsub().await?.split();
        sink.subscribe(&self.channel).await?;
        Ok(Subscription { messages: Box::pin(messages), sink })
    }
}

impl Ear for Subscription {
    async fn next(&mut self) -> Result<Option<String>, Fault> {
        match timeout(SILENCE, self.messages.next()).await {
            // What is no text is nothing of ours.
            Ok(Some(message)) => Ok(Some(message.get_payload().unwrap_or_default())),
            Ok(None) => Err("the connection has ended".into()),
            Err(_) => Ok(None),
        }
    }

    async fn check(&mut self) -> Result<(), Fault> {
        self.sink.ping::<redis::Value>().await?;
        Ok(())
    }
}
