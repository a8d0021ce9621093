//! Every bound of the wire as a constant, and the relations between them checked by the compiler.
//!
//! Nothing here is a choice of this router: a peer that keeps within these numbers is understood,
//! and nothing that leaves us exceeds them. Units are the last word of each name.

/// Longest protobuf message on a gRPC link. WIRE §1.2: one byte more ends the receiver's stream.
pub const MESSAGE_BYTES_MAX: u32 = 4_194_304;

/// Compressed flag and big-endian length before each message. WIRE §1.2.
pub const GRPC_PREFIX_BYTES: usize = 5;

/// Hops a message may take when its origin sends it. WIRE §7.6.
pub const TTL_ORIGIN: u32 = 8;

/// How long each side waits for the link negotiation to end. WIRE §4.1.
pub const NEGOTIATION_TIMEOUT_MS: u64 = 5_000;

/// The only length of a header MAC that can verify. WIRE §5.1.
pub const MAC_BYTES: usize = 32;

/// A link key, the input key of the header MAC. WIRE §4.5.
pub const LINK_KEY_BYTES: usize = 32;

/// A raw X25519 public key. WIRE §4.5.
pub const ECDH_KEY_BYTES: usize = 32;

/// An ML-KEM-768 encapsulation key, what a dialler asks a hybrid key with. WIRE §4.5.
pub const KEM_KEY_BYTES: usize = 1_184;

/// An ML-KEM-768 ciphertext, what an acceptor answers it with. WIRE §4.5.
pub const KEM_CIPHERTEXT_BYTES: usize = 1_088;

/// The shared secret of either key agreement. WIRE §4.5.
pub const SHARED_SECRET_BYTES: usize = 32;

/// The fanout that means "exactly one"; every other value means "all". WIRE §7.3.
pub const FANOUT_ONE: u32 = 1;

/// The fanout published clients write for "all". WIRE §7.3.
pub const FANOUT_ALL: u32 = 256;

/// The highest instance ids, any-id among them, that no instance may take. WIRE §3.2.
pub const INSTANCE_IDS_RESERVED: u128 = 51;

/// Longest encoding of a 64-bit varint.
pub const VARINT_BYTES_MAX: usize = 10;

/// The most a header can grow by from one hop to the next: a MAC that was not there before. The
/// ttl only shrinks, and everything else is copied or cleared.
pub const REWRITE_GROWTH_BYTES_MAX: usize = MAC_BYTES + 2;

const _: () = assert!(MESSAGE_BYTES_MAX == 4 << 20);
// Spans into a message are 32-bit, with room for every length computed from them.
const _: () = assert!((MESSAGE_BYTES_MAX as u64) < u32::MAX as u64 / 2);
// The two KEM payloads cannot be mistaken for each other or for a classical key.
const _: () = assert!(KEM_KEY_BYTES != KEM_CIPHERTEXT_BYTES);
const _: () = assert!(KEM_CIPHERTEXT_BYTES > ECDH_KEY_BYTES);
// Both MAC and length fit the one-byte lengths that `rewrite` relies on.
const _: () = assert!(MAC_BYTES < 0x80);
// A negotiation request with both keys stays far below the message bound.
const _: () = assert!(KEM_KEY_BYTES + ECDH_KEY_BYTES < MESSAGE_BYTES_MAX as usize / 1_024);
