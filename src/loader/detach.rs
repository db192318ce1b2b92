//! Detaches in a thread of its own: closing a perf event takes the kernel 70 to 120 ms, and what is attached next should not wait for that.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Drops things one after another, elsewhere. Dropping it waits until all of them are gone.
pub(super) struct Reaper<K, T: Send + 'static> {
    name: String,
    shared: Arc<Shared<K, T>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<K, T> {
    queue: Mutex<Queue<K, T>>,
    changed: Condvar,
}

struct Queue<K, T> {
    waiting: VecDeque<(K, T)>,
    /// What is being dropped right now.
    going: Option<K>,
    closed: bool,
}

impl<K: Clone + Eq + Send + 'static, T: Send + 'static> Reaper<K, T> {
    /// Without a thread until there is something to drop.
    pub(super) fn new(gadget: &str) -> Self {
        let queue = Queue { waiting: VecDeque::new(), going: None, closed: false };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), changed: Condvar::new() });
        Reaper { name: format!("detach {gadget}"), shared, thread: None }
    }

    /// Has something dropped soon. Where the system has no thread left it is dropped here.
    pub(super) fn put(&mut self, key: K, thing: T) {
        if self.thread.is_none() {
            let shared = self.shared.clone();
            match std::thread::Builder::new().name(self.name.clone()).spawn(move || shared.work()) {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "no thread to detach in");
                    return drop(thing);
                }
            }
        }
        self.shared.queue().waiting.push_back((key, thing));
        self.shared.changed.notify_all();
    }

    /// Something back that was not dropped yet. When it is just being dropped, waits until it is gone: what is attached twice for a
    /// moment reports everything twice.
    pub(super) fn take_back(&mut self, key: &K) -> Option<T> {
        let mut queue = self.shared.queue();
        if let Some(at) = queue.waiting.iter().position(|(k, _)| k == key) {
            return queue.waiting.remove(at).map(|(_, thing)| thing);
        }
        while queue.going.as_ref() == Some(key) {
            queue = self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}

impl<K: Clone + Eq, T> Shared<K, T> {
    fn work(&self) {
        let mut queue = self.queue();
        loop {
            if let Some((key, thing)) = queue.waiting.pop_front() {
                queue.going = Some(key);
                drop(queue);
                drop(thing);
                queue = self.queue();
                queue.going = None;
                self.changed.notify_all();
            } else if queue.closed {
                return;
            } else {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl<K, T> Shared<K, T> {
    fn queue(&self) -> MutexGuard<'_, Queue<K, T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, T: Send + 'static> Drop for Reaper<K, T> {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("thread that detaches ended in a panic");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::Reaper;

    /// Says when its dropping begins, and takes until it is allowed to.
    struct Slow(u32, Sender<u32>, Receiver<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            self.1.send(self.0).unwrap();
            self.2.recv().unwrap();
        }
    }

    /// Dropping happens elsewhere and in order; what waits can be had back, what is going is waited for, and the end waits for all.
    #[test]
    fn drops_elsewhere() {
        let (told, dropped) = channel();
        let slow = |number| {
            let (allow, allowed) = channel();
            (allow, Slow(number, told.clone(), allowed))
        };
        let ((first, one), (second, two), (third, three)) = (slow(1), slow(2), slow(3));
        let mut reaper = Reaper::new("test");
        for thing in [one, two, three] {
            reaper.put(thing.0, thing);
        }
        assert_eq!(dropped.recv().unwrap(), 1);
        let two = reaper.take_back(&2).unwrap();
        assert!(reaper.take_back(&2).is_none());
        first.send(()).unwrap();
        assert!(reaper.take_back(&1).is_none());
        assert_eq!(dropped.recv().unwrap(), 3);
        third.send(()).unwrap();
        drop(reaper);
        assert!(dropped.try_recv().is_err());
        second.send(()).unwrap();
        drop(two);
        assert_eq!(dropped.recv().unwrap(), 2);
    }
}
