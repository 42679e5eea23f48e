//! A file split into code and comments, line by line, with the insides of literals blanked.
//!
//! Not a parser: just enough of Rust's lexical rules that a brace in a string, a comment or a
//! character literal isn't taken for a brace.

/// A text file as the rules want to see it.
pub(super) struct Source {
    /// Path from the repository's root, with `/`.
    pub(super) path: String,
    /// The lines as they are.
    pub(super) lines: Vec<String>,
    /// Rust only: the lines without comments, and with literals blanked.
    pub(super) code: Vec<String>,
    /// Rust only: the comment text of each line.
    pub(super) comments: Vec<String>,
}

impl Source {
    /// Splits a file's text; files that aren't Rust have no `code`.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut source = Self {
            path: path.to_owned(),
            lines,
            code: Vec::new(),
            comments: Vec::new(),
        };
        if source.has_extension("rs") {
            (source.code, source.comments) = split(text);
        }
        source
    }

    /// True when the file's name ends so.
    pub(super) fn has_extension(&self, extension: &str) -> bool {
        self.path
            .rsplit_once('.')
            .is_some_and(|(_, end)| end == extension)
    }

    /// The code of all lines, as one text in which positions are line starts plus columns.
    pub(super) fn code_text(&self) -> String {
        self.code.join("\n")
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text { raw_hashes: Option<usize> },
}

/// Code lines and comment lines of a Rust text.
fn split(text: &str) -> (Vec<String>, Vec<String>) {
    let chars: Vec<char> = text.chars().collect();
    let mut splitter = Splitter {
        chars: &chars,
        at: 0,
        state: State::Code,
        ..Splitter::default()
    };
    while splitter.at < chars.len() {
        splitter.step();
    }
    if !splitter.code_line.is_empty() || !splitter.comment_line.is_empty() {
        splitter.end_line();
    }
    (splitter.code, splitter.comments)
}

struct Splitter<'a> {
    chars: &'a [char],
    at: usize,
    state: State,
    code: Vec<String>,
    comments: Vec<String>,
    code_line: String,
    comment_line: String,
}

impl Default for Splitter<'_> {
    fn default() -> Self {
        Self {
            chars: &[],
            at: 0,
            state: State::Code,
            code: Vec::new(),
            comments: Vec::new(),
            code_line: String::new(),
            comment_line: String::new(),
        }
    }
}

impl Splitter<'_> {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn step(&mut self) {
        if self.peek(0) == '\n' {
            self.at += 1;
            if self.state == State::LineComment {
                self.state = State::Code;
            }
            self.end_line();
            return;
        }
        match self.state {
            State::Code => self.step_code(),
            State::LineComment => self.take_comment(1),
            State::BlockComment { depth } => self.step_block_comment(depth),
            State::Text { raw_hashes } => self.step_text(raw_hashes),
        }
    }

    fn step_code(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => {
                self.state = State::LineComment;
                self.take_comment(2);
            }
            ('/', '*') => {
                self.state = State::BlockComment { depth: 1 };
                self.take_comment(2);
            }
            ('"', _) => {
                self.state = State::Text {
                    raw_hashes: self.raw_hashes_before(),
                };
                self.take_code(1);
            }
            ('\'', _) => self.step_quote(),
            _ => self.take_code(1),
        }
    }

    /// A quote in code starts a character literal or a lifetime.
    fn step_quote(&mut self) {
        let length = if self.peek(1) == '\\' {
            (3..12)
                .find(|&ahead| self.peek(ahead) == '\'')
                .map(|ahead| ahead + 1)
        } else if self.peek(2) == '\'' {
            Some(3)
        } else {
            None
        };
        match length {
            Some(length) => {
                self.code_line.push_str("' '");
                self.at += length;
            }
            None => self.take_code(1),
        }
    }

    /// For `r#"`, the number of hashes; `None` for an ordinary string.
    fn raw_hashes_before(&self) -> Option<usize> {
        let before = self.code_line.trim_end_matches('#');
        let hashes = self.code_line.len() - before.len();
        let prefix = before.trim_end_matches(['r', 'b', 'c']);
        let word_goes_on = prefix
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_');
        (before.ends_with('r') && !word_goes_on).then_some(hashes)
    }

    fn step_block_comment(&mut self, depth: usize) {
        match (self.peek(0), self.peek(1)) {
            ('/', '*') => {
                self.state = State::BlockComment { depth: depth + 1 };
                self.take_comment(2);
            }
            ('*', '/') => {
                self.take_comment(2);
                self.state = match depth {
                    1 => State::Code,
                    _ => State::BlockComment { depth: depth - 1 },
                };
            }
            _ => self.take_comment(1),
        }
    }

    fn step_text(&mut self, raw_hashes: Option<usize>) {
        match (self.peek(0), raw_hashes) {
            ('\\', None) if self.peek(1) != '\n' => self.blank(2),
            ('"', None) => self.end_text(),
            ('"', Some(hashes)) if (1..=hashes).all(|ahead| self.peek(ahead) == '#') => {
                self.end_text();
            }
            _ => self.blank(1),
        }
    }

    fn end_text(&mut self) {
        self.state = State::Code;
        self.take_code(1);
    }

    fn blank(&mut self, count: usize) {
        self.code_line.extend(std::iter::repeat_n(' ', count));
        self.at += count;
    }

    fn take_code(&mut self, count: usize) {
        self.code_line.extend(&self.chars[self.at..self.at + count]);
        self.at += count;
    }

    fn take_comment(&mut self, count: usize) {
        self.comment_line
            .extend(&self.chars[self.at..self.at + count]);
        self.at += count;
    }

    fn end_line(&mut self) {
        self.code.push(std::mem::take(&mut self.code_line));
        self.comments.push(std::mem::take(&mut self.comment_line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(text: &str) -> String {
        Source::new("a.rs", text).code_text().trim_end().to_owned()
    }

    #[test]
    fn comments_are_not_code() {
        assert_eq!(code_of("a // { b"), "a");
        assert_eq!(code_of("a /* { /* } */ */ b"), "a  b");
        let source = Source::new("a.rs", "x(); // SAFETY: yes\n/* two\nlines */ y");
        assert_eq!(source.comments[0], "// SAFETY: yes");
        assert_eq!(source.comments[1], "/* two");
        assert_eq!(source.code[2], " y");
    }

    #[test]
    fn literals_are_blanked() {
        assert_eq!(code_of(r#"a("}\"{")"#), r#"a("    ")"#);
        assert_eq!(code_of("let c = '{';"), "let c = ' ';");
        assert_eq!(code_of(r"let c = '\'';"), "let c = ' ';");
        assert_eq!(code_of(r"let c = '\u{7b}';"), "let c = ' ';");
        assert_eq!(code_of("br#\"}\"{\"#;"), "br#\"   \"#;");
        assert_eq!(code_of("r\"\\\"; }"), "r\" \"; }");
    }

    #[test]
    fn lifetimes_are_not_literals() {
        assert_eq!(
            code_of("fn a<'a>(x: &'a str) {}"),
            "fn a<'a>(x: &'a str) {}"
        );
        assert_eq!(code_of("'outer: loop { }"), "'outer: loop { }");
    }

    #[test]
    fn text_over_several_lines_keeps_the_lines() {
        let source = Source::new("a.rs", "let a = \"one {\n two }\";\nb");
        assert_eq!(source.code.len(), 3);
        assert_eq!(source.code[2], "b");
        assert!(!source.code_text().contains('{'));
    }
}
