//! The entry of a flag, and the macro that makes entries. Every flag stands once, in one of the
//! files of `topics/`; its field in the configuration, its place on the command line, in the
//! environment, in `redis.conf`, in CONFIG GET, SET and REWRITE and in `--help` all come from
//! there:
//!
//! ```text
//! /// TCP port of the Redis protocol.                       what --help says
//! port: u16 = 6379, U16, redis("port"), runtime();
//!   │    │     │     │     │              └ traits: see the methods of `Flag`
//!   │    │     │     │     └ the names it has in Redis, the preferred one first
//!   │    │     │     └ codec: how texts are read and shown
//!   │    │     └ default
//!   │    └ type of the field
//!   └ Dragonfly's name, where it has one
//! ```

use super::codec::{Rejected, Style};
use super::config::Config;

/// When a flag may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutable {
    /// Only before the server starts.
    AtStart,
    /// With CONFIG SET, too.
    AtRunTime,
    /// With CONFIG SET where `enable-protected-configs` says so.
    IfUnprotected,
}

/// A flag: everything there is to know about it.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // traits that go together in any combination
pub struct Flag {
    /// Its own name, with underscores.
    pub name: &'static str,
    /// The names it has in Redis, the preferred one first.
    pub redis: &'static [&'static str],
    /// Whether it is accepted and kept, but nothing comes of it yet.
    pub is_inert: bool,
    /// When it may be set.
    pub mutable: Mutable,
    /// Whether CONFIG GET shows it only to who asks for it by name.
    pub is_hidden: bool,
    /// Whether its value is nobody's business: to be left out of logs.
    pub is_secret: bool,
    pub(super) doc: &'static [&'static str],
    pub(super) takes_words: bool,
    pub(super) accumulates: bool,
    pub(super) get: fn(&Config, Style) -> String,
    pub(super) set: fn(&mut Config, &str) -> Result<(), Rejected>,
    pub(super) lines: fn(&Config) -> Vec<String>,
    pub(super) hint: fn() -> String,
    pub(super) is_bool: bool,
}

/// The traits of a flag, as its entry names them.
impl Flag {
    /// What the flag is called in Redis.
    pub(super) const fn redis(self, names: &'static [&'static str]) -> Self {
        Self {
            redis: names,
            ..self
        }
    }

    /// It may be changed at run time.
    pub(super) const fn runtime(self, _: &[&str]) -> Self {
        Self {
            mutable: Mutable::AtRunTime,
            ..self
        }
    }

    /// It may be changed at run time where protected flags may.
    pub(super) const fn protected(self, _: &[&str]) -> Self {
        Self {
            mutable: Mutable::IfUnprotected,
            ..self
        }
    }

    /// It is accepted, but has no effect yet.
    pub(super) const fn inert(self, _: &[&str]) -> Self {
        Self {
            is_inert: true,
            ..self
        }
    }

    /// CONFIG GET doesn't show it among others.
    pub(super) const fn hidden(self, _: &[&str]) -> Self {
        Self {
            is_hidden: true,
            ..self
        }
    }

    /// Its value is a password.
    pub(super) const fn secret(self, _: &[&str]) -> Self {
        Self {
            is_secret: true,
            ..self
        }
    }
}

impl Flag {
    /// What the flag is for, in one or two sentences.
    pub fn doc(&self) -> String {
        let lines: Vec<&str> = self.doc.iter().map(|line| line.trim()).collect();
        let effect = if self.is_inert {
            " (Accepted, without effect yet.)"
        } else {
            ""
        };
        lines.join(" ") + effect
    }

    /// The name by which Redis users know it, else its own.
    pub fn preferred_name(&self) -> &'static str {
        self.redis.first().copied().unwrap_or(self.name)
    }

    /// Its value, as the text that sets it.
    pub fn value(&self, config: &Config) -> String {
        (self.get)(config, Style::Redis)
    }
}

/// Flags of one topic.
#[derive(Debug)]
pub struct Topic {
    /// Heading in `--help`.
    pub title: &'static str,
    /// The flags, in the order of their entries.
    pub flags: &'static [Flag],
}

/// Makes the struct with the fields of a topic, its default, and the topic's entries.
macro_rules! topic {
    (
        $(#[doc = $struct_doc:literal])+
        $field:ident: $struct:ident, $title:literal;
        $(
            $(#[doc = $doc:literal])+
            $name:ident: $type:ty = $default:expr, $codec:expr
                $(, $trait:ident($($arg:literal),*))*;
        )+
    ) => {
        $(#[doc = $struct_doc])+
        #[derive(Clone, Debug, PartialEq)]
        // The fields are named and described for `--help`, where there are no types and no links.
        #[allow(clippy::doc_markdown, clippy::struct_excessive_bools, clippy::struct_field_names)]
        pub struct $struct {
            $($(#[doc = $doc])+ pub $name: $type,)+
        }

        impl Default for $struct {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl $struct {
            pub(in crate::flags) const TOPIC: $crate::flags::table::Topic =
                $crate::flags::table::Topic {
                    title: $title,
                    flags: &[$($crate::flags::table::entry!(
                        $field, $name: $type, $codec, [$($doc),+] $(, $trait($($arg),*))*
                    )),+],
                };
        }
    };
}

/// One entry. The functions know the field's type, the table does not.
macro_rules! entry {
    (
        $field:ident, $name:ident: $type:ty, $codec:expr, [$($doc:literal),+]
        $(, $trait:ident($($arg:literal),*))*
    ) => {
        $crate::flags::table::Flag {
            name: stringify!($name),
            redis: &[],
            is_inert: false,
            mutable: $crate::flags::table::Mutable::AtStart,
            is_hidden: false,
            is_secret: false,
            doc: &[$($doc),+],
            takes_words: $crate::flags::table::takes_words::<$type, _>(&$codec),
            accumulates: $crate::flags::table::accumulates::<$type, _>(&$codec),
            get: |config, style| Codec::<$type>::show(&$codec, &config.$field.$name, style),
            set: |config, text| {
                let current = &config.$field.$name;
                config.$field.$name = Codec::<$type>::parse(&$codec, text, current)?;
                Ok(())
            },
            lines: |config| Codec::<$type>::lines(&$codec, &config.$field.$name),
            hint: || Codec::<$type>::hint(&$codec),
            is_bool: $crate::flags::table::is_bool(stringify!($type)),
        }
        $(.$trait(&[$($arg),*]))*
    };
}
pub(super) use {entry, topic};

pub(super) const fn takes_words<T, C: super::codec::Codec<T>>(_: &C) -> bool {
    C::WORDS
}

pub(super) const fn accumulates<T, C: super::codec::Codec<T>>(_: &C) -> bool {
    C::ACCUMULATES
}

pub(super) const fn is_bool(type_name: &str) -> bool {
    matches!(type_name.as_bytes(), b"bool")
}
