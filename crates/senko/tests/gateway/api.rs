//! The API on the socket, spoken by hand, and who uses it.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
};

use agent::place::Place;
use serde_json::{Value, json};

use crate::{
    atomic::{SOURCES, rules},
    fixture::Gateway,
    probe::Probe,
    support::patience,
};

/// Status and body of one request on a connection of its own.
pub fn try_http(place: &Place, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = UnixStream::connect(place.socket())?;
    stream.set_read_timeout(Some(patience()))?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: senko\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    Ok((status, body.to_owned()))
}

fn http(place: &Place, method: &str, path: &str, body: &str) -> (u16, String) {
    try_http(place, method, path, body).expect("the daemon answers")
}

fn ask(place: &Place, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = http(place, method, path, &body);
    (status, serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error}: {answer}")))
}

#[test]
fn it_does_what_the_description_says() {
    let gateway = Gateway::new("api");
    let probe = Probe::of(&gateway);
    let path = gateway.write("native", &rules(false));
    let _daemon = gateway.run();
    let ask = |method: &str, path: &str, body: Value| ask(&gateway.place, method, path, &body);

    let published: Value = serde_json::from_str(include_str!("../../../../docs/openapi.json")).expect("JSON");
    assert_eq!(ask("GET", "/v1/openapi.json", Value::Null), (200, published));

    assert_eq!(ask("GET", "/v1/blocks", Value::Null), (200, json!([])));
    let (status, reply) =
        ask("POST", "/v1/blocks", json!({ "prefix": "192.0.2.1", "seconds": 600, "why": "test" }));
    assert_eq!((status, &reply["changed"]), (200, &json!(1)), "{reply}");
    assert_eq!(probe.passing(&SOURCES), [SOURCES[1]]);
    let (_, blocks) = ask("GET", "/v1/blocks", Value::Null);
    assert_eq!((&blocks[0]["prefix"], &blocks[0]["why"]), (&json!("192.0.2.1/32"), &json!("test")));
    assert_eq!(ask("POST", "/v1/unblock", json!(["192.0.2.1"])).0, 200);

    assert_eq!(ask("POST", "/v1/sets/b", json!({ "add": ["192.0.2.0/24"] })).0, 200);
    assert_eq!(
        http(&gateway.place, "GET", "/v1/sets/b", ""),
        (200, "192.0.2.0/24\n2001:db8:b::2/128\n".into())
    );
    assert_eq!(probe.passing(&SOURCES), [SOURCES[1]]);
    assert_eq!(ask("POST", "/v1/sets/b", json!({ "remove": ["192.0.2.0/24"] })).0, 200);

    let before = gateway.ids();
    for (method, path, body, code, words) in [
        ("POST", "/v1/apply", "{", 400, "the body cannot be read"),
        ("POST", "/v1/apply", "{\"confg\":\"x\"}", 400, "confg"),
        ("POST", "/v1/apply", "{\"confirm_seconds\":-1}", 422, "no time"),
        ("POST", "/v1/blocks", "{\"prefix\":\"192.0.2.300\"}", 422, "192.0.2.300"),
        ("POST", "/v1/blocks", "{\"prefix\":\"192.0.2.1\",\"seconds\":0}", 422, "no time"),
        ("POST", "/v1/unblock", "[\"192.0.2.7\"]", 422, "not blocked"),
        ("POST", "/v1/sets/x", "{\"add\":[\"192.0.2.7\"]}", 422, "no set `x`"),
        ("POST", "/v1/sets/b", "{}", 422, "no prefix"),
        ("GET", "/v1/sets/x", "", 422, "no set `x`"),
        ("POST", "/v1/rollback", "", 422, "no configuration before"),
        ("POST", "/v1/confirm", "", 422, "no generation waits"),
        ("GET", "/v2/blocks", "", 404, "/v1/openapi.json"),
    ] {
        let (status, answer) = http(&gateway.place, method, path, body);
        let refusal: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{path}: {answer}"));
        let cause = refusal["cause"].as_str().expect("a cause");
        assert!(status == code && cause.contains(words), "{method} {path} {body}: {status} {answer}");
    }
    assert_eq!(http(&gateway.place, "DELETE", "/v1/blocks", "").0, 405);
    assert_eq!(gateway.ids(), before);

    // A configuration with an error, and one without.
    gateway.write("native", "[firewall]\ndrop = [\"203.0.113.300\"]\n");
    let (status, refusal) = ask("POST", "/v1/apply", json!({ "config": path }));
    assert_eq!((status, &refusal["exit_code"]), (422, &json!(2)), "{refusal}");
    assert!(refusal["text"].as_str().expect("text").contains(&format!("{path}:6:9")), "{refusal}");
    assert_eq!(refusal["problems"].as_array().map(Vec::len), Some(1));
    assert_eq!(gateway.ids(), before);
    gateway.write("native", &rules(true));
    let (status, reply) = ask("POST", "/v1/apply", json!({}));
    assert_eq!((status, &reply["generation"]), (200, &json!(before.generation + 1)), "{reply}");
    assert_eq!(probe.passing(&SOURCES[..2]), [SOURCES[0]]);
}

/// The daemon has the lock: a command that did not ask it would wait in vain.
#[test]
fn commands_ask_the_daemon_where_one_runs() {
    let gateway = Gateway::new("hand");
    let probe = Probe::of(&gateway);
    gateway.write("native", &rules(false));
    let daemon = gateway.run();
    gateway.senko(&["block", "192.0.2.1"]).ok();
    gateway.senko(&["set", "add", "b", "203.0.113.5"]).ok();
    assert_eq!(probe.passing(&[SOURCES[2], "203.0.113.5"]), [""; 0]);
    gateway.write("native", &rules(true));
    gateway.senko(&["apply"]).ok().says(&["generation 3 is live"]);
    gateway.senko(&["rollback"]).ok();
    assert_eq!(probe.passing(&SOURCES[..2]), [SOURCES[1]]);
    let refused = gateway.senko(&["unblock", "192.0.2.9"]).refused(1, &["192.0.2.9/32 is not blocked"]);
    daemon.kill();
    // The same, with and without.
    let alone = gateway.senko(&["unblock", "192.0.2.9"]).refused(1, &["192.0.2.9/32 is not blocked"]);
    assert_eq!(refused.err, alone.err);
    gateway.senko(&["unblock", "192.0.2.1"]).ok();
    assert_eq!(probe.passing(&[SOURCES[2], "203.0.113.5"]), [SOURCES[2]]);
}
