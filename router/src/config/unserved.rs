//! The shapes of what the reference serves and we do not yet: clients, peers, authentication,
//! the telemetry exporter. Each follows the reference's file key by key.

use super::section::Unknown::{Refuse, Warn};
use super::shape::Shape::{Any, Boolean, Duration, Keys, List, Tagged, Text, Whole, Word};
use super::shape::{Key, Shape, Variant, may, must, variant};

/// `dataplane.clients[]` and `controller.clients[]`.
pub(super) const CLIENT: Shape = Keys(Warn, CLIENT_KEYS);

/// `outbound_clients[]`: a template, whose endpoint is filled in elsewhere.
pub(super) const CLIENT_TEMPLATE: Shape = Keys(Warn, CLIENT_TEMPLATE_KEYS);

/// `peers`.
pub(super) const PEERS: Shape = Keys(
    Refuse,
    &[
        may("topology", Word(&["full_mesh"])),
        must("discovery", Tagged(Refuse, DISCOVERY)),
    ],
);

/// `auth` of a service: what it shows the control plane.
pub(super) const SERVICE_AUTH: &[Variant] = &[
    variant("shared_secret", &[must("secret", Text), may("id", Text)]),
    variant("spire", SPIRE_KEYS),
];

/// `auth` of a server.
pub(super) const SERVER_AUTH: &[Variant] = &[
    variant("none", &[]),
    variant("basic", BASIC_KEYS),
    variant("jwt", JWT_KEYS),
    variant("oidc", OIDC_KEYS),
    variant("spire", SPIRE_KEYS),
];

/// `source` of a `tls` section. The keys of `file` and `pem` are read by the section itself.
pub(super) const TLS_SOURCE: &[Variant] = &[
    variant("none", &[]),
    variant("file", &[must("cert", Text), must("key", Text)]),
    variant("pem", &[must("cert", Text), must("key", Text)]),
    variant("spire", SPIRE_KEYS),
];

/// `client_ca` and `ca_source` of a `tls` section.
pub(super) const TLS_AUTHORITY: &[Variant] = &[
    variant("none", &[]),
    variant("file", &[must("path", Text)]),
    variant("pem", &[must("data", Text)]),
    variant("spire", SPIRE_KEYS),
];

/// `opentelemetry` in `tracing`.
pub(super) const TELEMETRY: Shape = Keys(
    Refuse,
    &[
        may("enabled", Boolean),
        may("service_name", Text),
        may("service_version", Text),
        may("environment", Text),
        may("metrics_interval_secs", Whole),
        may("grpc", CLIENT_TEMPLATE),
    ],
);

const CLIENT_AUTH: Shape = Tagged(
    Warn,
    &[
        variant("none", &[]),
        variant("basic", BASIC_KEYS),
        variant("jwt", JWT_KEYS),
        variant(
            "static_jwt",
            &[must("file", Text), may("duration", Duration)],
        ),
        variant("oidc", OIDC_KEYS),
        variant("spire", SPIRE_KEYS),
    ],
);

const CLIENT_TLS: Shape = Keys(
    Warn,
    &[
        may("insecure", Boolean),
        may("insecure_skip_verify", Boolean),
        may("source", Tagged(Warn, TLS_SOURCE)),
        may("ca_source", Tagged(Warn, TLS_AUTHORITY)),
        may("include_system_ca_certs_pool", Boolean),
        may("tls_version", Word(&["tls1.2", "tls1.3"])),
        may("reload_interval", Any),
    ],
);

const BACKOFF: Shape = Tagged(
    Warn,
    &[
        variant(
            "exponential",
            &[
                may("base", Whole),
                may("factor", Whole),
                may("max_delay", Duration),
                may("max_attempts", Whole),
                may("jitter", Boolean),
            ],
        ),
        variant(
            "fixed_interval",
            &[may("interval", Duration), may("max_attempts", Whole)],
        ),
    ],
);

/// A client entry with the endpoint as given: required, or not.
macro_rules! client_keys {
    ($endpoint:expr $(, $more:expr)*) => {
        &[
            $endpoint,
            $($more,)*
            may("origin", Text),
            may("server_name", Text),
            may("compression", Text),
            may("rate_limit", Text),
            may("tls", CLIENT_TLS),
            may(
                "keepalive",
                Keys(
                    Warn,
                    &[
                        may("tcp_keepalive", Duration),
                        may("http2_keepalive", Duration),
                        may("timeout", Duration),
                        may("keep_alive_while_idle", Boolean),
                    ],
                ),
            ),
            may(
                "proxy",
                Keys(
                    Warn,
                    &[
                        may("url", Text),
                        may("username", Text),
                        may("password", Text),
                        may("headers", Any),
                        may("tls", CLIENT_TLS),
                    ],
                ),
            ),
            may("connect_timeout", Duration),
            may("request_timeout", Duration),
            may("buffer_size", Whole),
            may("headers", Any),
            may("auth", CLIENT_AUTH),
            may("backoff", BACKOFF),
            may("metadata", Any),
            may("link_id", Text),
            may("require_header_mac", Boolean),
            may("negotiation_timeout_secs", Whole),
            may("connection_type", Word(&["edge", "peer", "remote"])),
        ]
    };
}

const CLIENT_KEYS: &[Key] = client_keys!(must("endpoint", Text));
const CLIENT_TEMPLATE_KEYS: &[Key] = client_keys!(may("endpoint", Text));
const PEER: Shape = Keys(
    Warn,
    client_keys!(must("endpoint", Text), must("node_id", Text)),
);

const DISCOVERY: &[Variant] = &[
    variant("static", &[must("peers", List(&PEER))]),
    variant(
        "kubernetes",
        &[
            must("namespace", Text),
            must("service_name", Text),
            must("port", Whole),
        ],
    ),
];

const BASIC_KEYS: &[Key] = &[must("username", Text), must("password", Text)];

const JWT_KEYS: &[Key] = &[
    may("claims", Any),
    may("duration", Duration),
    must(
        "key",
        Tagged(
            Warn,
            &[
                variant("encoding", JWT_KEY_KEYS),
                variant("decoding", JWT_KEY_KEYS),
                variant("autoresolve", &[]),
            ],
        ),
    ),
    may("policy", POLICY),
];

const JWT_KEY_KEYS: &[Key] = &[
    must("algorithm", Text),
    must("format", Word(&["pem", "jwk", "jwks"])),
    must("key", Keys(Warn, &[may("file", Text), may("data", Text)])),
];

const OIDC_KEYS: &[Key] = &[
    must("issuer_url", Text),
    may("client_id", Text),
    may("client_secret", Text),
    may("refresh_token", Text),
    may("refresh_token_file", Text),
    may("access_token_file", Text),
    may("audience", Any),
    may("scope", Text),
    may("timeout", Duration),
    may("jwks_ttl", Duration),
    may("claim_cache_ttl", Duration),
    may("policy", POLICY),
];

const SPIRE_KEYS: &[Key] = &[
    may("socket_path", Text),
    may("target_spiffe_id", Text),
    may("jwt_audiences", List(&Text)),
    may("trust_domains", List(&Text)),
];

const POLICY: Shape = Keys(
    Warn,
    &[may("rego", Text), may("rego_file", Text), may("cel", Text)],
);
