//! What saves authors words: durations of the standard library in configurations, `?` on every error and on replies, forms.

use lockgate_sdk::prelude::*;
use lockgate_sdk::testing::{self, Gateway, response};

#[derive(Config)]
struct Settings {
    /// As the gateway writes durations.
    #[config(default = "1500ms", min = "1s", max = "1h")]
    hold: Duration,
    #[config(default = "7")]
    number: String,
}

struct Short {
    hold: Duration,
    number: u32,
    side: Upstream,
}

#[plugin]
impl Plugin for Short {
    type Config = Settings;

    fn new(settings: Settings) -> Result<Self, ConfigError> {
        Ok(Short {
            hold: settings.hold,
            number: settings.number.parse()?,
            side: Upstream::new("side"),
        })
    }

    async fn on_request(&self, request: &mut Request) -> Result<()> {
        let number: u32 = request
            .header("x-number")?
            .ok_or_else(|| reply(400).text("a number"))?
            .parse()?;
        Self::check(number + self.number)?;
        let answer = self.side.post("/").form(&[("a b", "1+1=2&c"), ("ü", "*-._~")]).await?;
        let forms = String::from_utf8(answer.body().to_vec())?;
        request.set_header("x-form", forms)?;
        request.set_header("x-hold", self.hold.as_millis().to_string())
    }
}

impl Short {
    /// Has nothing of a hook, and replies.
    fn check(number: u32) -> Result<()> {
        if number > 100 {
            return Err(reply(403)
                .header("x-why", "large")
                .problem("too_large", "The number is too large.")
                .into());
        }
        Ok(())
    }
}

fn gateway(config: &str) -> Result<Gateway<Short>, String> {
    let gateway = Gateway::configured(config)?;
    Ok(
        gateway.upstream("side", |request| match request.header("content-type") {
            Some("application/x-www-form-urlencoded") => response(200).text(&request.body()),
            _ => response(400),
        }),
    )
}

#[test]
fn a_form_is_encoded_and_a_duration_of_the_standard_library_is_read() {
    for (config, hold) in [("{}", "1500"), (r#"{ "hold": "2m" }"#, "120000")] {
        let gateway = gateway(config).expect("it is right");
        let exchange = gateway.get("/").header("x-number", "1").send();
        assert_eq!(exchange.forwarded("x-hold").as_deref(), Some(hold));
        assert_eq!(
            exchange.forwarded("x-form").as_deref(),
            Some("a+b=1%2B1%3D2%26c&%C3%BC=*-._%7E")
        );
    }
    for wrong in [r#"{ "hold": 5 }"#, r#"{ "hold": "1ms" }"#, r#"{ "hold": "2h" }"#] {
        let said = gateway(wrong).err().expect("it is refused");
        assert!(said.contains("at /hold"), "{said}");
    }
}

#[test]
fn every_error_passes_a_question_mark_and_a_reply_is_one() {
    let gateway = gateway("{}").expect("it is right");
    assert_eq!(gateway.get("/").header("x-number", "many").send().status(), Some(500));
    assert_eq!(testing::log(), ["ERROR on_request: invalid digit found in string"]);
    let missing = gateway.get("/").send();
    assert_eq!(
        (missing.status(), missing.reply_body().as_deref()),
        (Some(400), Some("a number"))
    );
    let refused = gateway.get("/").header("x-number", "94").send();
    assert_eq!(
        (refused.status(), refused.reply_header("x-why").as_deref()),
        (Some(403), Some("large"))
    );
    // Replies are no errors in the log.
    assert_eq!(testing::log().len(), 1);
}

#[test]
fn an_error_of_another_library_refuses_the_configuration() {
    let said = gateway(r#"{ "number": "seven" }"#).err().expect("it is refused");
    assert_eq!(
        said,
        "ERROR the configuration is refused: invalid digit found in string"
    );
}
