//! The ready-made plans: files beside the source, part of the program.

use crate::cli::Verb;

/// A plan that ships with the program.
pub(crate) struct ReadyMade {
    /// What `--plan` calls it.
    pub(crate) name: &'static str,
    /// The command it is for.
    pub(crate) verb: Verb,
    /// Its text.
    pub(crate) text: &'static str,
}

macro_rules! plan {
    ($verb:ident, $name:literal) => {
        ReadyMade {
            name: $name,
            verb: Verb::$verb,
            text: include_str!(concat!("../plans/", $name, ".toml")),
        }
    };
}

/// All of them, in the order of the list.
pub(crate) const PLANS: &[ReadyMade] = &[
    plan!(Run, "pair-256"),
    plan!(Run, "pairs-256"),
    plan!(Run, "pairs-256-16k"),
    plan!(Run, "identity-static"),
    plan!(Run, "identity-fresh"),
    plan!(Run, "pairs-1k"),
    plan!(Run, "pair-16k"),
    plan!(Run, "one-in-flight"),
    plan!(Run, "fanout-64"),
    plan!(Run, "fanout-1000"),
    plan!(Run, "incast"),
    plan!(Run, "open-loop"),
    plan!(Run, "mixed-sizes"),
    plan!(Run, "tls"),
    plan!(Run, "tokens"),
    plan!(Run, "churn"),
    plan!(Run, "many-links"),
    plan!(Run, "million-names"),
    plan!(Run, "instances"),
    plan!(Run, "cross-shard"),
    plan!(Run, "slow-one"),
    plan!(Soak, "soak"),
    plan!(Storm, "storm-1000"),
];
