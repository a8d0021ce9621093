//! What the keys mean: files as the reference's operators write them, defaults, references to the
//! environment and to files, and which of two files wins.

mod config_support;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use config_support::{host, load_on, load_own, load_text};
use slipring::config::{
    ADMIN_HTTP, Authority, Certificate, Config, Endpoint, Filter, IoChoice, LIMITS, Level,
    LogFormat, TlsVersion,
};

const PLAIN_NODE: &str = r#"
# A first node, in clear text.
tracing:
  log_level: debug
  display_thread_names: true
  display_thread_ids: true

runtime:
  n_cores: 0
  thread_name: "slim-data-plane"
  drain_timeout: 10s

services:
  slim/0:
    dataplane:
      servers:
        - endpoint: "0.0.0.0:46357"
          tls:
            insecure: true
      clients: []
    controller:
      servers: []
      clients: []
"#;

const TLS_NODE: &str = r#"
services:
  slim/edge-1:
    node_id: ${env:NODE:-edge-1}
    domain_name: plant.example
    dataplane:
      enforce_pqc: true
      servers:
        - endpoint: "[::]:46357"
          metadata: {local_endpoint: node.example, zone: [a, b], nested: {any: thing}}
          require_header_mac: false
          link_hmac_timeout_secs: 9
          link_hmac_poll_interval_ms: 5
          max_frame_size: 4
          max_header_list_size: 65536
          max_concurrent_streams: 4
          keepalive: {time: 1m30s, timeout: 500ms, max_connection_idle: 1h}
          auth: {type: none}
          tls:
            tls_version: tls1.3
            reload_interval: 5m
            source: {type: file, cert: /etc/slim/tls.crt, key: /etc/slim/tls.key}
            client_ca: {type: file, path: /etc/slim/ca.crt}
        - endpoint: "127.0.0.1:46358"
          tls:
            tls_version: "tls1.3"
            source:
              type: pem
              cert: ${file:/etc/cert.pem}
              key: ${file:/etc/key.pem}
            client_ca:
              type: pem
              data: |
                AUTHORITY
        - endpoint: unix:///run/slim/node.sock
          tls: {insecure: true}
          http2_only: true
"#;

/// A node with one listener, whose first lines are the test's.
fn node(first: &str) -> Config {
    let rest = "services: {slim/0: {dataplane: {servers: [{endpoint: '127.0.0.1:1', \
                tls: {insecure: true}}]}}}";
    let loaded = load_text(&format!("{first}\n{rest}\n"));
    loaded.unwrap_or_else(|errors| panic!("{first}: {errors}"))
}

fn own(section: &str) -> Config {
    load_own(section).unwrap_or_else(|errors| panic!("{section}: {errors}"))
}

#[test]
fn without_a_file_a_node_listens_on_loopback_in_clear_text() {
    let config = load_on(&host(), None, None, true).expect("the built-in file loads");
    let addresses: Vec<String> = config
        .servers
        .iter()
        .map(|s| s.endpoint.to_string())
        .collect();
    assert_eq!(addresses, ["127.0.0.1:46357"]);
    let server = &config.servers[0];
    assert!(server.tls.is_none() && server.require_header_mac);
    assert_eq!(server.negotiation_timeout, Duration::from_secs(5));
    assert_eq!(server.streams_max, 16);
    assert_eq!(server.keepalive.time, Duration::from_secs(120));
    assert_eq!(server.keepalive.timeout, Duration::from_secs(20));
    assert_eq!(config.node.service, "slim/0");
    assert_eq!(
        config.node.node_id,
        "node-00000000-0000-4000-8000-000000000007"
    );
    assert_eq!(config.node.deployment_name, "");
    assert_eq!(
        (config.shards.get(), config.cpus.as_slice()),
        (2, &[0, 1][..])
    );
    assert_eq!(config.io, IoChoice::Auto);
    assert_eq!(config.admin.http, Some(ADMIN_HTTP));
    assert_eq!(config.admin.control, host().control);
    assert_eq!(config.drain.deadline, Duration::from_secs(30));
    assert_eq!(config.drain.spread, Duration::from_secs(10));
    assert_eq!(
        (config.log.level, config.log.format),
        (Level::Info, LogFormat::Text)
    );
    assert!(config.log.thread_names && !config.log.thread_ids && config.log.filters.is_empty());
    assert!(!config.enforce_pqc && config.warnings.is_empty());
    for bound in LIMITS {
        assert_eq!(
            config.limits.find(bound.name),
            Some(bound.default),
            "{}",
            bound.name
        );
    }
}

#[test]
fn the_plain_node_of_the_reference_loads() {
    let config = load_text(PLAIN_NODE).expect("it loads");
    assert_eq!(config.thread_name, "slim-data-plane");
    assert_eq!(config.drain.deadline, Duration::from_secs(10));
    // The farewells are over in time for the queues to be flushed.
    assert_eq!(config.drain.spread, Duration::from_secs(5));
    assert_eq!(config.log.level, Level::Debug);
    assert!(config.log.thread_ids);
    assert_eq!(config.servers[0].endpoint.to_string(), "0.0.0.0:46357");
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
}

#[test]
fn the_tls_node_of_the_reference_loads() {
    let config = load_text(TLS_NODE).expect("it loads");
    assert_eq!(config.node.service, "slim/edge-1");
    assert_eq!(config.node.node_id, "edge-1");
    assert_eq!(config.node.deployment_name, "plant.example");
    assert!(config.enforce_pqc);
    let [first, second, third] = config.servers.as_slice() else {
        panic!("three listeners, found {:?}", config.servers);
    };
    assert!(!first.require_header_mac);
    assert_eq!(first.negotiation_timeout, Duration::from_secs(9));
    assert_eq!(first.max_frame_bytes, Some(4 << 20));
    assert_eq!(first.max_header_list_bytes, Some(65_536));
    assert_eq!(first.streams_max, 4);
    assert_eq!(first.keepalive.time, Duration::from_secs(90));
    assert_eq!(first.keepalive.timeout, Duration::from_millis(500));
    let tls = first.tls.as_ref().expect("TLS");
    assert_eq!(tls.version, TlsVersion::Tls13);
    let (cert, key) = ("/etc/slim/tls.crt".into(), "/etc/slim/tls.key".into());
    assert_eq!(tls.certificate, Certificate::File { cert, key });
    assert_eq!(
        tls.client_ca,
        Some(Authority::File("/etc/slim/ca.crt".into()))
    );

    let tls = second.tls.as_ref().expect("TLS");
    assert_eq!(
        tls.client_ca,
        Some(Authority::Pem("AUTHORITY\n".to_owned()))
    );
    let Certificate::Pem { cert, key } = &tls.certificate else {
        panic!("PEM, found {:?}", tls.certificate);
    };
    assert_eq!(
        (cert.as_str(), key.reveal()),
        ("CERTIFICATE\n", "PRIVATE KEY\n")
    );

    assert_eq!(
        third.endpoint,
        Endpoint::Unix(PathBuf::from("/run/slim/node.sock"))
    );
    assert!(third.tls.is_none());
}

#[test]
fn a_private_key_is_in_no_debug_output_and_in_no_printed_file() {
    let config = load_text(TLS_NODE).expect("it loads");
    assert!(!format!("{config:?}").contains("PRIVATE KEY"));
    assert!(!config.to_yaml().contains("PRIVATE KEY"));
}

#[test]
fn a_reference_takes_the_type_that_is_expected() {
    let config = load_text(
        r#"
runtime: {n_cores: "${env:CORES}", drain_timeout: "${env:SECONDS:-7}s"}
services:
  slim/0:
    node_id: "${env:CORES}"
    domain_name: "$${env:CORES}"
    dataplane:
      servers:
        - endpoint: "127.0.0.1:${env:PORT}"
          tls: {insecure: "${env:INSECURE}"}
        - endpoint: ${env:ADDRESS}
          tls: {insecure: "${env:EMPTY:-true}"}
slipring:
  shards: ${file:/etc/cores}
  limits: {links_max: "${env:PORT}"}
"#,
    )
    .expect("it loads");
    assert_eq!(config.drain.deadline, Duration::from_secs(7));
    assert_eq!(config.node.node_id, "1");
    assert_eq!(config.node.deployment_name, "${env:CORES}");
    assert_eq!(config.servers[0].endpoint.to_string(), "127.0.0.1:46400");
    assert_eq!(config.servers[1].endpoint.to_string(), "127.0.0.1:5000");
    assert_eq!(config.shards.get(), 2);
    assert_eq!(config.limits.links_max, 46_400);
}

#[test]
fn quoted_numbers_are_text_as_in_the_reference_and_keys_are_left_alone() {
    let errors = load_text("runtime: {n_cores: '4'}\n'${env:PORT}': {}\n").unwrap_err();
    let said = errors.to_string();
    assert!(
        said.contains("runtime.n_cores: expected a whole number, found text"),
        "{said}"
    );
    assert!(said.contains("${env:PORT}: unknown key"), "{said}");
}

#[test]
fn aliases_stand_for_what_they_name() {
    let config = load_text(
        r"
services:
  slim/0:
    dataplane:
      servers:
        - {endpoint: 127.0.0.1:1, tls: &clear {insecure: true}, keepalive: &slow {time: 9m}}
        - {endpoint: 127.0.0.1:2, tls: *clear, keepalive: *slow}
",
    )
    .expect("it loads");
    assert_eq!(config.servers[1].tls, None);
    assert_eq!(config.servers[1].keepalive.time, Duration::from_secs(540));
}

#[test]
fn the_overlay_wins_key_by_key_and_leaves_the_rest() {
    let base = "\
services: {slim/0: {dataplane: {servers: [{endpoint: '127.0.0.1:1', tls: {insecure: true}}]}}}
slipring:
  shards: 1
  io: epoll
  limits: {links_max: 100, names_max: 50}
  admin: {http: '127.0.0.1:5', control: /a}
  drain: {spread: 1s}
  log: {format: json}
";
    let overlay = "\
slipring:
  io: uring
  limits: {links_max: 200}
  admin: {http: off}
";
    let config = load_on(
        &host(),
        Some(base.as_bytes()),
        Some(overlay.as_bytes()),
        true,
    )
    .expect("both load");
    assert_eq!(config.shards.get(), 1);
    assert_eq!(config.io, IoChoice::Uring);
    assert_eq!(
        (config.limits.links_max, config.limits.names_max),
        (200, 50)
    );
    assert_eq!(config.admin.http, None);
    assert_eq!(config.admin.control, PathBuf::from("/a"));
    assert_eq!(config.drain.spread, Duration::from_secs(1));
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn an_overlay_alone_changes_the_built_in_node() {
    let config = own("slipring: {shards: 1, io: epoll}\n");
    assert_eq!((config.shards.get(), config.io), (1, IoChoice::Epoll));
    assert_eq!(config.servers.len(), 1);
    for nothing in ["", "slipring:\n", "# only a remark\n", "slipring: {}\n"] {
        assert_eq!(own(nothing).shards.get(), 2, "{nothing}");
    }
}

#[test]
fn shards_come_from_our_key_then_from_n_cores_then_from_the_mask() {
    assert_eq!(node("").cpus, [0, 1]);
    assert_eq!(node("runtime: {n_cores: 0}").cpus, [0, 1]);
    assert_eq!(node("runtime: {n_cores: 1}").cpus, [0]);
    assert_eq!(node("runtime: {n_cores: 9}").cpus, [0, 1]);
    assert_eq!(
        node("runtime: {n_cores: 1}\nslipring: {shards: 2}").cpus,
        [0, 1]
    );
    assert_eq!(node("slipring: {cpus: '1'}").cpus, [1]);
    assert_eq!(node("slipring: {cpus: 1}").cpus, [1]);
    assert_eq!(node("slipring: {cpus: [1, 0]}").cpus, [1, 0]);
    assert_eq!(node("slipring: {cpus: 0-1, shards: 2}").cpus, [0, 1]);
}

#[test]
fn a_mask_with_holes_a_huge_one_and_none_at_all_are_used_as_they_are() {
    let mut host = host();
    for (cpus, expected) in [
        (vec![7, 3, 3], vec![3, 7]),
        ((0..1_000).collect(), (0..255).collect()),
        (vec![], vec![0]),
    ] {
        host.cpus = cpus;
        let config = load_on(&host, None, None, false).expect("it loads");
        assert_eq!(config.cpus, expected);
        assert_eq!(usize::from(config.shards.get()), expected.len());
    }
}

#[test]
fn limits_are_read_in_their_units() {
    let config = own(
        "slipring: {limits: {links_max: 10, egress_bytes_max: 2MiB, \
                      egress_pool_bytes: 16777216, write_deadline: 1m30s, tls_timeout: 250ms, \
                      names_max: 0x10, memory_bytes_max: 64GiB}}\n",
    );
    let limits = &config.limits;
    assert_eq!(limits.links_max, 10);
    assert_eq!(limits.egress_bytes_max, 2 << 20);
    assert_eq!(limits.egress_pool_bytes, 16 << 20);
    assert_eq!(limits.write_deadline, Duration::from_secs(90));
    assert_eq!(limits.tls_timeout, Duration::from_millis(250));
    assert_eq!(limits.names_max, 16);
    assert_eq!(limits.memory_bytes_max, Some(64 << 30));
    assert_eq!(limits.links_per_address_max, 10, "never above links_max");
}

#[test]
fn of_two_related_limits_the_one_nobody_wrote_follows() {
    let up = own("slipring: {limits: {window_stream_bytes: 8MiB}}\n").limits;
    assert_eq!(up.window_connection_bytes, 8 << 20);
    let down = own("slipring: {limits: {window_connection_bytes: 512KiB}}\n").limits;
    assert_eq!(down.window_stream_bytes, 512 << 10);
    let pool = own("slipring: {limits: {egress_pool_bytes: 8MiB}}\n").limits;
    assert_eq!(pool.egress_node_bytes_max, 8 << 20);
}

#[test]
fn a_small_cgroup_shrinks_what_nobody_wrote_and_says_so() {
    let mut host = host();
    host.memory_bytes = Some(1 << 30);
    let config = load_on(&host, None, None, true).expect("it loads");
    assert_eq!(config.limits.memory_bytes_max, Some(1 << 30));
    assert!(config.memory_worst_case().allow(&config.limits).is_ok());
    assert_eq!(config.warnings.len(), 1);

    let explicit = b"slipring: {limits: {links_max: 60000}}\n";
    let config = load_on(&host, None, Some(explicit), true).expect("it loads");
    assert_eq!(config.limits.links_max, 60_000);
    assert!(config.memory_worst_case().allow(&config.limits).is_err());
}

#[test]
fn admin_addresses_and_log_filters_are_read() {
    let config = node(
        "tracing: {log_level: WARN, filters: [slipring::io=trace, h2], display_thread_names: false}\n\
         slipring: {admin: {http: '[::1]:9', control: /tmp/c.sock}}",
    );
    assert_eq!(
        config.admin.http,
        Some(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 9)))
    );
    assert_eq!(config.admin.control, PathBuf::from("/tmp/c.sock"));
    assert_eq!(config.log.level, Level::Warn);
    assert!(!config.log.thread_names);
    let filter = |module: &str, level| Filter {
        module: module.to_owned(),
        level,
    };
    let expected = [
        filter("slipring::io", Some(Level::Trace)),
        filter("h2", None),
    ];
    assert_eq!(config.log.filters, expected);
}
