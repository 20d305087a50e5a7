//! Who may ask: addresses, tokens, hosts, other sites.

use std::fs;
use std::sync::Arc;

use gstm2sd::events::spool::Limits;
use gstm2sd::events::{EventMaker, Spool};
use gstm2sd::watch::rest::{HttpConfig, Server};

use crate::client::{Reply, ask, get};
use crate::control::{MadeUp, Running, open, start};

const TOKEN: &str = "f00dfeedf00dfeedf00dfeedf00dfeed";

/// A server that wants the token.
fn guarded() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    start(HttpConfig { token_file: Some(file), ..open() })
}

fn refusal(config: &HttpConfig) -> String {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), EventMaker::new("test"), Limits::default()).unwrap();
    match Server::bind(config, Arc::new(MadeUp::default()), spool) {
        Ok(server) => panic!("it listens on {}", server.address()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn other_machines_need_a_token() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8083"] {
        let listen = listen.parse().unwrap();
        let text = refusal(&HttpConfig { listen, ..HttpConfig::default() });
        assert!(text.contains("token-file") && text.contains("127.0.0.1"), "{text}");
    }
}

#[test]
fn tokens_that_cannot_be_had_or_are_weak_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = folder.path().join(format!("token-{}", text.len()));
        fs::write(&path, text).unwrap();
        Some(path)
    };
    let no_file = Some(folder.path().join("nothing"));
    let cases = [
        (HttpConfig { token_file: no_file, ..open() }, "nothing cannot be read"),
        (HttpConfig { token_file: file("short"), ..open() }, "5 bytes"),
        (HttpConfig { token_file: file(""), ..open() }, "0 bytes"),
        (HttpConfig { token_file: file(&"x".repeat(5000)), ..open() }, "16 to 512"),
        (HttpConfig { token_file: file("a token with spaces"), ..open() }, "spaces"),
        (HttpConfig { token_env: Some("M2SD_NO_SUCH".into()), ..open() }, "M2SD_NO_SUCH"),
        (
            HttpConfig { token_env: Some("A".into()), token_file: file(TOKEN), ..open() },
            "both token-env and token-file",
        ),
    ];
    for (config, expected) in cases {
        let text = refusal(&config);
        assert!(text.contains(expected), "{text}");
    }
    let running = start(open());
    let taken = HttpConfig { listen: running.address, ..HttpConfig::default() };
    assert!(refusal(&taken).contains(&running.address.to_string()));
}

#[test]
fn unknown_keys_of_the_section_are_errors() {
    let error = toml::from_str::<HttpConfig>("listn = \"127.0.0.1:1\"").unwrap_err().to_string();
    assert!(error.contains("listn") && error.contains("listen"), "{error}");
}

#[test]
fn without_the_token_nothing_is_told() {
    let running = guarded();
    let at = running.address;
    let document = gstm2sd::watch::rest::openapi();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let target = path.replace("{id}", "door").replace("{name}", "a.mp4");
        for method in ["GET", "PUT", "POST", "DELETE"] {
            if item.get(method.to_lowercase()).is_none() || path.ends_with('z') {
                continue;
            }
            let reply = ask(at, method, &target).send();
            assert!(reply.header("www-authenticate").is_some_and(|how| how.contains("Bearer")));
            reply.problem(401);
            asked += 1;
        }
    }
    assert!(asked > 12, "{asked} routes");
    assert_eq!(get(at, "/healthz").status, 200);
    assert_eq!(get(at, "/readyz").status, 200);
    let page = get(at, "/");
    assert_eq!((page.status, page.header("location")), (303, Some("/login")));
}

fn with_token(running: &Running, value: &str) -> Reply {
    ask(running.address, "GET", "/api/v1/cameras").header("Authorization", value).send()
}

#[test]
fn the_token_opens_as_a_bearer() {
    let running = guarded();
    assert_eq!(with_token(&running, &format!("Bearer {TOKEN}")).status, 200);
    assert_eq!(with_token(&running, &format!("bearer {TOKEN}")).status, 200);
    let long = "x".repeat(8000);
    for wrong in ["Bearer ", "Bearer x", &format!("Basic {TOKEN}"), TOKEN, &long] {
        let text = with_token(&running, wrong).problem(401);
        assert!(!text.contains(TOKEN), "{text}");
    }
    let in_the_address = format!("/api/v1/cameras?token={TOKEN}");
    get(running.address, &in_the_address).problem(401);
}

#[test]
fn guessing_is_slow() {
    let running = guarded();
    let guesses = (0..40).map(|n| with_token(&running, &format!("Bearer guess-{n:032}")));
    let refused = guesses.filter(|reply| reply.status == 429).count();
    assert!(refused > 25, "{refused} of 40 guesses were not even looked at");
}

fn log_in(running: &Running, token: &str) -> Reply {
    let body = format!("token={token}");
    ask(running.address, "POST", "/login").body("application/x-www-form-urlencoded", body).send()
}

#[test]
fn the_form_gives_a_cookie_that_opens() {
    let running = guarded();
    let at = running.address;
    let form = get(at, "/login");
    assert!(form.status == 200 && form.text().contains("<form"), "{}", form.text());
    let wrong = log_in(&running, "0123456789abcdef0123456789abcdef");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    let reply = log_in(&running, TOKEN);
    assert_eq!((reply.status, reply.header("location")), (303, Some("/")));
    let cookie = reply.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains(TOKEN), "{cookie}");
    let session = cookie.split(';').next().unwrap();
    let ask_with = |cookie: &str| ask(at, "GET", "/api/v1/cameras").header("Cookie", cookie).send();
    assert_eq!(ask_with(session).status, 200);
    assert_eq!(ask_with(&format!("a=b; {session}; c=d")).status, 200);
    assert_eq!(ask_with(&session.replace("m2sd-session=", "m2sd-session=9")).status, 401);
    assert_eq!(ask_with(&format!("m2sd-session={TOKEN}")).status, 401);
    let out = ask(at, "POST", "/logout").header("Cookie", session).send();
    assert!(out.header("set-cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")));
    let behind_tls = ask(at, "POST", "/login")
        .header("X-Forwarded-Proto", "https")
        .body("application/x-www-form-urlencoded", format!("token={TOKEN}"))
        .send();
    assert!(behind_tls.header("set-cookie").is_some_and(|cookie| cookie.contains("Secure")));
}

#[test]
fn another_name_for_this_machine_is_refused() {
    let running = start(HttpConfig { hosts: vec!["Cams.example.org".into()], ..open() });
    let at = running.address;
    let status = |host: &str| ask(at, "GET", "/api/v1/cameras").header("Host", host).send().status;
    for host in [
        &at.to_string(),
        "localhost:8083",
        "127.0.0.1",
        "[::1]:80",
        "cams.example.org",
        "CAMS.example.org:443",
    ] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "a b", ""] {
        assert_eq!(status(host), 421, "{host}");
    }
}

#[test]
fn pages_of_other_sites_change_and_read_nothing() {
    let running = start(open());
    let at = running.address;
    let own = format!("http://{at}");
    let post = |name: &str, value: &str| {
        ask(at, "POST", "/api/v1/reload").header(name, value).send().status
    };
    assert_eq!(post("Origin", &own), 204);
    assert_eq!(post("Sec-Fetch-Site", "same-origin"), 204);
    for (name, value) in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        assert_eq!(post(name, value), 403, "{name}: {value}");
    }
    let read = ask(at, "GET", "/api/v1/cameras/a/snapshot.jpg")
        .header("Sec-Fetch-Site", "cross-site")
        .header("Sec-Fetch-Mode", "no-cors");
    read.send().problem(403);
    let link = ask(at, "GET", "/").header("Sec-Fetch-Site", "cross-site");
    assert_eq!(link.header("Sec-Fetch-Mode", "navigate").send().status, 200);
    let reply = ask(at, "GET", "/api/v1/cameras").header("Origin", &own).send();
    assert!(!reply.headers.iter().any(|(name, _)| name.starts_with("access-control")));
}

#[test]
fn every_answer_has_the_headers_that_protect_it() {
    let running = guarded();
    for target in ["/", "/login", "/healthz", "/nothing", "/api/v1/cameras", "/page/app.js"] {
        let reply = get(running.address, target);
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("referrer-policy"), Some("same-origin"));
        assert_eq!(reply.header("cross-origin-resource-policy"), Some("same-origin"));
        assert!(reply.header("cache-control").is_some(), "{target}");
    }
}
