//! The identity text in routed headers: none, one for all messages, or a fresh one per message.
//!
//! Clients with a shared secret put a new token into every message, which defeats whatever a router
//! remembers of whole headers. [`Pool`] imitates that: so many distinct tokens, each signed for the
//! link before measuring starts, taken in turn. Between two uses of a token lie all the others, so
//! a router's cache of headers, far smaller, never meets one again in time.

use slipring_proto::crypto::MacKey;
use slipring_proto::error::Malformed;
use slipring_proto::header::{RoutedHeader, Span};
use slipring_proto::limits::MAC_BYTES;
use slipring_proto::link::LinkTerms;
use slipring_proto::mac;

use crate::sizes::draw;

/// Length of the token of a published shared-secret client.
const TOKEN_BYTES: usize = 235;
/// A fresh token has at least its changing parts and a little more.
const FRESH_BYTES_MIN: usize = 100;
/// With more, a largest payload would not fit its message.
const TOKEN_BYTES_MAX: usize = 2_048;
/// Fewer headers than this could stay in a router's cache.
pub(crate) const POOL_HEADERS_MIN: usize = 65_536;

/// Where the nonce of a token begins: behind a name and a time.
const NONCE_AT: usize = 36;
const NONCE_BYTES: usize = 16;
/// Length of the tag that ends a token.
const TAG_BYTES: usize = 43;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What stands in the identity field of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A new text in every Publish.
    Fresh {
        /// Its length.
        bytes: usize,
        /// Texts per link, taken in turn.
        headers: usize,
    },
    /// Nothing.
    None,
    /// The same text in every header.
    Static {
        /// Its length.
        bytes: usize,
    },
}

impl Identity {
    /// Reads `none`, `static`, `static:BYTES`, `fresh` or `fresh:BYTES`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (word, bytes) = match text.split_once(':') {
            Some((word, bytes)) => (word, Some(bytes)),
            None => (text, None),
        };
        let least = if word == "fresh" { FRESH_BYTES_MIN } else { 1 };
        let bytes = match bytes {
            None => TOKEN_BYTES,
            Some(bytes) => bytes
                .parse()
                .ok()
                .filter(|bytes| (least..=TOKEN_BYTES_MAX).contains(bytes))
                .ok_or_else(|| format!("BYTES is from {least} to {TOKEN_BYTES_MAX}"))?,
        };
        match word {
            "none" if text == "none" => Ok(Self::None),
            "static" => Ok(Self::Static { bytes }),
            "fresh" => Ok(Self::Fresh {
                bytes,
                headers: POOL_HEADERS_MIN,
            }),
            _ => Err("expected none, static[:BYTES] or fresh[:BYTES]".to_owned()),
        }
    }

    /// The text in headers that are signed one by one: requests, and every Publish but a fresh one.
    pub(crate) fn text(self) -> String {
        let (Self::Static { bytes } | Self::Fresh { bytes, .. }) = self else {
            return String::new();
        };
        let opening = b"load/generator/client_0aB1cD2e:17".iter().copied();
        let letters = (0..).map(|at| letter(draw(0, 0, at)));
        let token = opening.chain(letters).take(bytes);
        token.map(char::from).collect()
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Static { bytes } => write!(f, "static:{bytes}"),
            Self::Fresh { bytes, .. } => write!(f, "fresh:{bytes}"),
        }
    }
}

/// Distinct identities of one link and the tags of the headers they stand in.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Identity and tag, one pair after another.
    pairs: Vec<u8>,
    identity: Span,
    /// Empty on a link without a key.
    tag: Span,
}

impl Pool {
    /// Signs `headers` variants of the header `raw`, which carries an identity of the length wanted.
    ///
    /// # Errors
    /// [`Malformed`] if `raw` is no header.
    pub(crate) fn sign<K: MacKey>(
        raw: &[u8],
        terms: &LinkTerms<K>,
        seed: u64,
        headers: usize,
    ) -> Result<Self, Malformed> {
        let header = RoutedHeader::parse(raw)?;
        let (identity, tag) = (header.identity.content, header.header_mac.content);
        let (mut raw, mut scratch) = (raw.to_vec(), Vec::new());
        let link_id = terms.link_id.as_bytes();
        let signer = terms.mac_key().map(|key| {
            // The names are hashed once: only the identity differs from header to header.
            mac::names_context(key, &header, &raw, link_id, &mut scratch)
        });
        let mut pairs = Vec::with_capacity(headers * (identity.len() + tag.len()));
        for index in 0..headers as u64 {
            vary(&mut raw[range(identity)], seed, index);
            pairs.extend_from_slice(identity.of(&raw));
            if let Some(names) = &signer {
                let tag: [u8; MAC_BYTES] =
                    mac::sign_rest::<K>(names, &header, &raw, header.ttl, &mut scratch);
                pairs.extend_from_slice(&tag);
            }
        }
        Ok(Self {
            pairs,
            identity,
            tag,
        })
    }

    /// Puts the pair of message `sequence` into a copy of the header it was signed for.
    #[inline]
    pub(crate) fn put(&self, sequence: u64, header: &mut [u8]) {
        let (identity_bytes, tag_bytes) = (self.identity.len(), self.tag.len());
        let stride = identity_bytes + tag_bytes;
        let turns = (self.pairs.len() / stride.max(1)).max(1);
        let at = usize::try_from(sequence % turns as u64).unwrap_or(0) * stride;
        let (identity, tag) = self.pairs[at..at + stride].split_at(identity_bytes);
        header[range(self.identity)].copy_from_slice(identity);
        header[range(self.tag)].copy_from_slice(tag);
    }

    /// Headers in the pool.
    pub(crate) fn headers(&self) -> usize {
        let stride = self.identity.len() + self.tag.len();
        self.pairs.len() / stride.max(1)
    }

    /// Memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.pairs.len()
    }
}

fn range(span: Span) -> std::ops::Range<usize> {
    span.start as usize..span.end as usize
}

/// Gives a token the nonce and the tag of number `index`. The nonce begins with the number, so no
/// two tokens are alike.
fn vary(token: &mut [u8], seed: u64, index: u64) {
    let tag_at = token.len().saturating_sub(TAG_BYTES);
    for (at, place) in token[NONCE_AT..NONCE_AT + NONCE_BYTES]
        .iter_mut()
        .enumerate()
    {
        *place = match at {
            0..5 => letter(index >> (6 * at)),
            _ => letter(draw(seed, 1, index) >> (4 * (at - 5))),
        };
    }
    for (at, place) in (0_u64..).zip(&mut token[tag_at..]) {
        // Eight letters of six bits from each draw.
        *place = letter(draw(seed, 2, (index << 3) | (at / 8)) >> (6 * (at % 8)));
    }
}

fn letter(bits: u64) -> u8 {
    ALPHABET[(bits & 63) as usize]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use slipring_proto::crypto::aws::{AwsCrypto, AwsKey};
    use slipring_proto::envelope::split;
    use slipring_proto::grpc::{Body, Deframer};
    use slipring_proto::link::{LinkPolicy, LocalNode, Negotiation};
    use slipring_sdk::link::{LinkMachine, LinkSettings};

    use super::*;

    /// A machine that has negotiated, and thereby has a key.
    fn open_machine(identity: Identity) -> LinkMachine<AwsCrypto> {
        let mut settings = LinkSettings::edge("link", "node");
        settings.identity = identity.text();
        let mut machine = LinkMachine::new(settings, 1);
        let request = machine
            .open(&mut AwsCrypto, std::time::Duration::ZERO)
            .unwrap();
        let mut deframer = Deframer::new(1 << 20);
        deframer.push(request);
        let node = LocalNode {
            node_id: "router".to_owned(),
            deployment_name: String::new(),
            version: "1.0.0".to_owned(),
        };
        let policy = LinkPolicy {
            require_header_mac: true,
            enforce_pqc: false,
        };
        let reply = Negotiation::<AwsCrypto>::accept(node, policy)
            .handle(
                split(deframer.pop().unwrap().unwrap()).unwrap(),
                &mut AwsCrypto,
            )
            .unwrap()
            .reply
            .unwrap();
        machine
            .handle(split(Body::from(reply)).unwrap(), &mut AwsCrypto)
            .unwrap();
        machine
    }

    #[test]
    fn words_are_read_and_others_refused() {
        assert_eq!(Identity::parse("none"), Ok(Identity::None));
        assert_eq!(
            Identity::parse("static:9"),
            Ok(Identity::Static { bytes: 9 })
        );
        let fresh = Identity::parse("fresh").unwrap();
        assert_eq!(fresh.text().len(), 235);
        assert_eq!(fresh.to_string(), "fresh:235");
        for text in [
            "",
            "none:3",
            "fresh:99",
            "static:0",
            "static:x",
            "stale",
            "static:9999",
        ] {
            assert!(Identity::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pool_holds_distinct_identities_under_tags_that_verify() {
        let identity = Identity::parse("fresh").unwrap();
        let machine = open_machine(identity);
        let sealed = machine.header(&"a/b/c".parse().unwrap(), 1).unwrap();
        let terms = machine.terms().unwrap();
        let pool = Pool::sign(sealed.as_bytes(), terms, 5, 3_000).unwrap();
        assert_eq!((pool.headers(), pool.bytes()), (3_000, 3_000 * (235 + 32)));
        let mut raw = sealed.as_bytes().to_vec();
        let (mut seen, mut scratch) = (HashSet::new(), Vec::new());
        let key: &AwsKey = terms.mac_key().unwrap();
        for sequence in 0..3_000 {
            pool.put(sequence, &mut raw);
            let header = RoutedHeader::parse(&raw).unwrap();
            assert!(seen.insert(header.identity.content.of(&raw).to_vec()));
            assert!(
                mac::verify(key, &header, &raw, b"link", &mut scratch),
                "{sequence}"
            );
        }
        pool.put(3_000, &mut raw);
        let header = RoutedHeader::parse(&raw).unwrap();
        assert!(
            !seen.insert(header.identity.content.of(&raw).to_vec()),
            "in turn"
        );
    }
}
