//! A sender that does not let up, whatever happens at the other end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Agent, eventually};

/// Different hooks, so many a second, until [`Load::end`].
pub struct Load {
    sent: Arc<Mutex<Sent>>,
    stop: CancellationToken,
    sender: tokio::task::JoinHandle<()>,
}

/// What became of what was sent.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// The executions that a 202 named.
    pub accepted: Vec<String>,
    /// The other statuses.
    pub refused: Vec<u16>,
    /// Those who never heard: the server was away, or fell in the middle.
    pub unanswered: usize,
}

impl Load {
    /// Some 20 a second.
    pub fn on(agent: &Agent) -> Self {
        Self::of(agent, 20)
    }

    /// So many a second.
    pub fn of(agent: &Agent, a_second: u32) -> Self {
        let (sent, stop) = (Arc::<Mutex<Sent>>::default(), CancellationToken::new());
        let sender = tokio::spawn(send(agent.clone(), a_second, sent.clone(), stop.clone()));
        Self { sent, stop, sender }
    }

    /// What became of it so far.
    pub fn so_far(&self) -> Sent {
        self.sent.lock().expect("nobody panicked").clone()
    }

    /// Waits until so many more were accepted.
    pub async fn accepts(&self, more: usize) {
        let before = self.so_far().accepted.len();
        eventually(&format!("{more} more hooks are accepted"), async || {
            (self.so_far().accepted.len() >= before + more).then_some(())
        })
        .await;
    }

    /// Waits until so many more were refused.
    pub async fn is_refused(&self, more: usize) {
        let before = self.so_far().refused.len();
        eventually(&format!("{more} more hooks are refused"), async || {
            (self.so_far().refused.len() >= before + more).then_some(())
        })
        .await;
    }

    /// Sends no more, and waits for the answers that are due.
    pub async fn end(self) -> Sent {
        self.stop.cancel();
        self.sender.await.expect("the sender ends well");
        let sent = self.sent.lock().expect("nobody panicked").clone();
        assert!(sent.refused.iter().all(|status| *status == 503), "yes or not now: {:?}", sent.refused);
        sent
    }
}

async fn send(agent: Agent, a_second: u32, sent: Arc<Mutex<Sent>>, stop: CancellationToken) {
    let (mut sends, load) = (JoinSet::new(), uuid::Uuid::new_v4());
    let mut turn = tokio::time::interval(Duration::from_secs(1) / a_second);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        tokio::select! {
            _ = turn.tick() => {}
            () = stop.cancelled() => break,
        }
        let (agent, sent) = (agent.clone(), sent.clone());
        sends.spawn(async move {
            let answer = agent.try_post(&format!(r#"{{"load":"{load}","number":{number}}}"#)).await;
            let mut sent = sent.lock().expect("nobody panicked");
            match answer {
                Some((202, body)) => {
                    sent.accepted.push(body["execution_id"].as_str().expect("an id").to_owned());
                }
                Some((status, _)) => sent.refused.push(status),
                None => sent.unanswered += 1,
            }
        });
    }
    sends.join_all().await;
}
