//! Where functions and test code begin and end, found by matching braces.

use std::ops::RangeInclusive;

use super::source::Source;

/// A function with a body; lines count from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) lines: RangeInclusive<usize>,
}

impl Function {
    /// Lines from the one with `fn` to the closing brace.
    pub(super) fn length(&self) -> usize {
        self.lines.end() - self.lines.start() + 1
    }
}

/// All functions that have a body, nested ones too.
pub(super) fn functions(source: &Source) -> Vec<Function> {
    let text = source.code_text();
    let mut found = Vec::new();
    for start in word_starts(&text, "fn") {
        let after = text[start + 2..].trim_start();
        let name: String = after.chars().take_while(|&c| is_word(c)).collect();
        if name.is_empty() {
            continue; // a function type
        }
        if let Some(end) = body_end(&text, start) {
            found.push(Function {
                name,
                lines: line_of(&text, start)..=line_of(&text, end),
            });
        }
    }
    found
}

/// Lines that only tests compile: items under `#[cfg(test)]` (or another cfg that names `test`)
/// and functions under `#[test]`.
pub(super) fn test_lines(source: &Source) -> Vec<RangeInclusive<usize>> {
    let text = source.code_text();
    let mut found = Vec::new();
    for (start, _) in text.match_indices("#[") {
        let attribute = &text[start
            ..text[start..]
                .find(']')
                .map_or(text.len(), |end| start + end)];
        let is_test = attribute == "#[test"
            || (attribute.starts_with("#[cfg(") && word_starts(attribute, "test").next().is_some());
        if is_test && let Some(end) = body_end(&text, start + attribute.len()) {
            found.push(line_of(&text, start)..=line_of(&text, end));
        }
    }
    found
}

/// The position of the brace that closes the next body; `None` when a `;` comes first.
fn body_end(text: &str, from: usize) -> Option<usize> {
    let mut nesting = 0usize; // of round and square brackets, in which a `;` ends nothing
    let mut braces = 0usize;
    for (offset, c) in text[from..].char_indices() {
        match c {
            '(' | '[' => nesting += 1,
            ')' | ']' => nesting = nesting.saturating_sub(1),
            ';' if braces == 0 && nesting == 0 => return None,
            '{' => braces += 1,
            '}' if braces > 0 => {
                braces -= 1;
                if braces == 0 && nesting == 0 {
                    return Some(from + offset);
                }
            }
            _ => {}
        }
    }
    None
}

/// Where `word` stands as a word of its own.
pub(super) fn word_starts<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word)
        .map(|(start, _)| start)
        .filter(move |&start| {
            let before = text[..start].chars().next_back();
            let after = text[start + word.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line_of(text: &str, position: usize) -> usize {
    text[..position].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Source {
        Source::new("a.rs", text)
    }

    #[test]
    fn finds_functions_and_their_length() {
        let source = parse("fn a() {\n    x();\n}\n\ntrait T { fn b(&self); fn c() {} }\n");
        let found = functions(&source);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].length()), ("a", 3));
        assert_eq!(
            (found[1].name.as_str(), found[1].lines.clone()),
            ("c", 5..=5)
        );
    }

    #[test]
    fn array_types_do_not_end_a_signature() {
        let source = parse("fn a(x: [u8; 4]) -> [u8; 2]\nwhere\n    T: U,\n{\n}\n");
        assert_eq!(functions(&source)[0].length(), 5);
    }

    #[test]
    fn function_types_are_no_functions() {
        assert!(functions(&parse("type F = fn(u8) -> u8;\nstruct S { f: fn() }\n")).is_empty());
    }

    #[test]
    fn test_code_is_known() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n#[test]\nfn c() {\n}\n\
                    #[cfg(all(test, not(loom)))]\nmod more {\n}\n\
                    #[cfg(feature = \"latest\")]\nfn d() {}";
        let source = parse(text);
        assert_eq!(test_lines(&source), vec![2..=5, 6..=8, 9..=11]);
    }

    #[test]
    fn a_test_module_in_another_file_has_no_lines_here() {
        assert!(test_lines(&parse("#[cfg(test)]\nmod tests;\nfn a() {}\n")).is_empty());
    }
}
