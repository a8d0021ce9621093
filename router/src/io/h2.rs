//! Every HTTP/2 setting, by name, even where it equals the library's default.

use std::time::Duration;

use h2::server::Builder;

use crate::config::{Limits, Server};

/// The largest frame we take, in bytes: large frames let senders batch.
const FRAME_BYTES_MAX: u32 = 1 << 20;

/// The largest header list we take, in bytes; it bounds CONTINUATION frames too.
const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;

/// Bytes that `h2` may hold for one stream: a ceiling for one grant. The queue is in the core.
pub const SEND_BUFFER_BYTES_MAX: usize = 512 << 10;

/// Budget for small DATA frames that wait unread, in bytes, before the connection counts as abusive.
const DATA_FRAME_BUDGET_BYTES: usize = 1 << 20;

/// Streams that were reset by the peer before they were accepted.
const PENDING_RESETS_MAX: usize = 10;

/// Streams that we reset because of what the peer sent.
const LOCAL_ERROR_RESETS_MAX: usize = 64;

/// Reset streams that are remembered, and for how long.
const RESETS_KEPT_MAX: usize = 10;
const RESETS_KEPT_FOR: Duration = Duration::from_secs(1);

/// The settings of one listener's connections.
#[must_use]
pub fn server(limits: &Limits, server: &Server) -> Builder {
    let window = window(limits.window_idle_bytes);
    let mut builder = Builder::new();
    builder
        .initial_window_size(window)
        .initial_connection_window_size(window)
        .max_frame_size(server.max_frame_bytes.unwrap_or(FRAME_BYTES_MAX))
        .max_header_list_size(
            server
                .max_header_list_bytes
                .unwrap_or(HEADER_LIST_BYTES_MAX),
        )
        .max_concurrent_streams(server.streams_max)
        .max_concurrent_reset_streams(RESETS_KEPT_MAX)
        .reset_stream_duration(RESETS_KEPT_FOR)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(Some(LOCAL_ERROR_RESETS_MAX))
        .max_send_buffer_size(SEND_BUFFER_BYTES_MAX)
        .data_frame_budget(DATA_FRAME_BUDGET_BYTES);
    builder
}

/// A window as HTTP/2 counts it.
#[must_use]
pub fn window(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).min((1 << 31) - 1)
}
