//! Lines from any thread to one thread that writes them.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, SyncSender, TrySendError},
    },
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait to be written.
const LINES_MAX: usize = 4_096;

/// What the writing thread is sent.
enum Job {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The way to the writing thread.
#[derive(Clone, Debug)]
pub(super) struct Output {
    jobs: SyncSender<Job>,
    lost: Arc<AtomicU64>,
}

impl Output {
    /// Starts the thread, which ends when every clone of the result is gone.
    pub(super) fn start(mut target: impl Write + Send + 'static) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::sync_channel(LINES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&lost);
        let write = move || {
            let mut told = 0;
            for job in waiting {
                match job {
                    // Nobody can be told that nobody can be told.
                    Job::Line(line) => drop(target.write_all(&line)),
                    Job::Flush(done) => {
                        drop(target.flush());
                        done.try_send(()).ok();
                    }
                }
                let lines = count.load(Ordering::Relaxed);
                if std::mem::replace(&mut told, lines) != lines {
                    tracing::warn!(
                        lines,
                        "log lines were lost because nobody read them in time"
                    );
                }
            }
        };
        std::thread::Builder::new()
            .name("slipring-log".to_owned())
            .spawn(write)?;
        Ok(Self { jobs, lost })
    }

    /// Waits until the lines sent so far are written, or until `patience` ends.
    pub(super) fn flush(&self, patience: Duration) {
        let (done, flushed) = mpsc::sync_channel(1);
        // A full channel means that nobody reads; then waiting would be in vain.
        if self.jobs.try_send(Job::Flush(done)).is_ok() {
            flushed.recv_timeout(patience).ok();
        }
    }

    /// Lines that found the channel full.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

/// An event is written by one call, so that lines never mix.
impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.jobs.try_send(Job::Line(line.to_vec())) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Memory that lines are written to.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(super) struct Sink(Arc<std::sync::Mutex<Vec<u8>>>);

#[cfg(test)]
impl Sink {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A standard error that nobody reads.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Ends when the test drops its end.
            self.0.recv().ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_does_not_read_costs_lines_and_no_time() {
        let (release, stuck) = mpsc::channel();
        let mut output = Output::start(Stuck(stuck)).unwrap();
        let lines = LINES_MAX as u64 * 2;
        for _ in 0..lines {
            assert_eq!(output.write(b"line\n").unwrap(), 5);
        }
        // One line may be in the writer's hands.
        assert!((lines - LINES_MAX as u64 - 1..lines).contains(&output.lost()));
        output.flush(Duration::from_secs(60));
        drop(release);
    }

    #[test]
    fn a_closed_reader_is_not_a_fault() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let mut output = Output::start(Closed).unwrap();
        output.write_all(b"line\n").unwrap();
        output.flush(Duration::from_secs(10));
        output.write_all(b"line\n").unwrap();
        assert_eq!(output.lost(), 0);
    }
}
