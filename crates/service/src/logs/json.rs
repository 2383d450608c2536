//! The layer that writes an event as one flat JSON object.
//!
//! `tracing-subscriber`'s own JSON format nests span fields; this one puts them beside the event's, an inner span winning over
//! an outer one and the event over both. `time`, `level`, `target` and `message` come first and cannot be overridden.

use serde_json::{Map, Value};
use std::fmt::Debug;
use std::io::Write;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The keys that an event's own fields cannot take.
const OURS: [&str; 4] = ["time", "level", "target", "message"];

/// Writes each event as one flat JSON object.
pub(super) struct Json<W> {
    writer: W,
}

impl<W> Json<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer }
    }
}

/// The fields of a span, kept with it until it closes.
struct Fields(Map<String, Value>);

impl<S, W> Layer<S> for Json<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Map::new();
        attributes.record(&mut Visitor(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Fields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(&mut Visitor(&mut fields.0));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Map::new();
        for span in
            context.event_scope(event).into_iter().flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            if let Some(Fields(outer)) = span.extensions().get::<Fields>() {
                fields.extend(outer.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        event.record(&mut Visitor(&mut fields));
        let line = line(event, fields);
        // A log that cannot be written has nowhere to complain to.
        let _lost = self.writer.make_writer_for(event.metadata()).write_all(line.as_bytes());
    }
}

/// The whole line, its newline included, so that one write carries it and lines of threads do not mix.
fn line(event: &Event<'_>, mut fields: Map<String, Value>) -> String {
    let mut time = String::new();
    let _cannot_fail_on_a_string = SystemTime.format_time(&mut Writer::new(&mut time));
    let message = fields.remove("message").unwrap_or_else(|| Value::from(""));
    let level = Value::from(level(*event.metadata().level()));
    let target = Value::from(event.metadata().target());
    let mut line =
        format!(r#"{{"time":{},"level":{level},"target":{target},"message":{message}"#, Value::from(time));
    for (name, value) in &fields {
        if !OURS.contains(&name.as_str()) {
            line.push(',');
            line.push_str(&Value::from(name.as_str()).to_string());
            line.push(':');
            line.push_str(&value.to_string());
        }
    }
    line.push_str("}\n");
    line
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

struct Visitor<'a>(&'a mut Map<String, Value>);

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), Value::from(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing::{info, info_span, warn};
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines_of(body: impl FnOnce()) -> Vec<Value> {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::registry().with(Json::new(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, body);
        let bytes = sink.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn span_fields_lie_beside_the_events_own() {
        let lines = lines_of(|| {
            let _cluster = info_span!("cluster", namespace = "shop", cluster = "orders", term = 1).entered();
            let member = info_span!("member", member = "orders-7k2qd", term = tracing::field::Empty);
            member.record("term", 2_u64);
            let _member = member.entered();
            info!(standbys = 2, healthy = true, "serving \"now\"\n");
        });
        let line = &lines[0];
        assert_eq!(line["message"], "serving \"now\"\n");
        assert_eq!(line["level"], "info");
        assert_eq!(line["namespace"], "shop");
        assert_eq!(line["member"], "orders-7k2qd");
        assert_eq!(line["term"], 2, "the inner span wins");
        assert_eq!(line["standbys"], 2);
        assert_eq!(line["healthy"], true);
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    }

    #[test]
    fn a_field_cannot_pass_for_the_level() {
        let lines = lines_of(|| warn!(level = "info", time = "never", error = %"it broke", "careful"));
        assert_eq!(lines[0]["level"], "warn");
        assert_ne!(lines[0]["time"], "never");
        assert_eq!(lines[0]["error"], "it broke");
    }
}
