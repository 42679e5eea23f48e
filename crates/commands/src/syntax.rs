//! Turns the grammar that people read, [`Spec::syntax`](crate::Spec), into the tree of arguments
//! that COMMAND DOCS gives to clients.
//!
//! ```text
//! key value [NX | XX] [GET] [EX seconds | KEEPTTL]     [ ] may be left out, | one of them
//! key [key ...]                                        key, once or more often
//! <LEFT | RIGHT>                                       < > one of them, not to be left out
//! ```
//!
//! A word without lower-case letters is a token, to be sent as it stands; any other word names an
//! argument, and its name tells its type.

/// An argument, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The word that stands before it, or that it is.
    pub token: Option<&'static str>,
    /// It may be left out.
    pub optional: bool,
    /// It may be given several times.
    pub multiple: bool,
    /// Each time with its token.
    pub multiple_token: bool,
    /// The arguments of a group.
    pub arguments: Vec<Argument>,
}

/// Types of arguments, as COMMAND DOCS has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Str,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    /// One of the arguments of the group.
    OneOf,
    /// All arguments of the group.
    Block,
}

impl Kind {
    /// The name in COMMAND DOCS.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Str => "string",
            Self::Integer => "integer",
            Self::Double => "double",
            Self::Key => "key",
            Self::Pattern => "pattern",
            Self::UnixTime => "unix-time",
            Self::PureToken => "pure-token",
            Self::OneOf => "oneof",
            Self::Block => "block",
        }
    }
}

impl Argument {
    fn new(name: String, kind: Kind) -> Self {
        Self {
            name,
            kind,
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            arguments: Vec::new(),
        }
    }

    fn group(kind: Kind, arguments: Vec<Argument>) -> Self {
        let names: Vec<&str> = arguments.iter().map(|argument| &*argument.name).collect();
        let name = names.join("_");
        Self {
            arguments,
            ..Self::new(name, kind)
        }
    }
}

/// The arguments that a syntax describes. Brackets that don't match are taken as closed at the end.
pub fn parse(syntax: &'static str) -> Vec<Argument> {
    let mut parser = Parser { rest: syntax };
    let alternatives = parser.alternatives();
    match <[_; 1]>::try_from(alternatives) {
        Ok([sequence]) => arguments(sequence.nodes),
        Err(alternatives) => vec![one_of(alternatives)],
    }
}

/// A piece of the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Word(&'static str),
    /// In `[ ]` or `< >`.
    Group {
        alternatives: Vec<Sequence>,
        optional: bool,
    },
    /// What the preceding nodes and their repetition have become.
    Repeated(Vec<Node>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sequence {
    nodes: Vec<Node>,
    /// It ends with three dots.
    repeats: bool,
}

struct Parser {
    rest: &'static str,
}

impl Parser {
    /// Sequences up to a closing bracket or the end.
    fn alternatives(&mut self) -> Vec<Sequence> {
        let mut all = vec![Sequence::default()];
        while let Some(word) = self.word() {
            let last = all.last_mut().expect("there is one from the beginning");
            match word {
                "]" | ">" => break,
                "|" => all.push(Sequence::default()),
                "..." => last.repeats = true,
                "[" | "<" => {
                    let alternatives = self.alternatives();
                    let optional = word == "[";
                    let last = all.last_mut().expect("there is one from the beginning");
                    last.push(Node::Group {
                        alternatives,
                        optional,
                    });
                }
                word => last.push(Node::Word(word)),
            }
        }
        merge_repetition(&mut all);
        all
    }

    /// A bracket, a bar, or what stands between those and blanks.
    fn word(&mut self) -> Option<&'static str> {
        let rest = self.rest.trim_start();
        let first = rest.chars().next()?;
        let len = if matches!(first, '[' | ']' | '<' | '>' | '|') {
            1
        } else {
            rest.find([' ', '[', ']', '<', '>', '|'])
                .unwrap_or(rest.len())
        };
        let (word, rest) = rest.split_at(len);
        self.rest = rest;
        Some(word)
    }
}

impl Sequence {
    /// Adds a node; the repetition of what stands before it, `[key ...]`, merges with that.
    fn push(&mut self, node: Node) {
        let repetition = match &node {
            Node::Group {
                alternatives,
                optional: true,
            } => match &alternatives[..] {
                [inner] if inner.repeats => Some(&inner.nodes),
                _ => None,
            },
            _ => None,
        };
        if let Some(repeated) = repetition
            && !repeated.is_empty()
            && self.nodes.ends_with(repeated)
        {
            let repeated = self.nodes.split_off(self.nodes.len() - repeated.len());
            self.nodes.push(Node::Repeated(repeated));
            return;
        }
        self.nodes.push(node);
    }
}

/// `A | B [A | B ...]`: alternatives that repeat as a whole. The repetition stands in the last.
fn merge_repetition(all: &mut [Sequence]) {
    let Some((last, before)) = all.split_last_mut() else {
        return;
    };
    let Some(Node::Group {
        alternatives: repeated,
        optional: true,
    }) = last.nodes.last()
    else {
        return;
    };
    let Some((repeated_last, repeated_before)) = repeated.split_last() else {
        return;
    };
    let nodes = &last.nodes[..last.nodes.len() - 1];
    if repeated_last.repeats && repeated_before == before && repeated_last.nodes == nodes {
        last.nodes.pop();
        last.repeats = true;
    }
}

/// The arguments of a sequence. A token belongs to the arguments right behind it.
fn arguments(nodes: Vec<Node>) -> Vec<Argument> {
    let mut all = Vec::new();
    let mut nodes = nodes.into_iter().peekable();
    while let Some(node) = nodes.next() {
        let Node::Word(word) = node else {
            all.push(argument(node));
            continue;
        };
        if !is_token(word) {
            all.push(argument(node));
            continue;
        }
        let mut own: Vec<Argument> = Vec::new();
        while let Some(next) = nodes.next_if(is_plain) {
            own.push(argument(next));
        }
        if own.is_empty()
            && let Some(group) = nodes.next_if(is_choice)
        {
            own.push(argument(group));
        }
        let with_token = match <[Argument; 1]>::try_from(own) {
            Ok([one]) => one,
            Err(none) if none.is_empty() => Argument::new(token_name(word), Kind::PureToken),
            Err(several) => Argument::group(Kind::Block, several),
        };
        all.push(Argument {
            token: Some(if word == "\"\"" { "" } else { word }),
            ..with_token
        });
    }
    all
}

fn argument(node: Node) -> Argument {
    match node {
        Node::Word(word) if is_token(word) => Argument {
            token: Some(word),
            ..Argument::new(token_name(word), Kind::PureToken)
        },
        Node::Word(word) => Argument::new(word.to_owned(), kind_of(word)),
        Node::Repeated(nodes) => {
            let with_token = matches!(nodes[0], Node::Word(word) if is_token(word));
            Argument {
                multiple: true,
                multiple_token: with_token,
                ..one(arguments(nodes))
            }
        }
        Node::Group {
            alternatives,
            optional,
        } => {
            let repeats = alternatives.last().is_some_and(|last| last.repeats);
            let inner = one_of(alternatives);
            Argument {
                optional: optional || inner.optional,
                multiple: repeats || inner.multiple,
                ..inner
            }
        }
    }
}

fn one_of(alternatives: Vec<Sequence>) -> Argument {
    let mut all: Vec<Argument> = alternatives
        .into_iter()
        .map(|sequence| one(arguments(sequence.nodes)))
        .collect();
    if all.len() == 1 {
        return all.remove(0);
    }
    Argument::group(Kind::OneOf, all)
}

/// Several arguments as one.
fn one(mut arguments: Vec<Argument>) -> Argument {
    if arguments.len() == 1 {
        return arguments.remove(0);
    }
    Argument::group(Kind::Block, arguments)
}

/// An argument, perhaps repeated: nothing with a token.
fn is_plain(node: &Node) -> bool {
    match node {
        Node::Word(word) => !is_token(word),
        Node::Repeated(nodes) => nodes.iter().all(is_plain),
        Node::Group { .. } => false,
    }
}

/// `<A | B>`
fn is_choice(node: &Node) -> bool {
    matches!(
        node,
        Node::Group {
            optional: false,
            ..
        }
    )
}

fn is_token(word: &str) -> bool {
    !word.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn token_name(token: &str) -> String {
    match token {
        "\"\"" => "empty-string".to_owned(),
        "*" => "auto-id".to_owned(),
        "=" => "equal".to_owned(),
        "~" => "approximately".to_owned(),
        "$" => "last-id".to_owned(),
        ">" => "new-id".to_owned(),
        token => token.to_ascii_lowercase(),
    }
}

/// What an argument of this name is.
fn kind_of(name: &str) -> Kind {
    match name {
        "key" | "key1" | "key2" | "newkey" | "destkey" | "source" | "destination" => Kind::Key,
        "pattern" => Kind::Pattern,
        "unix-time-seconds" | "unix-time-milliseconds" => Kind::UnixTime,
        "longitude" | "latitude" | "radius" | "width" | "height" | "score" | "weight" => {
            Kind::Double
        }
        "seconds" | "milliseconds" | "increment" | "decrement" | "offset" | "count" | "limit"
        | "start" | "stop" | "end" | "index" | "cursor" | "numkeys" | "numfields"
        | "numreplicas" | "numlocal" | "db" | "destination-db" | "port" | "port-number" | "bit"
        | "rank" | "len" | "length" | "maxlen" | "num-matches" | "min-match-len" | "protover"
        | "client-id" | "samples" | "bits" | "ttl" | "frequency" | "slot" | "version"
        | "entries-read" | "min-idle-time" => Kind::Integer,
        _ => Kind::Str,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arguments in a short notation: `name:kind`, token before, flags behind.
    fn show(arguments: &[Argument]) -> String {
        let one = |argument: &Argument| {
            let token = match (argument.token, argument.kind) {
                (Some(token), Kind::PureToken) => return flagged(token.to_owned(), argument),
                (Some(token), _) => format!("{token} "),
                (None, _) => String::new(),
            };
            let text = match argument.kind {
                Kind::OneOf => format!("{token}one({})", show(&argument.arguments)),
                Kind::Block => format!("{token}all({})", show(&argument.arguments)),
                Kind::Str => format!("{token}{}", argument.name),
                kind => format!("{token}{}:{}", argument.name, kind.name()),
            };
            flagged(text, argument)
        };
        let shown: Vec<String> = arguments.iter().map(one).collect();
        shown.join(", ")
    }

    fn flagged(mut text: String, argument: &Argument) -> String {
        for (flag, mark) in [
            (argument.optional, "?"),
            (argument.multiple, "*"),
            (argument.multiple_token, "t"),
        ] {
            if flag {
                text.push_str(mark);
            }
        }
        text
    }

    #[test]
    fn grammars_become_trees() {
        let cases = [
            ("", ""),
            ("key", "key:key"),
            ("[message]", "message?"),
            ("key [key ...]", "key:key*"),
            ("key value [key value ...]", "all(key:key, value)*"),
            ("[arg [arg ...]]", "arg?*"),
            ("[arg ...]", "arg?*"),
            (
                "key value [NX | XX] [GET] [EX seconds | PXAT unix-time-milliseconds | KEEPTTL]",
                "key:key, value, one(NX, XX)?, GET?, one(EX seconds:integer, \
                 PXAT unix-time-milliseconds:unix-time, KEEPTTL)?",
            ),
            (
                "key [NX | XX] [INCR] score member [score member ...]",
                "key:key, one(NX, XX)?, INCR?, all(score:double, member)*",
            ),
            (
                "key <FROMMEMBER member | FROMLONLAT longitude latitude> [COUNT count [ANY]]",
                "key:key, one(FROMMEMBER member, \
                 FROMLONLAT all(longitude:double, latitude:double)), \
                 all(COUNT count:integer, ANY?)?",
            ),
            (
                "<BYRADIUS radius <M | KM> | BYBOX width height <M | KM>>",
                "one(all(BYRADIUS radius:double, one(M, KM)), \
                 all(BYBOX all(width:double, height:double), one(M, KM)))",
            ),
            (
                "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]]",
                "key:key, BY pattern:pattern?, LIMIT all(offset:integer, count:integer)?, \
                 GET pattern:pattern?*t",
            ),
            (
                "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN>]",
                "numkeys:integer, key:key*, WEIGHTS weight:double*?, AGGREGATE one(SUM, MIN)?",
            ),
            (
                "[BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
                "BLOCK milliseconds:integer?, STREAMS all(key:key*, id*)",
            ),
            (
                "key [<MAXLEN | MINID> [= | ~] threshold] <* | id> field value [field value ...]",
                "key:key, all(one(MAXLEN, MINID), one(=, ~)?, threshold)?, one(*, id), \
                 all(field, value)*",
            ),
            ("host <key | \"\">", "host, one(key:key, )"),
            (
                "<ON | OFF> [REDIRECT client-id]",
                "one(ON, OFF), REDIRECT client-id:integer?",
            ),
            ("NX | key", "one(NX, key:key)"),
        ];
        for (syntax, expected) in cases {
            // The order of marks follows the order of flags.
            let expected = expected.replace("*?", "?*");
            assert_eq!(show(&parse(syntax)), expected, "{syntax}");
        }
    }

    #[test]
    fn alternatives_that_repeat_as_a_whole_are_one_argument() {
        let syntax = "key [GET encoding offset | \
                      <SET encoding offset value | INCRBY encoding offset increment> \
                      [GET encoding offset | \
                      <SET encoding offset value | INCRBY encoding offset increment> ...]]";
        let expected = "key:key, one(GET all(encoding, offset:integer), \
                        one(SET all(encoding, offset:integer, value), \
                        INCRBY all(encoding, offset:integer, increment:integer)))?*";
        assert_eq!(show(&parse(syntax)), expected);
    }

    #[test]
    fn brackets_that_are_not_closed_end_with_the_text() {
        assert_eq!(show(&parse("key [value")), "key:key, value?");
        assert_eq!(show(&parse("key] value")), "key:key");
    }

    #[test]
    fn the_syntax_of_every_command_is_understood() {
        fn check(commands: &[crate::DataCommand], words_of_name: i32) {
            for command in commands {
                let arguments = parse(command.spec.syntax);
                let is_bare = command.spec.arity == words_of_name;
                let takes = !is_bare && command.subcommands.is_empty();
                assert!(!takes || !arguments.is_empty(), "{}", command.spec.name);
                check(command.subcommands, words_of_name + 1);
            }
        }
        for family in crate::FAMILIES {
            check(family, 1);
        }
    }
}
