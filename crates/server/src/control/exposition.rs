//! Prometheus's text format.

use std::fmt::{Display, Write};

/// What kind of number it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// It goes up and down.
    Gauge,
    /// It goes up, until the counts are reset.
    Counter,
    /// Counts by upper limit.
    Histogram,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// The text.
    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// Begins the samples of one name.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { text: self, name }
    }

    /// A gauge without labels.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help).sample(&[], value);
    }

    /// A counter without labels.
    pub(super) fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Counter, help).sample(&[], value);
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        self.0
            .write_fmt(text)
            .expect("a string takes what it is given");
    }
}

/// Samples of one name.
#[derive(Debug)]
pub(super) struct Family<'a> {
    text: &'a mut Exposition,
    name: &'static str,
}

impl Family<'_> {
    /// A sample with these labels.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.sample_of("", labels, value);
    }

    /// A sample of which the name goes on, as those of histograms do.
    pub(super) fn sample_of(&mut self, end: &str, labels: &[(&str, &str)], value: impl Display) {
        let name = self.name;
        self.text.write(format_args!("{name}{end}"));
        for (number, (label, text)) in labels.iter().enumerate() {
            let separator = if number == 0 { '{' } else { ',' };
            let text = escaped(text);
            self.text
                .write(format_args!("{separator}{label}=\"{text}\""));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.text.write(format_args!("{end} {value}\n"));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_heads_and_labels() {
        let mut text = Exposition::default();
        text.gauge("a", "One.", 1);
        let mut family = text.family("b_total", Kind::Counter, "Two.");
        family.sample(&[("x", "1"), ("y", "\"\\\n")], 2.5);
        family.sample_of("_sum", &[], 3);
        assert_eq!(
            text.into_text(),
            "# HELP a One.\n# TYPE a gauge\na 1\n\
             # HELP b_total Two.\n# TYPE b_total counter\n\
             b_total{x=\"1\",y=\"\\\"\\\\\\n\"} 2.5\nb_total_sum 3\n"
        );
    }
}
