//! When to save, as a cron expression: minute, hour, day of the month, month, day of the week; UTC.
//!
//! A field is `*`, a number, a range `a-b`, a step `*/n` or `a-b/n`, or several of these with
//! commas between. Months and days of the week may be named by three letters; Sunday is 0 and 7. If
//! both kinds of days are given, either will do, as in crontab(5).

use crate::calendar::Moment;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

/// A bit for each number that is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    bits: u64,
    /// It begins with `*`: crontab(5) doesn't count it as given.
    is_any: bool,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const SECONDS_PER_MINUTE: u64 = 60;

impl Cron {
    /// Reads an expression; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let &[minutes, hours, days, months, weekdays] = &fields[..] else {
            return None;
        };
        let mut weekdays = Field::parse(weekdays, (0, 7), (0, &WEEKDAYS))?;
        weekdays.bits |= weekdays.bits >> 7 & 1;
        Some(Self {
            minutes: Field::parse(minutes, (0, 59), (0, &[]))?,
            hours: Field::parse(hours, (0, 23), (0, &[]))?,
            days: Field::parse(days, (1, 31), (0, &[]))?,
            months: Field::parse(months, (1, 12), (1, &MONTHS))?,
            weekdays,
        })
    }

    /// Whether it means a minute, counted from 1970 on.
    pub(crate) fn means(&self, minute: u64) -> bool {
        let at = Moment::new(minute * SECONDS_PER_MINUTE);
        let (day, weekday) = (self.days.has(at.day), self.weekdays.has(at.weekday));
        let is_day = if self.days.is_any || self.weekdays.is_any {
            day && weekday
        } else {
            day || weekday
        };
        self.minutes.has(at.minute)
            && self.hours.has(at.hour)
            && self.months.has(at.month)
            && is_day
    }
}

impl Field {
    /// `names` stand for numbers from the first on.
    fn parse(text: &str, (low, high): (u64, u64), names: (u64, &[&str])) -> Option<Self> {
        let mut bits = 0;
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step.parse().ok().filter(|&step| step > 0)?)),
                None => (part, None),
            };
            let (from, to) = if range == "*" {
                (low, high)
            } else if let Some((from, to)) = range.split_once('-') {
                (number(from, names)?, number(to, names)?)
            } else {
                let only = number(range, names)?;
                // `5/10` is every tenth from 5 on.
                (only, if step.is_some() { high } else { only })
            };
            if from < low || to > high || from > to {
                return None;
            }
            for number in (from..=to).step_by(step.unwrap_or(1)) {
                bits |= 1 << number;
            }
        }
        Some(Self {
            bits,
            is_any: text.starts_with('*'),
        })
    }

    fn has(self, number: u64) -> bool {
        self.bits >> number & 1 == 1
    }
}

fn number(text: &str, (first, names): (u64, &[&str])) -> Option<u64> {
    let named = names
        .iter()
        .position(|name| text.eq_ignore_ascii_case(name));
    match named {
        Some(place) => Some(first + place as u64),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-25 is a Wednesday; its first minute.
    const WEDNESDAY: u64 = 1_795_564_800 / 60;

    fn means(text: &str, minute: u64) -> bool {
        Cron::parse(text).expect(text).means(minute)
    }

    #[test]
    fn expressions_mean_minutes() {
        let at = |hour: u64, minute: u64| WEDNESDAY + hour * 60 + minute;
        for (text, yes, no) in [
            ("* * * * *", at(3, 17), None),
            ("*/15 * * * *", at(3, 45), Some(at(3, 46))),
            ("5/20 * * * *", at(3, 45), Some(at(3, 40))),
            ("0 3,4 * * *", at(4, 0), Some(at(5, 0))),
            ("30 8-18/2 * * *", at(10, 30), Some(at(11, 30))),
            ("0 0 25 nov *", at(0, 0), Some(at(24, 0))),
            ("0 0 * * wed", at(0, 0), Some(at(24, 0))),
            ("0 0 1 * 3", at(0, 0), Some(at(24, 0))),
            ("0 0 * * 7", at(4 * 24, 0), Some(at(3 * 24, 0))),
            ("0 0 * * 0-1", at(5 * 24, 0), Some(at(3 * 24, 0))),
        ] {
            assert!(means(text, yes), "{text}");
            assert!(no.is_none_or(|no| !means(text, no)), "{text}");
        }
    }

    #[test]
    fn what_is_no_expression() {
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *",
            "1,,2 * * * *",
            "-1 * * * *",
            "* * * wed *",
        ] {
            assert_eq!(Cron::parse(text), None, "{text}");
        }
    }
}
