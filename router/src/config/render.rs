//! The effective configuration as YAML: what `slipring config` prints.
//!
//! The text loads to the configuration it was made from, with one exception: a private key that
//! was written into the file is not printed.

use std::fmt::Write;

use super::substitute::escaped;
use super::text::{show_duration, show_size, word};
use super::{Authority, Certificate, Config, LIMITS, Server, TlsServer};

/// What stands where a private key would.
const HIDDEN: &str = "(not shown)";

/// `config` as one file.
pub(super) fn yaml(config: &Config) -> String {
    let mut page = Page::default();
    tracing(config, &mut page);
    runtime(config, &mut page);
    service(config, &mut page);
    own(config, &mut page);
    page.text
}

/// Lines so far, and how deep the next one is.
#[derive(Default)]
struct Page {
    text: String,
    depth: usize,
}

impl Page {
    /// One key with its value as it is to stand there.
    fn put(&mut self, key: &str, value: impl std::fmt::Display) {
        let indent = self.depth * 2;
        // Writing to a `String` cannot fail.
        let _infallible = writeln!(self.text, "{:indent$}{key}: {value}", "");
    }

    /// A key with what `inner` writes under it.
    fn under(&mut self, key: &str, inner: impl FnOnce(&mut Self)) {
        let indent = self.depth * 2;
        let _infallible = writeln!(self.text, "{:indent$}{key}:", "");
        self.depth += 1;
        inner(self);
        self.depth -= 1;
    }
}

fn tracing(config: &Config, page: &mut Page) {
    let log = &config.log;
    page.under("tracing", |page| {
        page.put("log_level", word(super::LEVELS, log.level));
        let filters = log.filters.iter().map(|filter| match filter.level {
            Some(level) => quoted(&format!("{}={}", filter.module, word(super::LEVELS, level))),
            None => quoted(&filter.module),
        });
        page.put("filters", list(filters));
        page.put("display_thread_names", log.thread_names);
        page.put("display_thread_ids", log.thread_ids);
    });
}

fn runtime(config: &Config, page: &mut Page) {
    page.under("runtime", |page| {
        page.put("thread_name", quoted(&config.thread_name));
        page.put(
            "drain_timeout",
            quoted(&show_duration(config.drain.deadline)),
        );
    });
}

fn service(config: &Config, page: &mut Page) {
    let node = &config.node;
    page.under("services", |page| {
        page.under(&quoted_key(&node.service), |page| {
            page.put("node_id", quoted(&node.node_id));
            if !node.deployment_name.is_empty() {
                page.put("domain_name", quoted(&node.deployment_name));
            }
            page.under("dataplane", |page| {
                page.put("enforce_pqc", config.enforce_pqc);
                page.under("servers", |page| {
                    for entry in &config.servers {
                        server(entry, page);
                    }
                });
            });
        });
    });
}

fn server(server: &Server, page: &mut Page) {
    page.put("- endpoint", quoted(&server.endpoint.to_string()));
    page.depth += 1;
    page.under("tls", |page| match &server.tls {
        None => page.put("insecure", true),
        Some(tls) => tls_keys(tls, page),
    });
    page.put("require_header_mac", server.require_header_mac);
    page.put(
        "negotiation_timeout_secs",
        server.negotiation_timeout.as_secs(),
    );
    if let Some(bytes) = server.max_frame_bytes {
        page.put("max_frame_size", bytes.div_ceil(1 << 20));
    }
    if let Some(bytes) = server.max_header_list_bytes {
        page.put("max_header_list_size", bytes);
    }
    page.put("max_concurrent_streams", server.streams_max);
    page.under("keepalive", |page| {
        page.put("time", quoted(&show_duration(server.keepalive.time)));
        page.put("timeout", quoted(&show_duration(server.keepalive.timeout)));
    });
    page.depth -= 1;
}

fn tls_keys(tls: &TlsServer, page: &mut Page) {
    page.under("source", |page| match &tls.certificate {
        Certificate::File { cert, key } => {
            page.put("type", "file");
            page.put("cert", quoted(&cert.to_string_lossy()));
            page.put("key", quoted(&key.to_string_lossy()));
        }
        Certificate::Pem { cert, .. } => {
            page.put("type", "pem");
            page.put("cert", quoted(cert));
            page.put("key", quoted(HIDDEN));
        }
    });
    if let Some(authority) = &tls.client_ca {
        page.under("client_ca", |page| match authority {
            Authority::File(path) => {
                page.put("type", "file");
                page.put("path", quoted(&path.to_string_lossy()));
            }
            Authority::Pem(text) => {
                page.put("type", "pem");
                page.put("data", quoted(text));
            }
        });
    }
    page.put(
        "tls_version",
        quoted(word(super::TLS_VERSIONS, tls.version)),
    );
}

fn own(config: &Config, page: &mut Page) {
    page.under("slipring", |page| {
        page.put("shards", config.shards);
        page.put("cpus", list(config.cpus.iter().map(ToString::to_string)));
        page.put("io", word(super::IO_CHOICES, config.io));
        page.under("limits", |page| {
            for bound in LIMITS {
                if let Some(value) = config.limits.find(bound.name) {
                    page.put(bound.name, bound.show(value));
                }
            }
            if let Some(bytes) = config.limits.memory_bytes_max {
                page.put("memory_bytes_max", show_size(bytes));
            }
        });
        page.under("admin", |page| {
            match config.admin.http {
                Some(address) => page.put("http", quoted(&address.to_string())),
                None => page.put("http", quoted("off")),
            }
            page.put("control", quoted(&config.admin.control.to_string_lossy()));
        });
        page.under("drain", |page| {
            page.put("spread", quoted(&show_duration(config.drain.spread)));
        });
        page.under("log", |page| {
            page.put("format", word(super::LOG_FORMATS, config.log.format));
        });
    });
}

/// A list in one line.
fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A value in double quotes, as YAML reads them; a reference in it is kept from being one.
fn quoted(text: &str) -> String {
    quoted_key(&escaped(text))
}

/// A key in double quotes: references are not looked for in keys.
fn quoted_key(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            ' '..='~' => quoted.push(letter),
            letter if letter.is_alphanumeric() => quoted.push(letter),
            letter => {
                let _infallible = match u32::from(letter) {
                    code @ ..=0xffff => write!(quoted, "\\u{code:04x}"),
                    code => write!(quoted, "\\U{code:08x}"),
                };
            }
        }
    }
    quoted.push('"');
    quoted
}
