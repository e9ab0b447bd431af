//! Splits users into two groups for an A/B test. The upstream gets `x-variant: a` or `b`; a cookie stores the group of
//! a user.

use lockgate_sdk::prelude::*;
use lockgate_sdk::random;

#[derive(Config)]
struct Split {
    /// The percentage of new users that get `b`.
    #[config(max = 100)]
    percent: u64,
    /// The name of the cookie.
    #[config(default = "variant")]
    cookie: String,
}

#[plugin]
impl Plugin for Split {
    type Config = Split;
    /// The group of a new user.
    type State = Option<&'static str>;

    fn new(config: Split) -> Result<Self, ConfigError> {
        Ok(config)
    }

    fn on_request(&self, request: &mut Request, new: &mut Option<&'static str>) -> Result<()> {
        let group = match request.cookie(&self.cookie)?.as_deref() {
            Some("a") => "a",
            Some("b") => "b",
            _ => *new.insert(if random()? % 100 < self.percent { "b" } else { "a" }),
        };
        request.set_header("x-variant", group)
    }

    fn on_response(&self, response: &mut Response, new: &mut Option<&'static str>) -> Result<()> {
        match new {
            Some(group) => response.add_header("set-cookie", format!("{}={group}; Path=/; SameSite=Lax", self.cookie)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_sdk::testing::Gateway;

    fn gateway(percent: u32) -> Gateway<Split> {
        Gateway::configured(&format!(r#"{{ "percent": {percent} }}"#)).expect("a good configuration")
    }

    #[test]
    fn a_user_stays_in_the_group_of_the_first_response() {
        let gateway = gateway(100);
        let first = gateway.get("/").send();
        assert_eq!(first.forwarded("x-variant").as_deref(), Some("b"));
        let cookie = first.respond(200, &[]).header("set-cookie");
        assert_eq!(cookie.as_deref(), Some("variant=b; Path=/; SameSite=Lax"));
        drop(first);
        let known = gateway.get("/").header("cookie", "variant=a").send();
        assert_eq!(known.forwarded("x-variant").as_deref(), Some("a"));
        assert_eq!(known.respond(200, &[]).header("set-cookie"), None);
    }

    #[test]
    fn the_groups_have_about_the_wanted_size() {
        let gateway = gateway(30);
        let is_b = |_: &u32| gateway.get("/").send().forwarded("x-variant").as_deref() == Some("b");
        let b = (0..1000).filter(is_b).count();
        assert!((250..350).contains(&b), "{b} of 1000");
    }

    #[test]
    fn a_client_cannot_choose_a_group_by_the_header() {
        let gateway = gateway(0);
        let forged = gateway.get("/").header("x-variant", "b").send();
        assert_eq!(forged.forwarded("x-variant").as_deref(), Some("a"));
        assert!(Gateway::<Split>::configured(r#"{ "percent": 101 }"#).is_err());
    }
}
