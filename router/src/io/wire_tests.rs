//! Reading and writing through the buffers of a shard.
