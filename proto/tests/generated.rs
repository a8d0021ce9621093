//! The committed prost output is exactly what the schema produces, so that building needs neither
//! `protoc` nor a build script.
//!
//! After a change of `schema/dataplane.proto`: `UPDATE_GENERATED=1 cargo test -p slipring-proto
//! --test generated`, then read the difference before committing it.

use std::path::Path;
use std::{env, fs};

/// What the committed file says above prost's output.
const HEADING: &str = "\
//! The messages of `schema/dataplane.proto`, as prost writes them.
//!
//! Not edited by hand: `tests/generated.rs` compares this file with fresh output and rewrites it
//! when asked to. Everything `bytes` is a refcounted `Bytes`, and maps are ordered so that
//! encoding is deterministic.

";

fn fresh() -> String {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let descriptors = protox::compile(["dataplane.proto"], [&schema]).expect("the schema compiles");
    let mut config = prost_build::Config::new();
    config.bytes(["."]).btree_map(["."]);
    let module = prost_build::Module::from_protobuf_package_name("dataplane.proto.v1");
    let requests = descriptors
        .file
        .into_iter()
        .map(|file| (module.clone(), file))
        .collect();
    let mut modules = config
        .generate(requests)
        .expect("prost generates the module");
    let code = modules.remove(&module).expect("one module for one package");
    format!("{HEADING}{code}")
}

#[test]
fn the_committed_output_is_fresh() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated.rs");
    let fresh = fresh();
    if env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&committed, &fresh).expect("the source folder is writable");
    }
    let found = fs::read_to_string(&committed).expect("src/generated.rs is committed");
    assert!(
        found == fresh,
        "src/generated.rs does not match schema/dataplane.proto"
    );
}
