//! What the fuzz targets run, and the committed corpora as ordinary tests: any bytes, the whole world,
//! every check.

use bytes::Bytes;

use crate::client::DialMode;
use crate::dice::Dice;
use crate::knobs::{Shape, Variant};
use crate::world::World;

/// Steps that one input may take.
const STEPS_MAX: u64 = 3_000;

/// Bytes of an input that count.
const BYTES_MAX: usize = 4_096;

/// Bytes decide what clients do, in the grammar of actions. The first two choose the world.
pub(crate) fn scenario(input: &[u8]) {
    let Some((head, script)) = input.split_first_chunk::<2>() else {
        return;
    };
    let seed = u64::from(u16::from_le_bytes(*head));
    let script = &script[..script.len().min(BYTES_MAX)];
    let mut world = World::with(seed, Variant::PLAIN, Dice::scripted(script));
    // A message of megabytes costs as much as all the rest of an input.
    world.huge_left = 0;
    world.run(STEPS_MAX);
}

/// Bytes arrive on an open link, while two others subscribe to everything. The first byte says how
/// strict the node is, whether the link has a key, and in which pieces the bytes come.
pub(crate) fn ingress(input: &[u8]) {
    let Some((&mode, stream)) = input.split_first() else {
        return;
    };
    let (is_strict, is_keyless) = (mode & 1 != 0, mode & 3 == 2);
    let variant = Variant {
        has_flow_cache: mode & 4 == 0,
        ..Variant::PLAIN
    };
    let shape = Shape::plain(is_strict);
    let mut world = World::shaped(u64::from(mode), variant, Dice::scripted(&[]), shape);
    world.is_calm = true;
    for client in 0..3 {
        let is_writer = client == 0 && is_keyless;
        let mode = if is_writer {
            DialMode::Keyless
        } else {
            DialMode::Honest
        };
        world.dial(client, mode, format!("link-{client}"));
    }
    world.come_to_rest();
    world.is_calm = true;
    for client in 1..3 {
        for name in 0..world.names.len() {
            let name = world.names[name].clone();
            let header = world.clients[client].registration(&name, 8);
            let bytes = header.subscribe(1).expect("a subscribe is short");
            world.client_writes(client, bytes);
        }
    }
    world.come_to_rest();
    world.is_calm = true;
    let stream = &stream[..stream.len().min(BYTES_MAX)];
    let size = 1 + usize::from(mode >> 3) * 37;
    for chunk in stream.chunks(size) {
        if world.clients[0].conn.is_some() {
            world.client_writes(0, Bytes::copy_from_slice(chunk));
        }
        world.step_once();
    }
    world.come_to_rest();
}

/// Replays every file of a committed corpus; says how many there were.
#[cfg(test)]
pub(crate) fn replay(target: &str, logic: fn(&[u8])) -> usize {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let entries = std::fs::read_dir(&folder).expect("the corpus is committed");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    for file in &files {
        logic(&std::fs::read(file).expect("a readable file"));
    }
    files.len()
}
