//! The written list of what may break a rule: a ratchet, since each line holds the amount that was
//! allowed, and a line that isn't needed any more is itself a finding.

use super::{EXCEPTIONS_PATH, Finding};

/// One line: `rule | path | item | amount | reason`.
#[derive(Debug)]
struct Exception {
    rule: String,
    path: String,
    item: String,
    amount: usize,
    line: usize,
}

/// The parsed list.
#[derive(Debug)]
pub(super) struct Exceptions {
    list: Vec<Exception>,
}

impl Exceptions {
    /// Reads the list; lines that start with `#` are comments.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut list = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || {
                format!(
                    "line {}: want rule | path | item | amount | reason",
                    index + 1
                )
            };
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let [rule, path, item, amount, reason] = fields[..] else {
                return Err(wrong());
            };
            if reason.is_empty() {
                return Err(wrong());
            }
            let amount = if amount == "-" {
                0
            } else {
                amount.parse().map_err(|_| wrong())?
            };
            let item = if item == "-" { "" } else { item };
            list.push(Exception {
                rule: rule.to_owned(),
                path: path.to_owned(),
                item: item.to_owned(),
                amount,
                line: index + 1,
            });
        }
        Ok(Self { list })
    }

    /// The findings that aren't excepted, plus one for each exception without a finding.
    pub(super) fn apply(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let mut used = vec![false; self.list.len()];
        let mut remaining: Vec<Finding> = findings
            .into_iter()
            .filter(|finding| {
                let fits = self
                    .list
                    .iter()
                    .position(|exception| exception.covers(finding));
                fits.is_none_or(|index| {
                    used[index] = true;
                    finding.amount > self.list[index].amount
                })
            })
            .collect();
        let stale = self.list.iter().zip(used).filter(|(_, used)| !used);
        remaining.extend(stale.map(|(exception, _)| Finding {
            rule: "stale-exception",
            path: EXCEPTIONS_PATH.to_owned(),
            line: exception.line,
            item: String::new(),
            amount: 0,
            message: format!(
                "{} {} is in order now: remove it",
                exception.rule, exception.path
            ),
        }));
        remaining
    }
}

impl Exception {
    fn covers(&self, finding: &Finding) -> bool {
        self.rule == finding.rule && self.path == finding.path && self.item == finding.item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long_function(amount: usize) -> Finding {
        Finding {
            rule: "function-length",
            path: "a.rs".to_owned(),
            line: 7,
            item: "parse".to_owned(),
            amount,
            message: String::new(),
        }
    }

    #[test]
    fn an_exception_is_a_ratchet() {
        let list = "# why\nfunction-length | a.rs | parse | 80 | a table in disguise\n";
        let exceptions = Exceptions::parse(list).unwrap();
        assert!(exceptions.apply(vec![long_function(80)]).is_empty());
        assert!(exceptions.apply(vec![long_function(75)]).is_empty());
        assert_eq!(exceptions.apply(vec![long_function(81)]).len(), 1);
    }

    #[test]
    fn an_exception_without_need_is_a_finding() {
        let exceptions = Exceptions::parse("unwrap | b.rs | - | - | reason\n").unwrap();
        let findings = exceptions.apply(Vec::new());
        assert_eq!((findings[0].rule, findings[0].line), ("stale-exception", 1));
    }

    #[test]
    fn every_exception_has_a_reason() {
        assert!(Exceptions::parse("unwrap | b.rs | - | - |\n").is_err());
        assert!(Exceptions::parse("unwrap | b.rs\n").is_err());
        assert!(Exceptions::parse("unwrap | b.rs | - | many | x\n").is_err());
    }
}
