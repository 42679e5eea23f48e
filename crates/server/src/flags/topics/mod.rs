//! The entries of all flags, by topic.

pub(super) mod cluster;
pub(super) mod data;
pub(super) mod debugging;
pub(super) mod memory;
pub(super) mod monitoring;
pub(super) mod network;
pub(super) mod persistence;
pub(super) mod pipeline;
pub(super) mod process;
pub(super) mod replication;
pub(super) mod scripting;
pub(super) mod search;
pub(super) mod security;
pub(super) mod tiering;
