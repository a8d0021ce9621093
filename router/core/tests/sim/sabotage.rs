//! Defects that a world can be given, one at a time, to show that the checks can fail.

/// One defect, of the core as the checks see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// A shard hears of a commit that has not happened.
    AckEarly,
    /// A byte of a tail changes on its way through the router.
    CorruptTail,
    /// A shard says that it applied a delta, and did not.
    DropDelta,
    /// A handoff is handled twice.
    DuplicateHandoff,
    /// A link may hold a little more than its bound says.
    ExceedBounds,
    /// A publisher that was held is never let go.
    ForgetResume,
    /// A message leaves with the tag of another link.
    ForeignTag,
    /// A choice depends on something that no seed decides.
    HiddenChoice,
    /// From some withdrawal on, a shard says that it applied deltas, and did not.
    KeepRoute,
    /// The hop budget is not spent.
    KeepTtl,
    /// A steering field leaves the router, signed.
    LeakSteering,
    /// A handoff vanishes without being counted.
    LoseHandoff,
    /// A message vanishes between queue and wire.
    LoseMessage,
    /// A handoff that found no room is counted twice.
    MiscountDrop,
    /// Two handoffs of one ring trade places.
    SwapHandoffs,
    /// Two messages of one batch trade places.
    SwapMessages,
}
