//! What an idle link costs: the resident memory of the process, over thousands of them.
//!
//! The figures are promised over 5,000 links (`SLIPRING_TEST_IDLE_LINKS=5000`); every run takes
//! fewer, to be quick.

use slipring_sdk::Endpoint;

use crate::harness::{Authority, Client, Router, Scrape, Setup, raise_descriptors, within};

/// Links measured unless the environment says otherwise.
const LINKS: usize = 2_000;

/// Links opened before, so that what is made once is not charged to anybody.
const FIRST: usize = 200;

/// Links that are opened at the same time.
const AT_ONCE: usize = 20;

const CLEAR_BYTES_MAX: u64 = 32 << 10;
const TLS_BYTES_MAX: u64 = 64 << 10;

fn links() -> usize {
    let configured = std::env::var("SLIPRING_TEST_IDLE_LINKS").ok();
    configured.map_or(LINKS, |count| count.parse().unwrap())
}

async fn open(endpoint: &Endpoint, count: usize, clients: &mut Vec<Client>) {
    let target = clients.len() + count;
    while clients.len() < target {
        let opening: Vec<_> = (0..AT_ONCE.min(target - clients.len()))
            .map(|_| {
                let endpoint = endpoint.clone();
                tokio::spawn(async move { Client::at(&endpoint).await })
            })
            .collect();
        for client in opening {
            clients.push(within("link", client).await.unwrap());
        }
    }
}

/// Bytes of resident memory that each link costs.
async fn cost(router: &Router, endpoint: &Endpoint) -> u64 {
    let mut clients = Vec::new();
    open(endpoint, FIRST, &mut clients).await;
    router.at_rest().await;
    let before = router.resident_bytes();
    open(endpoint, links(), &mut clients).await;
    let all = (FIRST + links()) as u64;
    let open = |scrape: &Scrape| scrape.value("links{class=\"edge\"}") == all;
    router.scrape_when("all links", open).await;
    let grown = router.resident_bytes().saturating_sub(before);
    clients[0].is_served().await;
    grown / links() as u64
}

#[tokio::test]
async fn an_idle_link_in_clear_text_costs_at_most_32_kib() {
    raise_descriptors(links() + 1_000);
    let router = Router::start().await;
    let bytes = cost(&router, &router.endpoint()).await;
    assert!(
        bytes <= CLEAR_BYTES_MAX,
        "{bytes} bytes each over {} links",
        links()
    );
}

#[tokio::test]
async fn an_idle_link_over_tls_costs_at_most_64_kib() {
    raise_descriptors(links() + 1_000);
    let authority = Authority::root();
    let folder = tempfile::tempdir().unwrap();
    let listener = authority.leaf("router.test").listener(folder.path(), "");
    let router = Setup::new().servers([listener]).start().await;
    let endpoint = router.endpoint().with_tls(authority.tls(None));
    let bytes = cost(&router, &endpoint).await;
    assert!(
        bytes <= TLS_BYTES_MAX,
        "{bytes} bytes each over {} links",
        links()
    );
}

/// A host that gives them unasked would make every link dearer than the two above.
#[tokio::test]
async fn huge_pages_are_declined() {
    let router = Router::start().await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", router.pid())).unwrap();
    let enabled = status
        .lines()
        .find_map(|line| line.strip_prefix("THP_enabled:"));
    assert_eq!(enabled.map(str::trim), Some("0"), "{status}");
}
