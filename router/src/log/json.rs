//! One JSON object per event.

use std::fmt;

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

use crate::json::Object;

/// The format: `timestamp`, `level`, `target`, the thread if asked for, `message`, then the fields.
pub(super) struct JsonLines {
    /// Whether lines carry the thread's name.
    pub(super) names: bool,
    /// Whether lines carry the thread's number.
    pub(super) ids: bool,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = String::new();
        let mut object = Object::begin(&mut line);
        object.text("timestamp", &time);
        object.text("level", event.metadata().level().as_str());
        object.text("target", event.metadata().target());
        let thread = std::thread::current();
        if self.names {
            object.text("thread", thread.name().unwrap_or_default());
        }
        if self.ids {
            object.text("thread_id", &format!("{:?}", thread.id()));
        }
        event.record(&mut Members(&mut object));
        object.end();
        line.push('\n');
        writer.write_str(&line)
    }
}

/// Writes each field as a member.
struct Members<'a, 'b>(&'a mut Object<'b>);

impl Visit for Members<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.text(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.text(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.plain(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.plain(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.plain(field.name(), value);
    }
}
