//! The threads that carry links: each pinned to a CPU, each with a runtime of its own.
//!
//! A current-thread runtime per thread keeps a link, its publisher and its subscriber on one core
//! without locks changing hands; the coordinator spawns onto a thread by its number.

use std::io;
use std::thread;

use core_affinity::CoreId;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::plan::Threads;

/// The running threads. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Fleet {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    handle: Handle,
    /// Dropped first, which ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Fleet {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread or no event queue, or a CPU cannot be pinned to.
    pub(crate) fn start(threads: &Threads) -> io::Result<Self> {
        let allowed = core_affinity::get_core_ids().unwrap_or_default();
        let is_missing = |cpu: &&usize| !allowed.contains(&CoreId { id: **cpu });
        if let Some(cpu) = threads.cpus.iter().find(is_missing) {
            return Err(io::Error::other(format!(
                "there is no CPU {cpu} to pin to; see --cpus"
            )));
        }
        let mut members = Vec::with_capacity(threads.count);
        for index in 0..threads.count {
            let cpu = threads.cpus.get(index % threads.cpus.len().max(1)).copied();
            members.push(Member::start(index, cpu)?);
        }
        Ok(Self { members })
    }

    /// How many threads there are, at least one.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Runs a task on thread `index`, modulo their number.
    pub(crate) fn spawn<F>(&self, index: usize, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.members[index % self.members.len()].handle.spawn(task)
    }
}

impl Member {
    fn start(index: usize, cpu: Option<usize>) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (pinned, outcome) = std::sync::mpsc::channel();
        let thread = thread::Builder::new()
            .name(format!("load-{index}"))
            .spawn(move || {
                let done = cpu.is_none_or(|id| core_affinity::set_for_current(CoreId { id }));
                // The starter waits for this; it cannot be gone.
                pinned.send(done).unwrap_or_default();
                if done {
                    // Ends when the fleet is dropped, which is an error of the channel.
                    runtime.block_on(stopped).unwrap_or_default();
                }
            })?;
        if outcome.recv().unwrap_or(false) {
            return Ok(Self {
                handle,
                stop: Some(stop),
                thread: Some(thread),
            });
        }
        let cpu = cpu.unwrap_or_default();
        Err(io::Error::other(format!(
            "cannot pin a thread to CPU {cpu}; see --cpus"
        )))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has printed itself.
            thread.join().unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_run_on_the_thread_they_are_given_to() {
        let fleet = Fleet::start(&Threads {
            count: 2,
            cpus: Vec::new(),
        })
        .unwrap();
        let name = || async { thread::current().name().map(str::to_owned) };
        let tasks = [0, 1, 2].map(|index| fleet.spawn(index, name()));
        let runtime = Builder::new_current_thread().build().unwrap();
        let names = runtime.block_on(async {
            let mut names = Vec::new();
            for task in tasks {
                names.push(task.await.unwrap().unwrap());
            }
            names
        });
        assert_eq!(names, ["load-0", "load-1", "load-0"]);
    }

    #[test]
    fn a_cpu_that_is_not_there_is_an_error() {
        let refused = Fleet::start(&Threads {
            count: 1,
            cpus: vec![1_000_000],
        });
        assert!(refused.is_err());
    }
}
