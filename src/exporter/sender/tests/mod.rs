//! What a sender promises: bounded, in order, retried when it makes sense, and every record booked once.

mod settings;

use std::collections::VecDeque;
use std::str::FromStr;

use super::*;
use crate::telemetry::Ledger;

/// A receiver that answers from a script, then with `Delivered`, and keeps what it got.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Outcome>>,
    got: Mutex<Vec<Vec<u8>>>,
    hang: bool,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Outcome>) -> Arc<Self> {
        Arc::new(Script { answers: Mutex::new(answers.into_iter().collect()), ..Script::default() })
    }

    fn got(&self) -> Vec<Vec<u8>> {
        self.got.lock().unwrap().clone()
    }
}

impl Transport for Script {
    fn send(&self, body: Bytes) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            if self.hang {
                std::future::pending::<()>().await;
            }
            self.got.lock().unwrap().push(body.to_vec());
            self.answers.lock().unwrap().pop_front().unwrap_or(Outcome::Delivered)
        })
    }
}

fn unavailable() -> Outcome {
    Outcome::Retry { after: None, message: "unavailable".to_owned() }
}

fn settings() -> SenderSettings {
    SenderSettings { queue: QueueSettings { num_consumers: 1, ..QueueSettings::default() }, ..SenderSettings::default() }
}

fn spawn(settings: SenderSettings, script: &Arc<Script>) -> Sender {
    Sender::spawn(ComponentId::from_str("otlp_grpc").unwrap(), settings, script.clone(), &tokio::runtime::Handle::current())
}

fn entries() -> (Arc<ExporterEntry>, Arc<ExporterEntry>) {
    let ledger = Ledger::default();
    (ledger.gadget("execs").exporter("otlp_grpc"), ledger.gadget("opens").exporter("otlp_grpc"))
}

fn offer(sender: &Sender, entry: &Arc<ExporterEntry>, bytes: &[u8], records: u64) -> bool {
    entry.accepted.add(records);
    sender.offer(Chunk { bytes, records, entry })
}

fn dropped(entry: &ExporterEntry, reason: DropReason) -> u64 {
    entry.totals().dropped.iter().find(|(r, _)| *r == reason).unwrap().1
}

const FOREVER: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn chunks_of_several_gadgets_become_one_request_in_the_order_they_came() {
    let script = Script::new([]);
    let sender = spawn(settings(), &script);
    let (a, b) = entries();
    offer(&sender, &a, b"one", 1);
    offer(&sender, &b, b"two", 2);
    offer(&sender, &a, b"three", 3);
    sender.stop(FOREVER).await;
    assert_eq!(script.got(), [b"onetwothree".to_vec()]);
    assert_eq!((a.delivered.get(), b.delivered.get()), (4, 2));
    assert_eq!(sender.queue_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_small_request_leaves_after_the_flush_timeout_and_a_large_one_at_once() {
    let script = Script::new([]);
    let sender = spawn(settings(), &script);
    let (a, _) = entries();
    offer(&sender, &a, b"small", 1);
    tokio::time::sleep(Duration::from_millis(199)).await;
    assert!(script.got().is_empty());
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(script.got(), [b"small".to_vec()]);
    offer(&sender, &a, b"large", 8192);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(script.got().len(), 2);
    sender.stop(FOREVER).await;
}

#[tokio::test(start_paused = true)]
async fn no_request_grows_beyond_its_largest_size() {
    let script = Script::new([]);
    let mut settings = settings();
    settings.queue.batch = BatchSettings { sizer: Sizer::Items, min_size: 10, max_size: 10, ..BatchSettings::default() };
    let sender = spawn(settings, &script);
    let (a, _) = entries();
    (0..9).for_each(|_| assert!(offer(&sender, &a, b"1234", 4)));
    sender.stop(FOREVER).await;
    assert!(script.got().iter().all(|body| body.len() <= 8), "{:?}", script.got());
    assert_eq!(a.delivered.get(), 36);
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_receiver_gets_the_same_request_again_until_it_takes_it() {
    let script = Script::new([unavailable(), unavailable(), unavailable()]);
    let sender = spawn(settings(), &script);
    let (a, _) = entries();
    offer(&sender, &a, b"again", 5);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(sender.failing().as_deref(), Some("unavailable"));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(script.got(), vec![b"again".to_vec(); 4]);
    assert_eq!(a.delivered.get(), 5);
    assert_eq!(sender.failing(), None);
    sender.stop(FOREVER).await;
}

#[tokio::test(start_paused = true)]
async fn retries_end_after_max_elapsed_time_and_are_counted() {
    let script = Script::new(std::iter::repeat_n(unavailable(), 1000));
    let sender = spawn(settings(), &script);
    let (a, _) = entries();
    offer(&sender, &a, b"x", 5);
    tokio::time::sleep(Duration::from_secs(301)).await;
    assert_eq!(dropped(&a, DropReason::RetriesExhausted), 5);
    let attempts = script.got().len();
    assert!((8..40).contains(&attempts), "{attempts} attempts");
    sender.stop(FOREVER).await;
}

#[tokio::test(start_paused = true)]
async fn with_retries_off_the_first_failure_is_the_end() {
    let script = Script::new([unavailable()]);
    let sender = spawn(SenderSettings { retry: RetrySettings { enabled: false, ..RetrySettings::default() }, ..settings() }, &script);
    let (a, _) = entries();
    offer(&sender, &a, b"x", 5);
    sender.stop(FOREVER).await;
    assert_eq!((script.got().len(), dropped(&a, DropReason::RetriesExhausted)), (1, 5));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_a_pause_gets_it() {
    let script = Script::new([Outcome::Retry { after: Some(Duration::from_secs(100)), message: String::new() }]);
    let sender = spawn(settings(), &script);
    let (a, _) = entries();
    offer(&sender, &a, b"x", 1);
    tokio::time::sleep(Duration::from_secs(99)).await;
    assert_eq!(script.got().len(), 1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(script.got().len(), 2);
    sender.stop(FOREVER).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_not_sent_again_and_the_next_one_is() {
    let script = Script::new([Outcome::Refused { message: "bad".to_owned() }]);
    let sender = spawn(settings(), &script);
    let (a, _) = entries();
    offer(&sender, &a, b"x", 8192);
    offer(&sender, &a, b"y", 8192);
    sender.stop(FOREVER).await;
    assert_eq!(script.got().len(), 2);
    assert_eq!((dropped(&a, DropReason::Rejected), a.delivered.get()), (8192, 8192));
}

#[tokio::test(start_paused = true)]
async fn refused_records_of_a_partial_success_are_shared_out_and_their_sum_is_exact() {
    let script = Script::new([Outcome::Partial { rejected: 5, message: String::new() }]);
    let sender = spawn(settings(), &script);
    let (a, b) = entries();
    offer(&sender, &a, b"x", 10);
    offer(&sender, &b, b"y", 3);
    sender.stop(FOREVER).await;
    let (refused_a, refused_b) = (dropped(&a, DropReason::Rejected), dropped(&b, DropReason::Rejected));
    assert_eq!((refused_a, refused_b), (4, 1));
    assert_eq!((a.delivered.get(), b.delivered.get()), (6, 2));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_claims_to_refuse_more_than_it_got_refused_it_all() {
    let script = Script::new([Outcome::Partial { rejected: u64::MAX, message: String::new() }]);
    let sender = spawn(settings(), &script);
    let (a, _) = entries();
    offer(&sender, &a, b"x", 10);
    sender.stop(FOREVER).await;
    assert_eq!((dropped(&a, DropReason::Rejected), a.delivered.get(), a.totals().in_flight()), (10, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_the_new_and_counts_it_and_requests_under_way_count_as_queued() {
    let script = Script::new(std::iter::repeat_n(unavailable(), 3));
    let mut settings = settings();
    settings.queue.queue_size = QueueSize { amount: 10, bytes: true };
    let sender = spawn(settings, &script);
    let (a, b) = entries();
    assert!(offer(&sender, &a, b"12345", 2));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(script.got().len(), 1, "under way");
    assert!(offer(&sender, &a, b"67890", 2));
    assert!(!offer(&sender, &b, b"1", 7));
    assert_eq!((sender.queue_bytes(), sender.queue_limit()), (10, 10));
    sender.stop(FOREVER).await;
    assert_eq!(dropped(&b, DropReason::QueueFull), 7);
    assert_eq!((a.delivered.get(), a.totals().in_flight(), b.totals().in_flight()), (4, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_queue_can_be_limited_in_records_and_in_chunks() {
    for (sizer, limit, taken) in [(Some(Sizer::Items), 6, 2), (None, 5, 5)] {
        let script = Script::new([]);
        let mut settings = settings();
        settings.queue.queue_size = QueueSize { amount: limit, bytes: false };
        settings.queue.sizer = sizer;
        let sender = spawn(settings, &script);
        let (a, _) = entries();
        assert_eq!((0..9).filter(|_| offer(&sender, &a, b"x", 3)).count(), taken);
        sender.stop(FOREVER).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_is_tried_again_after_the_timeout() {
    let script = Arc::new(Script { hang: true, ..Script::default() });
    let sender = spawn(SenderSettings { timeout: Duration::from_secs(5), ..settings() }, &script);
    let (a, _) = entries();
    offer(&sender, &a, b"x", 1);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(sender.failing().as_deref(), Some("no answer within 5s"));
    sender.stop(Duration::from_secs(1)).await;
    assert_eq!((dropped(&a, DropReason::Shutdown), a.totals().in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_deadline_cuts_off_is_counted_queued_or_under_way() {
    let script = Script::new(std::iter::repeat_n(unavailable(), 1000));
    let sender = spawn(settings(), &script);
    let (a, b) = entries();
    offer(&sender, &a, b"x", 8192);
    offer(&sender, &b, b"y", 3);
    sender.stop(Duration::from_secs(2)).await;
    assert!(!offer(&sender, &b, b"late", 4));
    assert_eq!((dropped(&a, DropReason::Shutdown), dropped(&b, DropReason::Shutdown)), (8192, 7));
    assert_eq!((a.totals().in_flight(), b.totals().in_flight(), sender.queue_bytes()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_sit_out_a_long_back_off_when_the_receiver_is_back() {
    let script = Script::new([unavailable(), unavailable()]);
    let mut settings = settings();
    settings.retry.initial_interval = Duration::from_secs(100);
    settings.retry.max_interval = Duration::from_secs(100);
    let sender = spawn(settings, &script);
    let (a, _) = entries();
    offer(&sender, &a, b"x", 3);
    tokio::time::sleep(Duration::from_secs(1)).await;
    sender.stop(Duration::from_secs(2)).await;
    assert_eq!((script.got().len(), a.delivered.get()), (3, 3));
}

/// Even when the runtime goes away under the consumers, no record is left without an end.
#[test]
fn records_are_booked_when_the_runtime_ends_first() {
    let (a, _) = entries();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let script = Arc::new(Script { hang: true, ..Script::default() });
    let sender = Sender::spawn(ComponentId::from_str("otlp_grpc").unwrap(), settings(), script, runtime.handle());
    offer(&sender, &a, b"x", 8192);
    offer(&sender, &a, b"y", 2);
    std::thread::sleep(Duration::from_millis(50));
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(sender);
    assert_eq!((dropped(&a, DropReason::Shutdown), a.totals().in_flight()), (8194, 0));
}

/// Many threads, several consumers and every kind of answer: accepted = delivered + dropped, to the record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_closes_under_a_storm_of_every_outcome() {
    let outcomes = (0..600).map(|i| match i % 4 {
        0 => unavailable(),
        1 => Outcome::Partial { rejected: i % 7, message: String::new() },
        2 => Outcome::Refused { message: String::new() },
        _ => Outcome::Delivered,
    });
    let script = Script::new(outcomes);
    let mut settings = settings();
    settings.queue.num_consumers = 4;
    settings.queue.queue_size = QueueSize { amount: 20_000, bytes: true };
    settings.queue.batch = BatchSettings { min_size: 50, flush_timeout: Duration::from_millis(1), ..BatchSettings::default() };
    settings.retry.initial_interval = Duration::from_millis(1);
    let sender = spawn(settings, &script);
    let (a, b) = entries();
    let threads = [a.clone(), b.clone()].map(|entry| {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for i in 0..5000_u64 {
                offer(&sender, &entry, &[0; 97], i % 11);
                if i % 50 == 0 {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        })
    });
    tokio::task::spawn_blocking(|| threads.into_iter().for_each(|t| t.join().unwrap())).await.unwrap();
    sender.stop(Duration::from_secs(20)).await;
    for entry in [a, b] {
        let totals = entry.totals();
        assert_eq!(totals.accepted, totals.delivered + totals.dropped_total(), "{totals:?}");
        assert!(totals.delivered > 0 && dropped(&entry, DropReason::Rejected) > 0, "{totals:?}");
    }
    assert_eq!(sender.queue_bytes(), 0);
}

/// The sums that are logged are the ledger's, whatever their number.
#[tokio::test(start_paused = true)]
async fn losses_are_logged_now_and_then_and_none_is_left_unsaid() {
    let complaints = crate::exporter::sender::complaints::Complaints::default();
    assert_eq!(complaints.add(DropReason::Rejected, 3), Some(3));
    assert_eq!(complaints.add(DropReason::Rejected, 4), None);
    assert_eq!(complaints.add(DropReason::QueueFull, 1), Some(1), "another reason has its own time");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(complaints.add(DropReason::Rejected, 5), Some(9));
    assert_eq!(complaints.add(DropReason::Rejected, 6), None);
    assert_eq!(complaints.rest(), [(DropReason::Rejected, 6)]);
}
