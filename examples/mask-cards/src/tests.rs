//! Native tests: what is masked, in one piece and in pieces of any size, and what passes as it is.

use lockgate_sdk::testing::{Gateway, response};

use super::*;

const PLAIN: &str =
    r#"{"card":"4111 1111 1111 1111","n":5555555555554444,"order":"4111111111111112","at":"2026-01-01"}"#;
const MASKED: &str =
    r#"{"card":"1000 0000 0000 1111","n":1000000000004444,"order":"4111111111111112","at":"2026-01-01"}"#;

fn masked(kind: &str, length: bool, pieces: &[&str]) -> String {
    let gateway = Gateway::<MaskCards>::configured("{}").expect("nothing is to be configured");
    let whole: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut response = response(200).header("content-type", kind);
    if length {
        response = response.header("content-length", &whole.to_string());
    }
    let exchange = gateway.get("/").send();
    let filtered = exchange.respond_with(response.chunks(pieces));
    filtered.body()
}

#[test]
fn card_numbers_are_masked_and_other_numbers_stay() {
    assert_eq!(masked("application/json; charset=utf-8", true, &[PLAIN]), MASKED);
    assert_eq!(masked("application/problem+json", false, &[PLAIN]), MASKED);
    assert_eq!(masked("text/plain", false, &[PLAIN]), PLAIN);
}

#[test]
fn a_card_number_is_masked_wherever_the_stream_divides_it() {
    for at in 0..=PLAIN.len() {
        let (one, two) = PLAIN.split_at(at);
        assert_eq!(masked("application/json", false, &[one, two]), MASKED, "{at}");
    }
    let bytes: Vec<_> = PLAIN.split("").collect();
    assert_eq!(masked("application/json", false, &bytes), MASKED);
    assert_eq!(
        masked("application/json", false, &["4111111111111111"]),
        "1000000000001111"
    );
}
