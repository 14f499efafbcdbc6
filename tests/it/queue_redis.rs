//! The doorbell on Redis: rings are heard, whatever becomes of Redis, and nothing piles up in it.
//!
//! It is long because each of the traps of apalis-redis has its story, and all of them share the same few actors.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agenthook::config::SettingsArgs;
use agenthook::model::ExecutionId;
use agenthook::queue::{Queue, WINDOW};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{RedisServer, Server, Setup, eventually};

const SCHEDULED: &str = "agenthook:executions:scheduled";
const ACTIVE: &str = "agenthook:executions:active";
const DATA: &str = "agenthook:executions:data";
const WORKERS: &str = "agenthook:executions:workers";
/// One word for workers that wait: "there is something".
const SIGNAL: &str = "agenthook:executions:signal";

/// The bell of one process.
fn bell(redis: &RedisServer) -> Queue {
    Queue::redis(&redis.url().into()).expect("a URL")
}

/// A worker that counts what it hears.
struct Ears {
    heard: Arc<Mutex<Vec<ExecutionId>>>,
    stop: CancellationToken,
    work: JoinHandle<()>,
}

impl Ears {
    fn of(queue: Queue) -> Self {
        Self::that(queue, |_| async {})
    }

    /// It does something for each ring after it has counted it.
    fn that<F>(queue: Queue, act: impl Fn(ExecutionId) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (heard, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let (list, stopped) = (heard.clone(), stop.clone());
        let work = tokio::spawn(async move {
            let handler = move |id| {
                list.lock().expect("nobody panicked").push(id);
                act(id)
            };
            queue.work(stopped, handler).await;
        });
        Self { heard, stop, work }
    }

    fn heard(&self) -> Vec<ExecutionId> {
        self.heard.lock().expect("nobody panicked").clone()
    }

    async fn hear(&self, id: ExecutionId) {
        eventually("the ring is heard", async || self.heard().contains(&id).then_some(())).await;
    }

    async fn have_heard(&self, count: usize) {
        eventually(&format!("{count} rings are heard"), async || (self.heard().len() >= count).then_some(()))
            .await;
    }

    /// Rings, in vain at first perhaps, until a ring is heard.
    async fn hear_again(&self, bell: &Queue) {
        let since = Instant::now();
        let rung = Mutex::new(HashSet::new());
        eventually("rings are heard again", async || {
            let id = ExecutionId::new();
            rung.lock().expect("nobody panicked").insert(id);
            bell.ring(id);
            tokio::time::sleep(Duration::from_millis(30)).await;
            let rung = rung.lock().expect("nobody panicked");
            self.heard().iter().any(|id| rung.contains(id)).then_some(())
        })
        .await;
        assert!(since.elapsed() < Duration::from_secs(15), "it took {:?}", since.elapsed());
    }

    async fn stop(self) -> Vec<ExecutionId> {
        self.stop.cancel();
        self.work.await.expect("the worker ends well");
        std::mem::take(&mut *self.heard.lock().expect("nobody panicked"))
    }
}

/// Rings and waits until Redis has it all, or as much as fits.
async fn ring(redis: &RedisServer, queue: &Queue, count: usize) -> Vec<ExecutionId> {
    let mut rung = Vec::new();
    for left in (0..count).rev() {
        let id = ExecutionId::new();
        queue.ring(id);
        rung.push(id);
        if left % 250 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    eventually("the rings are in Redis", async || (waiting(redis) >= count.min(WINDOW)).then_some(())).await;
    rung
}

fn waiting(redis: &RedisServer) -> usize {
    redis.ask::<usize>(&["ZCARD", SCHEDULED]) + redis.ask::<usize>(&["LLEN", ACTIVE])
}

/// Nothing is left but what says that a live worker is there.
async fn clean(redis: &RedisServer, workers: usize) {
    // Each worker has a hash; together they have their set, and apalis a list of its queues. A last fetch that was
    // exactly full leaves apalis's one-word signal, which the next fetch removes.
    let most = workers + usize::from(workers > 0) + 1;
    for _ in 0..500 {
        if redis.keys() <= most + redis.ask::<usize>(&["EXISTS", SIGNAL])
            && redis.ask::<usize>(&["HLEN", DATA]) == 0
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left: Vec<String> = redis.ask(&["KEYS", "*"]);
    panic!("{} keys are left: {:?}", left.len(), &left[..left.len().min(10)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_20_000_leaves_a_window_in_redis_and_drains() {
    let redis = RedisServer::start().await;
    let queue = bell(&redis);
    ring(&redis, &queue, 20_000).await;
    assert_eq!(waiting(&redis), WINDOW, "the rest is left to the sweep");
    let ears = Ears::of(bell(&redis));
    ears.have_heard(WINDOW).await;
    let later = ExecutionId::new();
    queue.ring(later);
    ears.hear(later).await;
    clean(&redis, 1).await;
    ears.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_was_overrun_heals() {
    let redis = RedisServer::start().await;
    // More than apalis's fetch stands, as many processes could push at once.
    let overrun = "for i = 1, 9000 do
        redis.call('ZADD', KEYS[1], 1, i) redis.call('HSET', KEYS[2], i, 'x') redis.call('RPUSH', KEYS[3], 'a' .. i)
        end";
    redis.ask::<()>(&["EVAL", overrun, "3", SCHEDULED, DATA, ACTIVE]);
    let queue = bell(&redis);
    let ears = Ears::of(queue.clone());
    ears.hear_again(&queue).await;
    clean(&redis, 1).await;
    ears.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_ring_is_heard_once_by_one_of_two_workers() {
    let redis = RedisServer::start().await;
    let queue = bell(&redis);
    let slowly = |_| tokio::time::sleep(Duration::from_millis(2));
    let (one, other) = (Ears::that(bell(&redis), slowly), Ears::that(bell(&redis), slowly));
    let mut rung = Vec::new();
    for _ in 0..10 {
        for _ in 0..200 {
            let id = ExecutionId::new();
            queue.ring(id);
            rung.push(id);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    eventually("all are heard", async || {
        (one.heard().len() + other.heard().len() >= rung.len()).then_some(())
    })
    .await;
    let (one, other) = (one.stop().await, other.stop().await);
    assert!(!one.is_empty() && !other.is_empty(), "both take part: {} and {}", one.len(), other.len());
    let mut heard = [one, other].concat();
    heard.sort();
    rung.sort();
    assert_eq!(heard, rung);
    clean(&redis, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_leaves_what_it_has_taken_to_others() {
    let redis = RedisServer::start().await;
    let queue = bell(&redis);
    ring(&redis, &queue, 2000).await;
    let first = Ears::that(bell(&redis), |_| tokio::time::sleep(Duration::from_millis(5)));
    first.have_heard(100).await;
    let mut heard = first.stop().await;
    let second = Ears::of(bell(&redis));
    second.have_heard(2000 - heard.len()).await;
    heard.extend(second.stop().await);
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), 2000);
    clean(&redis, 0).await;
}

/// The slowest of some idle wake-ups. Several workers wait at once, each on a database of its own.
async fn slowest(redis: &RedisServer, wake: bool) -> Duration {
    let mut walks = Vec::new();
    for database in 0..10 {
        let queue = Queue::redis(&redis.url_of(database + 10 * u8::from(wake)).into()).expect("a URL");
        walks.push(tokio::spawn(async move {
            let (tell, mut told) = watch::channel(None);
            let tell = Arc::new(tell);
            let ears = Ears::that(queue.clone(), move |id| {
                tell.send_replace(Some((id, Instant::now())));
                async {}
            });
            let mut slowest = Duration::ZERO;
            // The first finds out that the worker is there.
            for nth in 0..11 {
                // Long enough for the worker to have eased off.
                tokio::time::sleep(Duration::from_millis(450 + 7 * u64::from(database))).await;
                let (id, rung) = (ExecutionId::new(), Instant::now());
                queue.ring(id);
                if wake {
                    queue.wake();
                }
                let heard = told.wait_for(|told| told.is_some_and(|(heard, _)| heard == id)).await;
                let (_, heard) = heard.expect("the worker is there").expect("something");
                if nth > 0 {
                    slowest = slowest.max(heard - rung);
                }
            }
            ears.stop().await;
            slowest
        }));
    }
    let mut slowest = Duration::ZERO;
    for walk in walks {
        slowest = slowest.max(walk.await.expect("no panic"));
    }
    slowest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_idle_wake_ups_take_less_than_100_ms_each() {
    let redis = RedisServer::start().await;
    for wake in [true, false] {
        // Other tests may keep the machine from anything for 100 ms; not three times in a row.
        let mut tries = Vec::new();
        while tries.len() < 3 && tries.iter().all(|slowest| *slowest >= Duration::from_millis(100)) {
            tries.push(slowest(&redis, wake).await);
        }
        eprintln!("the slowest of a hundred, wake {wake}: {tries:?}");
        assert!(tries.iter().any(|slowest| *slowest < Duration::from_millis(100)), "{tries:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_runs_leave_redis_no_larger_than_the_window() {
    let redis = RedisServer::start().await;
    let queue = bell(&redis);
    ring(&redis, &queue, WINDOW).await;
    let (window, keys) = (redis.memory(), redis.keys());
    let ears = Ears::of(bell(&redis));
    ears.have_heard(WINDOW).await;
    for rung in (WINDOW..10_000).step_by(500) {
        for _ in 0..500 {
            queue.ring(ExecutionId::new());
        }
        ears.have_heard(rung + 500).await;
    }
    clean(&redis, 1).await;
    assert!(redis.memory() <= window, "{} bytes after, {window} with a full window", redis.memory());
    assert!(redis.keys() <= keys);
    ears.stop().await;
    clean(&redis, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_without_number_leave_nothing_behind() {
    let redis = RedisServer::start().await;
    for _ in 0..20 {
        let queue = bell(&redis);
        let ears = Ears::of(queue.clone());
        ears.hear_again(&queue).await;
        ears.stop().await;
    }
    let ears = Ears::of(bell(&redis));
    clean(&redis, 1).await;
    ears.stop().await;
    clean(&redis, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_that_was_left_lying_for_an_hour_is_forgotten() {
    let redis = RedisServer::start().await;
    let long_ago = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_000_000, 0)).to_string();
    redis.ask::<()>(&["HSET", DATA, &long_ago, "whatever"]);
    redis.ask::<()>(&["HSET", &format!("agenthook:executions:meta:{long_ago}"), "attempts", "0"]);
    let ears = Ears::of(bell(&redis));
    clean(&redis, 1).await;
    ears.stop().await;
}

/// Says that all workers were last seen long ago, as they would be after the time that makes orphans.
fn age_workers(redis: &RedisServer) {
    for name in redis.ask::<Vec<String>>(&["ZRANGE", WORKERS, "0", "-1"]) {
        redis.ask::<()>(&["ZADD", WORKERS, "1", &name]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_longer_than_the_orphan_time_rings_twice_and_ends_well() {
    let redis = RedisServer::start().await;
    let queue = bell(&redis);
    let (open, gate) = watch::channel(false);
    let first = Ears::that(queue.clone(), move |_| {
        let mut gate = gate.clone();
        async move {
            let _ = gate.wait_for(|open| *open).await;
        }
    });
    let id = ExecutionId::new();
    queue.ring(id);
    first.hear(id).await;
    first.stop.cancel();
    age_workers(&redis);
    let second = Ears::of(queue.clone());
    second.hear(id).await;
    assert!(!first.work.is_finished(), "a stop waits for the calls under way");
    open.send_replace(true);
    assert_eq!(first.stop().await, [id]);
    second.hear_again(&queue).await;
    clean(&redis, 1).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_without_a_word_strands_nothing() {
    let redis = RedisServer::start().await;
    let queue = bell(&redis);
    let url = redis.url();
    let (tell, mut told) = watch::channel(false);
    let doomed = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let tell = Arc::new(tell);
            let queue = Queue::redis(&url.into()).expect("a URL");
            let ears = Ears::that(queue, move |_| {
                tell.send_replace(true);
                std::future::pending()
            });
            ears.have_heard(1).await;
        });
        runtime.shutdown_background();
    });
    let id = ExecutionId::new();
    queue.ring(id);
    told.wait_for(|heard| *heard).await.expect("it hears");
    doomed.join().expect("it dies");
    let ears = Ears::of(queue.clone());
    ears.hear_again(&queue).await;
    let names: Vec<String> = redis.ask(&["ZRANGE", WORKERS, "0", "-1"]);
    assert_eq!(names.len(), 2, "the dead one is still known: {names:?}");
    redis.ask::<()>(&["ZADD", WORKERS, "1", &names[0]]);
    ears.hear(id).await;
    // The dead one's hash ends by its own time.
    clean(&redis, 2).await;
    ears.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_its_own_call_only() {
    let redis = RedisServer::start().await;
    let queue = bell(&redis);
    let bad = ExecutionId::new();
    let ears = Ears::that(queue.clone(), move |id| async move { assert!(id != bad, "the bad one") });
    queue.ring(bad);
    ears.hear(bad).await;
    ears.hear_again(&queue).await;
    clean(&redis, 1).await;
    assert_eq!(ears.stop().await.iter().filter(|id| **id == bad).count(), 1, "it is not rung again");
    clean(&redis, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_apalis_cannot_read_stops_nobody() {
    let redis = RedisServer::start().await;
    let queue = bell(&redis);
    let ears = Ears::of(queue.clone());
    ears.hear_again(&queue).await;
    // A name without data, as an eviction leaves it; and data that is no id.
    redis.ask::<()>(&["RPUSH", ACTIVE, &uuid::Uuid::now_v7().to_string()]);
    ears.hear_again(&queue).await;
    let id = uuid::Uuid::now_v7().to_string();
    let meta = format!("agenthook:executions:meta:{id}");
    redis.ask::<()>(&["HSET", &meta, "attempts", "0", "max_attempts", "25", "status", "Pending"]);
    redis.ask::<()>(&["HSET", DATA, &id, "no id"]);
    redis.ask::<()>(&["RPUSH", ACTIVE, &id]);
    ears.hear_again(&queue).await;
    ears.stop().await;
}

/// What can happen to a Redis, with a worker and a bell at it.
async fn survives(redis: RedisServer, fault: impl AsyncFnOnce(&RedisServer)) {
    let queue = bell(&redis);
    let ears = Ears::of(bell(&redis));
    if redis.is_up() {
        ears.hear_again(&queue).await;
        for _ in 0..1000 {
            queue.ring(ExecutionId::new());
        }
    }
    fault(&redis).await;
    ears.hear_again(&queue).await;
    assert_eq!(queue.ping().await, Ok(()));
    // All that was rung before it is heard, or gone: rings keep their order.
    clean(&redis, 1).await;
    ears.stop().await;
    clean(&redis, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rings_are_heard_again_when_redis_comes_after_us() {
    survives(RedisServer::down(), async |redis| {
        tokio::time::sleep(Duration::from_secs(2)).await;
        redis.start_again().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rings_are_heard_again_after_redis_was_killed_and_came_back_with_old_data() {
    survives(RedisServer::start().await, async |redis| {
        redis.save();
        redis.kill();
        tokio::time::sleep(Duration::from_secs(3)).await;
        redis.start_again().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rings_are_heard_again_after_redis_came_back_empty() {
    survives(RedisServer::start().await, async |redis| redis.restart().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rings_are_heard_again_after_redis_was_stalled_for_5_s() {
    survives(RedisServer::start().await, async |redis| {
        redis.stall();
        tokio::time::sleep(Duration::from_secs(5)).await;
        redis.go_on();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rings_are_heard_again_after_redis_was_flushed() {
    survives(RedisServer::start().await, async |redis| {
        for _ in 0..3 {
            redis.flush().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_redis_that_is_away() {
    for fault in [RedisServer::kill as fn(&RedisServer), |redis| redis.stall()] {
        let redis = RedisServer::start().await;
        let queue = bell(&redis);
        let ears = Ears::of(queue.clone());
        ears.hear_again(&queue).await;
        fault(&redis);
        // Also while it is being rung.
        queue.ring(ExecutionId::new());
        tokio::time::sleep(Duration::from_millis(100)).await;
        let stopped = tokio::time::timeout(Duration::from_secs(5), ears.stop()).await;
        assert!(stopped.is_ok(), "it hangs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_tells_what_is_wrong_and_no_password() {
    let redis = RedisServer::start().await;
    let queue = bell(&redis);
    assert_eq!((queue.ping().await, queue.name()), (Ok(()), "redis"));
    redis.stall();
    assert_eq!(queue.ping().await, Err("Redis does not answer within 2 s".into()));
    redis.go_on();
    eventually("it answers", async || queue.ping().await.ok()).await;
    redis.restart().await;
    assert_eq!(queue.ping().await, Ok(()), "a connection that is made again is no fault");
    let wrong = redis.url().replace("redis://", "redis://:hunter2-hunter2@");
    let problem = Queue::redis(&wrong.into()).expect("a URL").ping().await.expect_err("there is no password");
    assert!(problem.starts_with("Redis cannot be used") && !problem.contains("hunter2"), "{problem}");
    redis.kill();
    let problem = queue.ping().await.expect_err("nobody is there");
    assert!(problem.starts_with("Redis ") && !problem.contains('\n'), "{problem}");
    assert_eq!(Queue::None.ping().await, Ok(()));
    assert_eq!(Queue::memory().ping().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_works_without_redis_says_what_it_misses_and_is_ready_when_it_comes() {
    let redis = RedisServer::down();
    let args = SettingsArgs { redis_url: Some(redis.url().into()), ..SettingsArgs::default() };
    let server = Server::with(Setup { args, ..Setup::default() }).await;
    let agent = server.agent().await;
    let ready = async || server.api("GET", "/readyz", None).await;
    let run = async |number: u32| {
        let trace = agent.run(&server, number.to_string()).await;
        assert_eq!(
            (&trace["status"], trace["attempts"].as_array().map(Vec::len)),
            (&"success".into(), Some(1))
        );
    };
    // Before Redis has ever been there, and after each time that it went.
    for round in 0..3 {
        let lives = server.api("GET", "/healthz", None).await;
        assert_eq!(lives.0, 200, "nothing would be won by a restart");
        let (status, problem) = ready().await;
        assert_eq!(status, 503, "{problem}");
        assert!(problem["detail"].as_str().expect("text").starts_with("queue: Redis "), "{problem}");
        for number in 0..5 {
            run(10 * round + number).await;
        }
        redis.start_again().await;
        eventually("it is ready", async || (ready().await.0 == 200).then_some(())).await;
        eventually("its worker is there", async || (redis.keys() > 0).then_some(())).await;
        run(10 * round + 5).await;
        redis.kill();
    }
    assert_eq!(server.llm.calls().await.len(), 18, "no run was made twice");
    server.stop().await;
}
