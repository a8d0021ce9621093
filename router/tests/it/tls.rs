//! TLS beyond the handshake: chains, keys that others may read, certificates that are replaced.

use std::os::unix::fs::PermissionsExt;

use slipring_sdk::{Link, LinkOptions, Tls};

use crate::harness::{Authority, Client, Leaf, Router, Setup, eventually, within};

const SERVER_NAME: &str = "router.test";

/// Whether a client that trusts what `tls` says can connect.
async fn connects(router: &Router, tls: &Tls) -> bool {
    let (endpoint, options) = (
        router.endpoint().with_tls(tls.clone()),
        LinkOptions::default(),
    );
    within("answer", Link::connect(&endpoint, &options))
        .await
        .is_ok()
}

#[tokio::test]
async fn the_whole_chain_is_sent() {
    let root = Authority::root();
    let intermediate = root.intermediate();
    let leaf = intermediate.leaf(SERVER_NAME);
    let chain_pem = format!("{}{}", leaf.chain_pem, intermediate.pem);
    let chained = Leaf {
        chain_pem,
        key_pem: leaf.key_pem.clone(),
    };
    let folder = tempfile::tempdir().unwrap();
    let listener = chained.listener(folder.path(), "");
    let router = Setup::new().servers([listener]).start().await;
    // The client knows the root only.
    let endpoint = router.endpoint().with_tls(root.tls(None));
    Client::at(&endpoint).await.is_served().await;
    // Without its intermediate the same certificate leads nowhere.
    let bare = tempfile::tempdir().unwrap();
    let listener = leaf.listener(bare.path(), "");
    let router = Setup::new().servers([listener]).start().await;
    assert!(!connects(&router, &root.tls(None)).await);
    assert!(connects(&router, &intermediate.tls(None)).await);
}

#[tokio::test]
async fn certificates_may_stand_in_the_file_itself() {
    let authority = Authority::root();
    let leaf = authority.leaf(SERVER_NAME);
    let quoted = |pem: &str| format!("\"{}\"", pem.replace('\r', "").replace('\n', "\\n"));
    let source = format!(
        "{{endpoint: \"127.0.0.1:0\", tls: {{source: {{type: pem, cert: {}, key: {}}}}}}}",
        quoted(&leaf.chain_pem),
        quoted(&leaf.key_pem)
    );
    let router = Setup::new().servers([source]).start().await;
    let endpoint = router.endpoint().with_tls(authority.tls(None));
    Client::at(&endpoint).await.is_served().await;
    assert_eq!(
        router.announced("listens")[0].split_once(' ').unwrap().1,
        "(TLS)"
    );
}

#[tokio::test]
async fn a_key_that_others_may_read_is_refused() {
    let leaf = Authority::root().leaf(SERVER_NAME);
    let folder = tempfile::tempdir().unwrap();
    let listener = leaf.listener(folder.path(), "");
    let key = folder.path().join("key.pem");
    for mode in [0o644, 0o640, 0o604, 0o660] {
        std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
        let setup = Setup::new().servers([listener.clone()]);
        let ended = setup.try_start().await.expect_err("it starts");
        assert_eq!(ended.code, Some(78), "{}", ended.stderr);
        assert!(ended.stderr.contains("chmod 600"), "{}", ended.stderr);
        assert!(
            ended.stderr.contains(&format!("{mode:o}")),
            "{}",
            ended.stderr
        );
    }
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o400)).unwrap();
    Setup::new().servers([listener]).start().await;
}

#[tokio::test]
async fn a_key_that_does_not_fit_its_certificate_is_refused() {
    let authority = Authority::root();
    let (one, other) = (authority.leaf(SERVER_NAME), authority.leaf(SERVER_NAME));
    let mixed = Leaf {
        chain_pem: one.chain_pem,
        key_pem: other.key_pem,
    };
    let folder = tempfile::tempdir().unwrap();
    let listener = mixed.listener(folder.path(), "");
    let ended = Setup::new().servers([listener]).try_start().await;
    let ended = ended.expect_err("it starts");
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("cert.pem"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_to_new_handshakes_and_links_live_on() {
    for shards in [1, 2] {
        let (old, new) = (Authority::root(), Authority::root());
        let folder = tempfile::tempdir().unwrap();
        let listener = old.leaf(SERVER_NAME).listener(folder.path(), "");
        let router = Setup::new()
            .shards(shards)
            .servers([listener])
            .start()
            .await;
        let mut living = Vec::new();
        for _ in 0..8 {
            // Without resumption, so that every handshake looks at the certificate.
            let tls = old.tls(None).without_resumption();
            living.push(Client::at(&router.endpoint().with_tls(tls)).await);
        }
        new.leaf(SERVER_NAME).write(folder.path());
        router.signal("HUP");
        let shown = new.tls(None).without_resumption();
        let is_shown = async || connects(&router, &shown).await.then_some(());
        eventually("the new certificate", is_shown).await;
        // On every shard: the kernel spreads connections over all of them.
        let hidden = old.tls(None).without_resumption();
        eventually("the last shard to change", async || {
            let mut olds = 0;
            for _ in 0..8 {
                olds += usize::from(connects(&router, &hidden).await);
            }
            (olds == 0).then_some(())
        })
        .await;
        for client in &mut living {
            client.is_served().await;
        }
    }
}

#[tokio::test]
async fn a_bad_replacement_changes_nothing() {
    let authority = Authority::root();
    let folder = tempfile::tempdir().unwrap();
    let listener = authority.leaf(SERVER_NAME).listener(folder.path(), "");
    let router = Setup::new().servers([listener]).start().await;
    std::fs::write(folder.path().join("cert.pem"), "no certificate").unwrap();
    let answer = router.order("reload");
    assert!(
        answer.starts_with("error") && answer.contains("cert.pem"),
        "{answer}"
    );
    let tls = authority.tls(None).without_resumption();
    assert!(connects(&router, &tls).await);
    router.says("certificates stay as they were").await;
    // A good one is taken again.
    let next = Authority::root();
    next.leaf(SERVER_NAME).write(folder.path());
    let answer = router.order("reload");
    assert!(answer.starts_with("ok"), "{answer}");
    assert!(connects(&router, &next.tls(None).without_resumption()).await);
}

#[tokio::test]
async fn listeners_with_and_without_tls_live_side_by_side() {
    let authority = Authority::root();
    let folder = tempfile::tempdir().unwrap();
    let secure = authority.leaf(SERVER_NAME).listener(folder.path(), "");
    let router = Setup::new()
        .servers([crate::harness::clear(""), secure])
        .start()
        .await;
    let mut clear = Client::of(&router).await;
    clear.subscribes("org/ns/bob").await;
    let endpoint = router.endpoint_of(1).with_tls(authority.tls(None));
    let sender = Client::at(&endpoint).await;
    sender.publishes("org/ns/bob", "across").await;
    assert_eq!(clear.reads().await, "across");
}
