//! Opening a link: what both sides compute, with classical keys and with the post-quantum hybrid.

use slipring_benches::{
    node::local,
    timing::{heading, row, time},
};
use slipring_proto::{
    crypto::aws::AwsCrypto,
    envelope,
    grpc::Body,
    link::{ConnectionType, LinkPolicy, Negotiation},
};

const OPERATIONS: u64 = 2_000;

fn main() {
    heading("negotiate");
    negotiation("classical", false);
    negotiation("hybrid", true);
}

fn negotiation(what: &str, enforce_pqc: bool) {
    let policy = LinkPolicy {
        require_header_mac: true,
        enforce_pqc,
    };
    let crypto = &mut AwsCrypto;
    let figure = time(OPERATIONS, || {
        (0..OPERATIONS).fold(0, |sum, _| sum + dial(policy, crypto).1.len() as u64)
    });
    row(&format!("{what}: dial"), &figure, "ns");
    let figure = time(OPERATIONS, || {
        (0..OPERATIONS).fold(0, |sum, _| {
            let (_, request) = dial(policy, crypto);
            sum + accept(policy, request, crypto).len() as u64
        })
    });
    row(&format!("{what}: dial, accept"), &figure, "ns");
    let figure = time(OPERATIONS, || {
        (0..OPERATIONS).fold(0, |sum, _| {
            let (mut dialling, request) = dial(policy, crypto);
            let reply = accept(policy, request, crypto);
            let reply = envelope::split(Body::from(reply)).expect("a reply");
            let terms = dialling.handle(reply, crypto).expect("terms").terms;
            assert_eq!(terms.hybrid, enforce_pqc);
            sum + terms.link_id.len() as u64
        })
    });
    row(&format!("{what}: dial, accept, conclude"), &figure, "ns");
}

fn dial(policy: LinkPolicy, crypto: &mut AwsCrypto) -> (Negotiation<AwsCrypto>, bytes::Bytes) {
    let link_id = "9d1c3e4a-6b7f-4c22-8f5e-2f0a7e1b9c33".to_owned();
    Negotiation::dial(
        local("dialler"),
        policy,
        link_id,
        ConnectionType::Edge,
        crypto,
    )
    .expect("a request")
}

/// The router's part.
fn accept(policy: LinkPolicy, request: bytes::Bytes, crypto: &mut AwsCrypto) -> bytes::Bytes {
    let request = envelope::split(Body::from(request)).expect("a request");
    let mut accepting = Negotiation::accept(local("acceptor"), policy);
    let negotiated = accepting.handle(request, crypto).expect("terms");
    negotiated.reply.expect("an acceptor replies")
}
