//! The simulation's rooms, for the fuzz targets: the same world, the same checks, other choices.

#![allow(
    dead_code,
    reason = "the tests use more of the rooms than the targets do"
)]

#[path = "../../tests/sim/actions.rs"]
mod actions;
#[path = "../../tests/sim/arm.rs"]
mod arm;
#[path = "../../tests/sim/checks.rs"]
mod checks;
#[path = "../../tests/sim/client.rs"]
mod client;
#[path = "../../tests/sim/close.rs"]
mod close;
#[path = "../../tests/sim/dial.rs"]
mod dial;
#[path = "../../tests/sim/dice.rs"]
mod dice;
#[path = "../../tests/sim/expect.rs"]
mod expect;
#[path = "../../tests/sim/faults.rs"]
mod faults;
#[path = "../../tests/sim/fuzzed.rs"]
mod fuzzed;
#[path = "../../tests/sim/knobs.rs"]
mod knobs;
#[path = "../../tests/sim/mesh.rs"]
mod mesh;
#[path = "../../tests/sim/model.rs"]
mod model;
#[path = "../../tests/sim/oracle.rs"]
mod oracle;
#[path = "../../tests/sim/plan.rs"]
mod plan;
#[path = "../../tests/sim/pulled.rs"]
mod pulled;
#[path = "../../tests/sim/receive.rs"]
mod receive;
#[path = "../../tests/sim/rotation.rs"]
mod rotation;
#[path = "../../tests/sim/sabotage.rs"]
mod sabotage;
#[path = "../../tests/sim/say.rs"]
mod say;
#[path = "../../tests/sim/shell.rs"]
mod shell;
#[path = "../../tests/sim/unkind.rs"]
mod unkind;
#[path = "../../tests/sim/wire.rs"]
mod wire;
#[path = "../../tests/sim/world.rs"]
mod world;

/// Bytes into an open link.
pub fn ingress(input: &[u8]) {
    fuzzed::ingress(input);
}

/// Bytes into the grammar of actions.
pub fn scenario(input: &[u8]) {
    fuzzed::scenario(input);
}
