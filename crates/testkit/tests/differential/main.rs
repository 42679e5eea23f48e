//! The same random commands to Darner and to Redis, and every reply compared. What differs is made
//! as short as it can be and shown.
//!
//! `DARNER_BIN` names the server; Redis is `DARNER_PEER_BIN` or the `redis-server` of the path.
//! `DARNER_DIFF_SECONDS` says how long to try, `DARNER_DIFF_SEED` repeats a run: `./test wire`.

mod templates;

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use templates::{Compare, FAMILIES, arguments};
use testkit::client::{Client, Value, encode};
use testkit::random::Random;
use testkit::server::Server;

const SECONDS: u64 = 20;
/// Commands on one keyspace: enough to fill it, few enough to be read.
const COMMANDS: usize = 60;
/// So many differences say enough.
const DIFFERENCES_MAX: usize = 20;

type Template = (char, &'static str, Compare);

#[derive(Clone, Debug)]
struct Line {
    template: &'static str,
    compare: Compare,
    words: Vec<Vec<u8>>,
}

struct Pair {
    darner: Client,
    redis: Client,
}

impl Pair {
    /// The replies of both to all lines, on an empty keyspace.
    fn run(&mut self, lines: &[Line]) -> [Vec<Value>; 2] {
        let mut request = encode(&["FLUSHALL"]);
        for line in lines {
            request.extend(encode(&line.words));
        }
        [&mut self.darner, &mut self.redis].map(|client| {
            client.send(&request).expect("the server takes commands");
            client.receive().expect("the server answers");
            let replies = lines.iter().map(|_| client.receive());
            replies.collect::<Result<_, _>>().expect("all are answered")
        })
    }

    /// Where the replies first differ.
    fn difference(&mut self, lines: &[Line]) -> Option<usize> {
        let [ours, theirs] = self.run(lines);
        let replies = ours.into_iter().zip(theirs).zip(lines);
        let mut equal = replies.map(|((ours, theirs), line)| {
            normal(ours, line.compare) == normal(theirs, line.compare)
        });
        equal.position(|equal| !equal)
    }

    /// Leaves out what isn't needed for the last reply to differ.
    fn shrink(&mut self, mut lines: Vec<Line>) -> Vec<Line> {
        for at in (0..lines.len() - 1).rev() {
            let mut fewer = lines.clone();
            fewer.remove(at);
            if self.difference(&fewer) == Some(fewer.len() - 1) {
                lines = fewer;
            }
        }
        lines
    }

    fn report(&mut self, lines: &[Line]) -> String {
        let [ours, theirs] = self.run(lines);
        let words = |line: &Line| {
            let words = line.words.iter();
            words
                .map(|word| format!("\"{}\" ", word.escape_ascii()))
                .collect::<String>()
        };
        let text: Vec<_> = lines.iter().map(words).collect();
        let [ours, theirs] = [ours, theirs].map(|replies| replies.last().map(show));
        let [ours, theirs] = [ours, theirs].map(Option::unwrap_or_default);
        format!(
            "{}\n  Darner: {ours}\n  Redis:  {theirs}\n",
            text.join("\n")
        )
    }
}

/// A reply without what may differ.
fn normal(reply: Value, compare: Compare) -> Value {
    let Value::Array(mut values) = reply else {
        return match reply {
            Value::Integer(1..) if compare == Compare::Sign => Value::Integer(1),
            // Redis 7.2 and later know no -0 in small sorted sets.
            Value::Bulk(text) if text == b"-0" => Value::Bulk(b"0".to_vec()),
            other => other,
        };
    };
    let each = values
        .into_iter()
        .map(|value| normal(value, Compare::Exact));
    values = each.collect();
    match compare {
        Compare::Exact | Compare::Sign => {}
        Compare::Unordered => values.sort_by_cached_key(show),
        Compare::Scan => {
            let found = values.pop().unwrap_or(Value::Null);
            values.push(normal(found, Compare::Unordered));
        }
        Compare::Pairs => {
            let mut pairs: Vec<_> = values.chunks(2).map(<[Value]>::to_vec).collect();
            pairs.sort_by_cached_key(|pair| pair.iter().map(show).collect::<String>());
            values = pairs.concat();
        }
        Compare::NoIdle => values.iter_mut().for_each(|entry| leave_out(entry, 2)),
        Compare::NoConsumers => values.iter_mut().for_each(|group| leave_out(group, 3)),
    }
    Value::Array(values)
}

fn leave_out(value: &mut Value, at: usize) {
    if let Value::Array(fields) = value {
        fields.remove(at);
    }
}

/// A reply in one line.
fn show(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(show).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Bulk(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        other => format!("{other:?}"),
    }
}

fn line(random: &mut Random, (family, template, compare): Template) -> Line {
    let words = template.split(' ');
    Line {
        template,
        compare,
        words: words
            .flat_map(|word| arguments(random, family, word))
            .collect(),
    }
}

/// The templates of commands that Darner has, each family's.
fn known_templates(darner: &mut Client) -> Vec<Vec<Template>> {
    let mut is_known = |template: &str| {
        let name = template.split(' ').next().expect("a name");
        let reply = darner.command(&["COMMAND", "INFO", name]);
        !matches!(reply, Ok(Value::Array(infos)) if infos == [Value::Null])
    };
    let mut known = Vec::new();
    for family in FAMILIES {
        let all = family.templates.iter();
        let all = all.map(|&(template, compare)| (family.name, template, compare));
        known.push(all.filter(|(_, template, _)| is_known(template)).collect());
    }
    known.retain(|templates: &Vec<_>| !templates.is_empty());
    known
}

/// Commands of two families, so that keys fill up, and now and then of any.
fn commands(random: &mut Random, known: &[Vec<Template>]) -> Vec<Line> {
    let chosen = [random.below(known.len()), random.below(known.len())];
    let mut one = || {
        let family = match random.below(10) {
            0 => random.below(known.len()),
            other => chosen[other % 2],
        };
        let templates = &known[family];
        let template = templates[random.below(templates.len())];
        line(random, template)
    };
    (0..COMMANDS).map(|_| one()).collect()
}

fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().expect("a number"))
}

#[test]
#[ignore = "needs a server: DARNER_BIN, and redis-server"]
fn answers_as_redis() {
    let peer = std::env::var("DARNER_PEER_BIN").unwrap_or("redis-server".into());
    let (darner, redis) = (
        Server::start(1).expect("a server"),
        Server::start_binary(&peer, 1).expect("a redis-server"),
    );
    let mut pair = Pair {
        darner: darner.connect().expect("a connection"),
        redis: redis.connect().expect("a connection"),
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a date");
    let seed = setting("DARNER_DIFF_SEED", now.as_nanos() as u64);
    println!("DARNER_DIFF_SEED={seed}");
    let mut random = Random::new(seed);
    let known = known_templates(&mut pair.darner);
    let end = Instant::now() + Duration::from_secs(setting("DARNER_DIFF_SECONDS", SECONDS));
    let (mut compared, mut reports, mut seen) = (0, Vec::new(), BTreeSet::new());
    while Instant::now() < end && reports.len() < DIFFERENCES_MAX {
        let mut lines = commands(&mut random, &known);
        lines.retain(|line| !seen.contains(line.template));
        compared += lines.len();
        if let Some(at) = pair.difference(&lines) {
            lines.truncate(at + 1);
            seen.insert(lines[at].template);
            let lines = pair.shrink(lines);
            reports.push(pair.report(&lines));
        }
    }
    println!(
        "{compared} commands compared, {} differences",
        reports.len()
    );
    assert!(reports.is_empty(), "\n{}", reports.join("\n"));
}
