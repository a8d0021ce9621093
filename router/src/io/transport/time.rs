//! What a transport does because time passed: it gives up silent peers and empty connections, and lends
//! receive window to those that use it.

use std::task::{Context, Poll};

use h2::Ping;
use slipring_core::{RefuseReason, Time};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{LINGER, Phase, Transport};
use crate::io::{
    h2::window,
    link::LinkStream,
    runtime::{Runtime, Stream},
};

impl<R, S, T> Transport<R, S, T>
where
    R: Runtime,
    S: Stream,
    T: AsyncRead + AsyncWrite + Unpin,
{
    /// Lends an active transport a larger window, and takes it back from an idle one.
    pub(super) fn adjust_window(&mut self) {
        self.set_stream_window();
        let limits = &self.shard.config().limits;
        let received: u64 = self.links.iter().map(LinkStream::received_bytes).sum();
        if self.lent_bytes == 0 && received >= limits.window_idle_bytes {
            let more = limits
                .window_connection_bytes
                .saturating_sub(limits.window_idle_bytes);
            if more > 0 && self.shard.lend_window(more) {
                self.lent_bytes = more;
                self.received_at_last_check = received;
                self.set_windows(limits.window_connection_bytes, limits.window_stream_bytes);
            }
        }
    }

    /// Tells the peer the window of a stream, unless an earlier change is not acknowledged yet.
    fn set_stream_window(&mut self) {
        if let Some(stream) = self.unset_window
            && self
                .connection
                .set_initial_window_size(window(stream))
                .is_ok()
        {
            self.unset_window = None;
        }
    }

    fn set_windows(&mut self, connection: u64, stream: u64) {
        self.connection.set_target_window_size(window(connection));
        self.unset_window = Some(stream);
        self.set_stream_window();
    }

    /// Keeps the transport's own deadlines. Ready when one ends it.
    pub(super) fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = self.shard.now();
            let deadline = self.deadline(now);
            if deadline <= now {
                if self.expire(now) {
                    return Poll::Ready(());
                }
                continue;
            }
            // A timer that was polled wakes this task by itself; asking it again in each turn costs a
            // place in the runtime's queue of timers. One that is set too late is replaced.
            if self.timer_at <= deadline && self.timer_at > now {
                return self.poll_pong(cx);
            }
            self.timer = R::sleep(deadline.since(now));
            self.timer_at = deadline;
            if self.timer.as_mut().poll(cx).is_pending() {
                return self.poll_pong(cx);
            }
            self.timer_at = Time::ZERO;
        }
    }

    fn deadline(&self, now: Time) -> Time {
        let idle = self.idle_since.map(|since| self.idle_until(since));
        let keepalive = &self.options.keepalive;
        let silence = if self.is_probing {
            keepalive.timeout
        } else {
            keepalive.time
        };
        let probe = self
            .ping_pong
            .as_ref()
            .map(|_| self.last_heard.after(silence));
        [idle, probe]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or_else(|| now.after(keepalive.time))
    }

    /// When a transport that has had no link since `since` is over.
    fn idle_until(&self, since: Time) -> Time {
        match self.phase {
            Phase::Open => {
                let until = since.after(self.shard.config().limits.stream_timeout);
                // A drain does not wait for a link that may never come.
                until.min(self.shard.drain_deadline().unwrap_or(until))
            }
            // A slow peer may take what its last link left behind until the drain ends.
            Phase::Announced => since
                .after(LINGER)
                .max(self.shard.drain_deadline().unwrap_or_default()),
            Phase::Closing => since.after(LINGER),
        }
    }

    /// Acts on the deadline that passed. True if the transport is over.
    fn expire(&mut self, now: Time) -> bool {
        if let Some(since) = self.idle_since
            && self.idle_until(since) <= now
        {
            if self.phase == Phase::Open {
                self.shard.refuse(RefuseReason::StreamTimeout);
            }
            return true;
        }
        if self.is_probing {
            return true;
        }
        self.return_idle_window();
        self.is_probing = self
            .ping_pong
            .as_mut()
            .is_some_and(|ping| ping.send_ping(Ping::opaque()).is_ok());
        self.last_heard = now;
        false
    }

    fn return_idle_window(&mut self) {
        let received: u64 = self.links.iter().map(LinkStream::received_bytes).sum();
        let was_idle = received == self.received_at_last_check;
        self.received_at_last_check = received;
        if was_idle && self.lent_bytes > 0 {
            let idle = self.shard.config().limits.window_idle_bytes;
            self.set_windows(idle, idle);
            self.shard
                .return_window(std::mem::take(&mut self.lent_bytes));
        }
    }

    fn poll_pong(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_probing
            && let Some(ping_pong) = &mut self.ping_pong
        {
            match ping_pong.poll_pong(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(_)) => {
                    self.is_probing = false;
                    self.last_heard = self.shard.now();
                    // The timer was set for the answer; it is set for the next silence instead.
                    self.timer_at = Time::ZERO;
                    cx.waker().wake_by_ref();
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }
}
