//! What a command answers when it can't do what it was asked: Redis's own texts, since clients
//! match on them.

use std::borrow::Cow;

use store::WrongType;

/// A refused command. The reply is the text behind a `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The arguments don't follow the command's syntax.
    Syntax,
    /// The key holds another type.
    WrongType,
    /// An argument or a value isn't a 64-bit integer.
    NotInteger,
    /// An argument or a value isn't a number.
    NotFloat,
    /// The time to live isn't possible.
    InvalidExpire(&'static str),
    /// Any other fixed text, its code included.
    Text(&'static str),
    /// A text made for the occasion, its code included.
    Made(String),
}

/// A command has written its reply, or has written nothing and failed.
pub type CommandResult = Result<(), CommandError>;

impl CommandError {
    /// The text of the reply.
    pub fn text(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Syntax => "ERR syntax error",
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::NotInteger => "ERR value is not an integer or out of range",
            Self::NotFloat => "ERR value is not a valid float",
            Self::InvalidExpire(command) => {
                return Cow::Owned(format!("ERR invalid expire time in '{command}' command"));
            }
            Self::Text(text) => text,
            Self::Made(text) => return Cow::Owned(text.clone()),
        })
    }

    /// The answer to a wrong number of arguments; `name` as in `config|get`.
    pub fn wrong_arity(name: &str) -> Self {
        Self::Made(format!(
            "ERR wrong number of arguments for '{name}' command"
        ))
    }

    /// The answer to a subcommand that the container, `OBJECT`, doesn't have.
    pub fn unknown_subcommand(container: &str, name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(&name[..name.len().min(128)]);
        Self::Made(format!(
            "ERR unknown subcommand '{name}'. Try {container} HELP."
        ))
    }
}

impl From<WrongType> for CommandError {
    fn from(_: WrongType) -> Self {
        Self::WrongType
    }
}
