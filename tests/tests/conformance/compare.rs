//! Two hosts' answers, laid side by side.

use crate::differences::ALLOWED;

/// One thing that both hosts were asked.
pub(crate) struct Answer {
    /// What was asked.
    pub(crate) key: String,
    /// What the gateway answered.
    pub(crate) ours: String,
    /// What Envoy answered.
    pub(crate) envoys: String,
    /// The place of the reason for which they may differ in [`ALLOWED`].
    pub(crate) because: Option<usize>,
}

impl Answer {
    /// Whether both said the same.
    pub(crate) fn is_same(&self) -> bool {
        self.ours == self.envoys
    }

    /// Whether a difference has no reason.
    pub(crate) fn is_unexplained(&self) -> bool {
        !self.is_same() && self.because.is_none()
    }
}

/// What stands in place of an answer that a host did not give.
const NOTHING: &str = "(nothing)";

/// Lays the lines of a case side by side, in the order in which the gateway gave them.
pub(crate) fn side_by_side(case: &str, ours: &[String], envoys: &[String]) -> Vec<Answer> {
    let (ours, envoys) = (keyed(ours), keyed(envoys));
    let all = ours.iter().chain(
        envoys
            .iter()
            .filter(|(key, _)| !ours.iter().any(|(known, _)| known == key)),
    );
    let of = |side: &[(String, String)], key: &str| {
        let found = side.iter().find(|(known, _)| known == key);
        found.map_or(NOTHING.to_string(), |(_, value)| value.clone())
    };
    let mut answers: Vec<_> = all
        .map(|(key, _)| answer(case, key, of(&ours, key), of(&envoys, key)))
        .collect();
    answers.extend(order(case, &ours, &envoys));
    answers
}

fn answer(case: &str, key: &str, ours: String, envoys: String) -> Answer {
    let mut answer = Answer {
        key: key.to_string(),
        ours,
        envoys,
        because: None,
    };
    if !answer.is_same() {
        answer.because = ALLOWED.reason(case, &answer);
    }
    answer
}

/// The first place where what both told stands in another order.
fn order(case: &str, ours: &[(String, String)], envoys: &[(String, String)]) -> Option<Answer> {
    let shared = |one: &[(String, String)], other: &[(String, String)]| {
        one.iter()
            .map(|(key, _)| key.clone())
            .filter(|key| other.iter().any(|(known, _)| known == key))
            .collect::<Vec<_>>()
    };
    let (mine, its) = (shared(ours, envoys), shared(envoys, ours));
    let (mine, its) = mine.into_iter().zip(its).find(|(mine, its)| mine != its)?;
    Some(answer(case, "order", mine, its))
}

/// Lines as key and value; a key that comes again is numbered.
fn keyed(lines: &[String]) -> Vec<(String, String)> {
    let mut keyed: Vec<(String, String)> = Vec::new();
    for line in lines {
        let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
        let again = keyed
            .iter()
            .filter(|(known, _)| known.split('#').next() == Some(key))
            .count();
        let key = if again == 0 {
            key.to_string()
        } else {
            format!("{key}#{again}")
        };
        keyed.push((key, value.to_string()));
    }
    keyed
}
