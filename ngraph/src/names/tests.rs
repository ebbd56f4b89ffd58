//! The rules of `Names`, with resolvers that do as the test says and a clock that stands still
//! until everybody waits.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    sync::Semaphore,
    time::{self, Instant},
};

use super::*;

const NOW: Duration = Duration::from_secs(1_000);

#[tokio::test]
async fn off_gives_the_empty_name_and_asks_nobody() {
    let mut names = Names::off();
    assert_eq!(names.ask(peer(1), NOW), known(""));
    assert_eq!(names.collect(NOW), 0);
    assert_eq!(names.stats(), Stats { most: Limits::default().entries, ..Stats::default() });
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_looked_up_once_and_then_known() {
    let fake = Fake::new(|_| Ok(vec!["B.example.".into(), "a.example.".into()]));
    let mut names = Names::start(fake.clone(), Limits::default());
    for _ in 0..3 {
        assert_eq!(names.ask(peer(1), NOW), Answer::Pending);
    }
    let mapped = "::ffff:192.0.2.1".parse().unwrap();
    assert_eq!(names.ask(mapped, NOW), Answer::Pending);
    fake.open.add_permits(1);
    names.ended().await;
    assert_eq!(names.collect(NOW), 1);
    assert_eq!(names.ask(peer(1), NOW), known("a.example"));
    assert_eq!(names.ask(mapped, NOW), known("a.example"));
    assert_eq!(fake.calls.load(Ordering::SeqCst), 1);
    let most = Limits::default().entries;
    let stats = Stats { lookups_ok: 1, cached: 1, most, ..Stats::default() };
    assert_eq!(names.stats(), stats);
}

#[tokio::test(start_paused = true)]
async fn hostile_answers_become_the_empty_name() {
    let answers = ["a\"} 1\n", "a\\b", "x\ny", "", "a b", "é.example"].map(str::to_owned);
    let hostile =
        Fake::new(move |_| Ok(answers.iter().cloned().chain(["a".repeat(300)]).collect()));
    hostile.open.add_permits(1);
    let mut names = Names::start(hostile, Limits::default());
    names.ask(peer(1), NOW);
    settle(&mut names).await;
    assert_eq!(names.ask(peer(1), NOW), known(""));
}

#[tokio::test(start_paused = true)]
async fn resolver_without_answer_fails_in_time_and_delays_nobody() {
    let silent = Fake::new(|_| Ok(Vec::new()));
    let mut names = Names::start(silent.clone(), Limits::default());
    let start = Instant::now();
    assert_eq!(names.ask(peer(1), NOW), Answer::Pending);
    time::sleep(Duration::from_millis(1_999)).await;
    assert_eq!(names.collect(NOW), 0);
    names.ended().await;
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    assert_eq!(names.collect(NOW), 1);
    assert_eq!(names.ask(peer(1), NOW), known(""));
    assert_eq!(names.stats().lookups_failed, 1);
    assert_eq!(silent.running.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn failures_are_remembered_for_their_time() {
    let failing = Fake::new(|_| anyhow::bail!("no"));
    failing.open.add_permits(9);
    let mut names = Names::start(failing.clone(), Limits::default());
    for (now, calls) in [(0, 1), (60, 1), (119, 1), (120, 2), (200, 2)] {
        let now = NOW + Duration::from_secs(now);
        names.ask(peer(1), now);
        settle_at(&mut names, now).await;
        assert_eq!(names.ask(peer(1), now), known(""));
        assert_eq!(failing.calls.load(Ordering::SeqCst), calls, "{now:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn old_name_is_given_until_the_new_one_is_there() {
    let fake = Fake::new(|call| Ok(vec![format!("name{call}")]));
    let mut names = Names::start(fake.clone(), Limits::default());
    names.ask(peer(1), NOW);
    fake.open.add_permits(1);
    settle(&mut names).await;
    let later = NOW + Duration::from_secs(1_800);
    assert_eq!(names.ask(peer(1), later), known("name1"));
    assert_eq!(names.stats().pending, 1);
    assert_eq!(names.ask(peer(1), later), known("name1"));
    fake.open.add_permits(1);
    settle_at(&mut names, later).await;
    assert_eq!(names.ask(peer(1), later), known("name2"));
    assert_eq!(fake.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn no_more_lookups_run_at_once_than_allowed() {
    let fake = Fake::new(|_| Ok(Vec::new()));
    let mut names = Names::start(fake.clone(), Limits { at_once: 4, ..Limits::default() });
    for n in 0..50 {
        names.ask(peer(n), NOW);
    }
    for _ in 0..50 {
        fake.open.add_permits(1);
        names.ended().await;
        names.collect(NOW);
    }
    assert_eq!(fake.calls.load(Ordering::SeqCst), 50);
    assert_eq!(fake.most_running.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn queue_is_bounded_and_who_found_it_full_is_asked_for_again() {
    let fake = Fake::new(|_| Ok(vec!["a".into()]));
    let limits = Limits { at_once: 2, queued: 3, ..Limits::default() };
    let mut names = Names::start(fake.clone(), limits);
    for _ in 0..4 {
        for n in 0..20 {
            assert_eq!(names.ask(peer(n), NOW), Answer::Pending);
        }
        all_tasks_wait().await;
    }
    assert_eq!(names.stats().pending, 2 + 3);
    assert_eq!(names.stats().cached, 2 + 3);
    fake.open.add_permits(20);
    let mut files = 0;
    while (0..20).filter(|n| names.ask(peer(*n), NOW) == Answer::Pending).count() > 0 {
        settle(&mut names).await;
        files += 1;
    }
    assert!(files <= 20 / 3 + 1, "{files}");
    assert_eq!(fake.calls.load(Ordering::SeqCst), 20);
}

#[tokio::test(start_paused = true)]
async fn remembered_addresses_never_pass_the_cap() {
    let fake = Fake::new(|_| Ok(vec!["a".into()]));
    fake.open.add_permits(50);
    let mut names = Names::start(fake, Limits { entries: 10, ..Limits::default() });
    for n in 0..50 {
        names.ask(peer(n), NOW);
        assert!(names.stats().cached <= 10);
        settle(&mut names).await;
    }
    let stats = names.stats();
    assert_eq!(
        stats,
        Stats { lookups_ok: 50, cached: 10, most: 10, crowded: 40, ..Stats::default() }
    );
}

#[tokio::test(start_paused = true)]
async fn resolver_that_panics_is_one_that_fails() {
    let broken = Fake::new(|call| match call {
        1 => panic!("this panic is part of the test"),
        _ => Ok(vec!["a".into()]),
    });
    broken.open.add_permits(2);
    let mut names = Names::start(broken, Limits { at_once: 1, ..Limits::default() });
    for n in 1..=2 {
        names.ask(peer(n), NOW);
        settle(&mut names).await;
    }
    assert_eq!(names.ask(peer(1), NOW), known(""));
    assert_eq!(names.ask(peer(2), NOW), known("a"));
}

#[tokio::test(start_paused = true)]
async fn dropping_names_ends_its_lookups() {
    let fake = Fake::new(|_| Ok(Vec::new()));
    let mut names = Names::start(fake.clone(), Limits::default());
    names.ask(peer(1), NOW);
    all_tasks_wait().await;
    assert_eq!(fake.running.load(Ordering::SeqCst), 1);
    drop(names);
    all_tasks_wait().await;
    assert_eq!(fake.running.load(Ordering::SeqCst), 0);
}

/// Answers when `open` lets it, and counts.
struct Fake {
    answer: Box<dyn Fn(usize) -> anyhow::Result<Vec<String>> + Send + Sync>,
    open: Semaphore,
    calls: AtomicUsize,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl Fake {
    /// `answer` gets the number of the call, from 1.
    fn new(
        answer: impl Fn(usize) -> anyhow::Result<Vec<String>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            open: Semaphore::new(0),
            calls: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
        })
    }
}

impl Resolve for Arc<Fake> {
    async fn lookup(&self, _: IpAddr) -> anyhow::Result<Vec<String>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let _running = Running::new(&self.running, &self.most_running);
        self.open.acquire().await?.forget();
        (self.answer)(call)
    }
}

/// Counts itself while it lives: a lookup may be ended from outside.
struct Running<'a>(&'a AtomicUsize);

impl<'a> Running<'a> {
    fn new(count: &'a AtomicUsize, most: &AtomicUsize) -> Self {
        most.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn peer(n: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, n])
}

fn known(name: &str) -> Answer {
    Answer::Known(name.into())
}

async fn settle(names: &mut Names) {
    settle_at(names, NOW).await;
}

async fn settle_at(names: &mut Names, now: Duration) {
    while names.stats().pending > 0 {
        names.ended().await;
        names.collect(now);
    }
}

/// The paused clock moves only when no task can run.
async fn all_tasks_wait() {
    time::sleep(Duration::from_millis(1)).await;
}
