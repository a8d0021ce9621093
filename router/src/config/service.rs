//! The `services` section: the one service of this process, its listeners, and the parts of a
//! reference service that we refuse by name because leaving them out would change who is let in
//! or who is reached.

use super::report::Report;
use super::section::{Field, Section, Unknown};
use super::shape::{Shape, check, check_tagged};
use super::unserved::{CLIENT, CLIENT_TEMPLATE, PEERS, SERVICE_AUTH};
use super::{Endpoint, Server, server};

/// The longest name a node or domain may have, in bytes; it travels in every negotiation.
const NAME_BYTES_MAX: usize = 255;

/// What [`is_name`] asks for, in words.
const A_NAME: &str = "1 to 255 bytes without control characters";

/// What the one entry of `services` says.
pub(super) struct Service {
    /// Its key, `slim/<name>`.
    pub(super) key: String,
    /// `node_id`.
    pub(super) node_id: Option<String>,
    /// `domain_name`.
    pub(super) domain_name: Option<String>,
    /// `dataplane.enforce_pqc`.
    pub(super) enforce_pqc: bool,
    /// `dataplane.servers`.
    pub(super) servers: Vec<Server>,
}

/// Reads the section; `streams_max` bounds the streams of every listener's transports.
pub(super) fn read(field: &Field<'_>, streams_max: u32, report: &mut Report) -> Option<Service> {
    let section = field.section(report)?;
    let mut services = Vec::new();
    for (index, (key, field)) in section.fields().enumerate() {
        if index == 1 {
            field.refuse(report, || {
                "only one service runs in a process; start another for this one".to_owned()
            });
        }
        if !key.strip_prefix("slim/").is_some_and(is_name) {
            field.refuse(report, || {
                format!("expected a service called slim/<name>, <name> being {A_NAME}")
            });
        }
        services.extend(read_service(key, &field, streams_max, report));
    }
    if section.fields().next().is_none() {
        field.refuse(report, || {
            "expected one service, called slim/<name>".to_owned()
        });
    }
    services.into_iter().next()
}

fn read_service(
    key: &str,
    field: &Field<'_>,
    streams_max: u32,
    report: &mut Report,
) -> Option<Service> {
    let mut section = field.section(report)?;
    let node_id = read_name(&mut section, "node_id", report);
    let domain_name = read_name(&mut section, "domain_name", report);
    if let Some(field) = section.take("auth") {
        check_tagged(&field, SERVICE_AUTH, Unknown::Warn, report);
        field.refuse(report, || {
            "not supported yet: there is no control plane to show it to".to_owned()
        });
    }
    let dataplane = section.take("dataplane");
    if let Some(field) = section.take("controller") {
        read_controller(&field, streams_max, report);
    }
    if let Some(field) = section.take("peers") {
        check(&field, &PEERS, report);
        field.refuse(report, || "not supported yet".to_owned());
    }
    section.close(Unknown::Refuse, report);
    let Some(dataplane) = dataplane else {
        refuse_without_servers(&section, report);
        return None;
    };
    let (enforce_pqc, servers) = read_dataplane(&dataplane, streams_max, report)?;
    Some(Service {
        key: key.to_owned(),
        node_id,
        domain_name,
        enforce_pqc,
        servers,
    })
}

fn read_name(section: &mut Section<'_>, key: &'static str, report: &mut Report) -> Option<String> {
    let field = section.take(key)?;
    let name = field.text(report)?;
    if !is_name(name) {
        field.refuse(report, || format!("expected {A_NAME}"));
        return None;
    }
    Some(name.to_owned())
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn read_dataplane(
    field: &Field<'_>,
    streams_max: u32,
    report: &mut Report,
) -> Option<(bool, Vec<Server>)> {
    let mut section = field.section(report)?;
    let enforce_pqc = section.take("enforce_pqc");
    let enforce_pqc = enforce_pqc.and_then(|field| field.boolean(report)) == Some(true);
    let listeners = section.take("servers");
    if let Some(field) = section.take("clients") {
        refuse_entries(&field, &CLIENT, report);
    }
    if let Some(field) = section.take("outbound_clients") {
        check(&field, &Shape::List(&CLIENT_TEMPLATE), report);
        field.warn(report, || {
            "no effect in the data plane, as in the reference".to_owned()
        });
    }
    section.close(Unknown::Refuse, report);
    let items = match &listeners {
        Some(field) => field.items(report),
        None => Vec::new(),
    };
    if items.is_empty() && listeners.as_ref().is_none_or(Field::is_list) {
        refuse_without_servers(&section, report);
    }
    let mut servers: Vec<Server> = Vec::new();
    for item in &items {
        let Some(server) = server::read(item, enforce_pqc, streams_max, report) else {
            continue;
        };
        compare(&server, &servers, item, report);
        servers.push(server);
    }
    Some((enforce_pqc, servers))
}

/// Says what is remarkable about a listener beside those before it.
fn compare(server: &Server, before: &[Server], field: &Field<'_>, report: &mut Report) {
    // The system chooses another port for each listener that asks for port 0.
    let is_chosen = matches!(&server.endpoint, Endpoint::Tcp(address) if address.port() == 0);
    if !is_chosen && before.iter().any(|other| other.endpoint == server.endpoint) {
        field.refuse(report, || {
            format!("another server has the endpoint {} too", server.endpoint)
        });
    }
    let strictness = |server: &Server| (server.require_header_mac, server.negotiation_timeout);
    if before
        .first()
        .is_some_and(|first| strictness(first) != strictness(server))
    {
        field.warn(report, || {
            "require_header_mac and the negotiation timeout hold for each server by itself; \
             the reference takes the first server's for all"
                .to_owned()
        });
    }
}

/// A controller section is fine as long as it asks for nothing.
fn read_controller(field: &Field<'_>, streams_max: u32, report: &mut Report) {
    let Some(mut section) = field.section(report) else {
        return;
    };
    if let Some(field) = section.take("enforce_pqc") {
        field.boolean(report);
    }
    if let Some(field) = section.take("servers") {
        let items = field.items(report);
        for item in &items {
            server::read(item, false, streams_max, report);
        }
        if !items.is_empty() {
            field.refuse(report, || "not supported yet".to_owned());
        }
    }
    if let Some(field) = section.take("clients") {
        refuse_entries(&field, &CLIENT, report);
    }
    if let Some(field) = section.take("outbound_clients") {
        refuse_entries(&field, &CLIENT_TEMPLATE, report);
    }
    section.close(Unknown::Refuse, report);
}

/// Checks the entries of a list we do not serve, and refuses the list unless it is empty.
fn refuse_entries(field: &Field<'_>, shape: &Shape, report: &mut Report) {
    let items = field.items(report);
    for item in &items {
        check(item, shape, report);
    }
    if !items.is_empty() {
        field.refuse(report, || "not supported yet".to_owned());
    }
}

fn refuse_without_servers(section: &Section<'_>, report: &mut Report) {
    report.error(section.at, &section.path, || {
        "nothing to listen on: dataplane.servers needs an entry".to_owned()
    });
}
