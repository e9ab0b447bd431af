//! The Prometheus text of `/metrics`, read back.

/// All samples of one scrape.
#[derive(Debug, Clone)]
pub struct Metrics {
    samples: Vec<Sample>,
    text: String,
}

#[derive(Debug, Clone)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Metrics {
    /// Reads the exposition format.
    ///
    /// # Panics
    /// When a line is not of it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(sample)
            .collect();
        Self {
            samples,
            text: text.to_string(),
        }
    }

    /// The sum over all samples of that name that carry those labels.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let carries = |sample: &&Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(key, value)| sample.labels.iter().any(|(k, v)| k == key && v == value))
        };
        self.samples.iter().filter(carries).map(|sample| sample.value).sum()
    }

    /// Whether a sample of that name is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|sample| sample.name == name)
    }

    /// As it came.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels
        .strip_suffix('}')
        .unwrap_or_else(|| panic!("no end of labels: {line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    Sample {
        name: name.to_string(),
        labels: pairs(labels),
        value,
    }
}

/// `a="b",c="d"`; the values of the tests hold no quotes.
fn pairs(labels: &str) -> Vec<(String, String)> {
    let pair = |text: &str| {
        let (key, value) = text.split_once('=').unwrap_or_else(|| panic!("no label: {text}"));
        (
            key.trim_start_matches(',').to_string(),
            value.trim_matches('"').to_string(),
        )
    };
    labels
        .split_inclusive("\",")
        .filter(|text| !text.is_empty())
        .map(|text| pair(text.trim_end_matches(',')))
        .collect()
}
