//! What the server can be told, at start and at run time. All of it comes from one table:
//!
//! - [`table`] and `topics/`: the entries, each a flag with its field, default, codec and names.
//! - [`codec`], [`special`]: how values are read and shown.
//! - [`config`]: the typed configuration; CONFIG GET and CONFIG SET.
//! - [`load`]: the configuration at start, from `command_line`, `environment`, `conf_file`.
//! - [`rewrite`]: CONFIG REWRITE.
//! - [`help`]: what `--help` prints.
//!
//! Adding a flag means adding an entry to a file of `topics/`, nothing else.

pub mod codec;
mod command_line;
pub(crate) mod conf_file;
pub mod config;
mod environment;
pub mod help;
pub mod load;
pub mod rewrite;
pub mod special;
pub mod table;
mod topics;

pub use config::{Config, ConfigError};
pub use load::{Files, LoadError, Loaded, RealFiles, Start, load, load_from_process};
pub use table::{Flag, Mutable};
pub use topics::monitoring::Monitoring;
pub use topics::network::Network;
pub use topics::persistence::Persistence;
pub use topics::process::Process;

/// The enums and structs that fields of the configuration have.
pub mod values {
    pub use super::special::{MemoryShare, OutputBufferLimit, OutputBufferLimits, SavePoint};
    pub use super::topics::cluster::{ClusterMode, EndpointType};
    pub use super::topics::memory::{MaxmemoryPolicy, MemoryFlags};
    pub use super::topics::monitoring::{LogFormat, LogLevel, SyslogFacility};
    pub use super::topics::persistence::{AppendFsync, CompressionMode, SanitizeDumpPayload};
    pub use super::topics::process::{AffinityMode, OomScoreAdj, Shutdown, Supervised};
    pub use super::topics::replication::{DisklessLoad, PropagationError};
    pub use super::topics::security::{AclPubsubDefault, AllowedFor, AuthClients};
}
