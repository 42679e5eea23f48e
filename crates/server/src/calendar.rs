//! Dates and times of the day, UTC.

/// A moment as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) year: u64,
    /// From 1.
    pub(crate) month: u64,
    /// Of the month, from 1.
    pub(crate) day: u64,
    /// Of the week, from Sunday, which is 0.
    pub(crate) weekday: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
    pub(crate) second: u64,
}

impl Moment {
    /// The moment so many seconds after 1970 began. O(years since then).
    pub(crate) fn new(unix_seconds: u64) -> Self {
        let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
        let (mut year, mut day) = (1970, days);
        while day >= 365 + leap_days(year) {
            day -= 365 + leap_days(year);
            year += 1;
        }
        let february = 28 + leap_days(year);
        let mut month = 1;
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
            if day < length {
                break;
            }
            day -= length;
            month += 1;
        }
        Self {
            year,
            month,
            day: day + 1,
            weekday: (days + 4) % 7,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }

    /// The month's name in three letters.
    pub(crate) fn month_name(self) -> &'static str {
        const NAMES: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        NAMES[self.month as usize - 1]
    }
}

fn leap_days(year: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    u64::from(is_leap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        let shown = |seconds| {
            let at = Moment::new(seconds);
            format!(
                "{}-{}-{} {}:{}:{} {}",
                at.year, at.month, at.day, at.hour, at.minute, at.second, at.weekday
            )
        };
        assert_eq!(shown(0), "1970-1-1 0:0:0 4");
        assert_eq!(shown(68_169_599), "1972-2-28 23:59:59 1");
        assert_eq!(shown(951_782_400), "2000-2-29 0:0:0 2");
        assert_eq!(shown(1_735_689_599), "2024-12-31 23:59:59 2");
        assert_eq!(shown(1_795_585_210), "2026-11-25 5:40:10 3");
    }
}
