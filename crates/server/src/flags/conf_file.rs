//! `redis.conf`: a directive to a line, with its arguments quoted as on an inline command;
//! comments on lines of their own; `include` of other files, which may be patterns.

use super::config::Config;
use super::load::{Files, LoadError, Origin, Setting};

/// Includes this deep are taken to be a circle.
const MAX_DEPTH: usize = 16;

/// The settings of an empty file. They are Redis's where those are the safer ones: who comes from
/// Redis with a file that doesn't mention protected mode counts on it.
pub(crate) fn defaults() -> Config {
    let mut config = Config::default();
    config.network.protected_mode = true;
    config
}

/// The settings of a file and of what it includes.
pub(super) fn parse(path: &str, text: &str, files: &dyn Files) -> Result<Vec<Setting>, LoadError> {
    let mut settings = Vec::new();
    parse_into(&mut settings, path, text, files, 0)?;
    Ok(settings)
}

fn parse_into(
    settings: &mut Vec<Setting>,
    path: &str,
    text: &str,
    files: &dyn Files,
    depth: usize,
) -> Result<(), LoadError> {
    for (index, line) in text.lines().enumerate() {
        let at = || Origin::ConfFile {
            path: path.to_string(),
            line: index + 1,
        };
        let Some((name, words)) = split_line(line).map_err(|()| LoadError::Quotes(at()))? else {
            continue;
        };
        if !name.eq_ignore_ascii_case("include") {
            settings.push(Setting {
                name,
                words,
                origin: at(),
            });
            continue;
        }
        if depth == MAX_DEPTH {
            return Err(LoadError::IncludedTooDeep(at()));
        }
        for pattern in words {
            for included in expand(&pattern, files)? {
                let text = files.read(&included);
                let text = text.map_err(|error| LoadError::file(&included, error))?;
                parse_into(settings, &included, &text, files, depth + 1)?;
            }
        }
    }
    Ok(())
}

/// The directive of a line and its arguments; `None` for blank lines and comments, an error where
/// a quote is not closed.
pub(super) fn split_line(line: &str) -> Result<Option<(String, Vec<String>)>, ()> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let words = protocol::inline::split_args(line.as_bytes()).ok_or(())?;
    let mut words = words
        .iter()
        .map(|word| String::from_utf8_lossy(word).into_owned());
    Ok(words.next().map(|name| (name, words.collect())))
}

/// The files that a path with a pattern in its last part stands for, in order.
fn expand(pattern: &str, files: &dyn Files) -> Result<Vec<String>, LoadError> {
    if !pattern.contains(['*', '?', '[']) {
        return Ok(vec![pattern.to_string()]);
    }
    let (folder, name) = pattern.rsplit_once('/').unwrap_or((".", pattern));
    let listed = files
        .list(folder)
        .map_err(|error| LoadError::file(folder, error))?;
    let fits = |file: &String| {
        protocol::glob::matches(name.as_bytes(), file.as_bytes(), false) && !file.starts_with('.')
    };
    let mut found: Vec<String> = listed.into_iter().filter(fits).collect();
    found.sort_unstable();
    Ok(found
        .into_iter()
        .map(|file| format!("{folder}/{file}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::load::tests::FakeFiles;

    fn show(settings: &[Setting]) -> Vec<String> {
        let show = |setting: &Setting| {
            let Origin::ConfFile { path, line } = &setting.origin else {
                unreachable!()
            };
            format!("{path}:{line}: {} {:?}", setting.name, setting.words)
        };
        settings.iter().map(show).collect()
    }

    #[test]
    fn lines() {
        let text = "# comment\n\n  port 7000\r\nrequirepass \"a \\\"b\\x41\"\nsave ''\nbind a b\n";
        let settings = parse("f", text, &FakeFiles::default()).unwrap();
        let expected = [
            r#"f:3: port ["7000"]"#,
            r#"f:4: requirepass ["a \"bA"]"#,
            r#"f:5: save [""]"#,
            r#"f:6: bind ["a", "b"]"#,
        ];
        assert_eq!(show(&settings), expected);
        let error = parse("f", "port 1\nrequirepass \"a", &FakeFiles::default()).unwrap_err();
        assert_eq!(error.to_string(), "f, line 2: a quote is not closed");
    }

    #[test]
    fn includes() {
        let files = FakeFiles::new(&[
            ("/d/b.conf", "port 2"),
            ("/d/a.conf", "port 1\ninclude /d/c.txt"),
            ("/d/c.txt", "port 3"),
            ("/loop", "include /loop"),
        ]);
        let settings = parse("f", "include /d/*.conf\nport 4", &files).unwrap();
        let ports: Vec<&str> = settings
            .iter()
            .map(|setting| setting.words[0].as_str())
            .collect();
        assert_eq!(ports, ["1", "3", "2", "4"]);
        assert!(matches!(
            parse("f", "include /loop", &files),
            Err(LoadError::IncludedTooDeep(_))
        ));
        assert!(matches!(
            parse("f", "include /none", &files),
            Err(LoadError::File { .. })
        ));
    }
}
