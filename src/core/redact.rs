//! Passwords and tokens in addresses, taken out of everything that is printed or recorded.

use std::borrow::Cow;

/// What stands where a secret was.
const MASK: &str = "***";

/// Parts of a query parameter's name that say that its value is a secret.
const SECRET_PARTS: [&str; 9] =
    ["token", "passw", "passphrase", "pwd", "psw", "secret", "apikey", "signature", "credential"];

/// Whole names of that kind, which other names merely contain.
const SECRET_NAMES: [&str; 7] = ["key", "pass", "pw", "auth", "sig", "sid", "session"];

/// The text with the passwords of its addresses replaced: `rtsp://user:***@host`, `?token=***`.
/// A text without any comes back as it is.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut secrets = passwords(text);
    secrets.extend(parameters(text));
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    secrets.sort_unstable_by_key(|secret| secret.start);
    let (mut clean, mut done) = (String::with_capacity(text.len()), 0);
    for secret in secrets {
        // One inside another is gone already.
        if secret.start >= done {
            clean.push_str(&text[done..secret.start]);
            clean.push_str(MASK);
            done = secret.end;
        }
    }
    clean.push_str(&text[done..]);
    Cow::Owned(clean)
}

/// Whether [`redact`] has taken something out of a text.
pub fn is_redacted(text: &str) -> bool {
    text.contains(MASK)
}

type Place = std::ops::Range<usize>;

/// Where an address ends inside a text.
fn ends_address(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

/// The passwords between `user:` and `@`, before the first slash of each address; or behind it,
/// where what follows `user:` is no port: then the password was not encoded and holds the slash.
fn passwords(text: &str) -> Vec<Place> {
    const SCHEME: &str = "://";
    let mut places = Vec::new();
    for (at, _) in text.match_indices(SCHEME) {
        let start = at + SCHEME.len();
        let rest = &text[start..];
        let end = rest.find(|c| ends_address(c) || "/?#".contains(c)).unwrap_or(rest.len());
        let whole = &rest[..rest.find(ends_address).unwrap_or(rest.len())];
        // A password that was not encoded may hold further @.
        let host = rest[..end].rfind('@');
        let Some(host) = host.or_else(|| unencoded(&rest[..end], whole)) else { continue };
        let Some(colon) = rest[..host].find(':') else { continue };
        if colon + 1 < host {
            places.push(start + colon + 1..start + host);
        }
    }
    places
}

/// Where the host begins in an address whose first part, up to a slash, has no `@`.
pub(crate) fn unencoded(first: &str, whole: &str) -> Option<usize> {
    let (user, password) = first.split_once(':')?;
    let is_port = password.bytes().all(|byte| byte.is_ascii_digit());
    // A colon is also in IPv6 addresses.
    if is_port || user.starts_with('[') { None } else { whole.rfind('@') }
}

/// The values of query parameters whose names say that they are secret.
fn parameters(text: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for (at, mark) in text.match_indices(['?', '&', ';', '#']) {
        let start = at + mark.len();
        let rest = &text[start..];
        let end = rest.find(|c| ends_address(c) || "?&;#".contains(c)).unwrap_or(rest.len());
        let Some((name, value)) = rest[..end].split_once('=') else { continue };
        if is_secret(name) && !value.is_empty() {
            places.push(start + name.len() + 1..start + end);
        }
    }
    places
}

fn is_secret(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.contains(&name.as_str()) || SECRET_PARTS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens_of_addresses_are_replaced() {
        for (text, expected) in [
            ("rtsp://user:pass@host/stream", "rtsp://user:***@host/stream"),
            ("rtsp://user:p@ss@host:554", "rtsp://user:***@host:554"),
            ("rtsps://:secret@host", "rtsps://:***@host"),
            ("rtsp://bob:ge/heim@127.0.0.1:9/x", "rtsp://bob:***@127.0.0.1:9/x"),
            ("rtsp://bob:ge#heim@h/x said no", "rtsp://bob:***@h/x said no"),
            ("rtsp://bob:ge?heim@h", "rtsp://bob:***@h"),
            ("http://h/v?usr=a&pw=geheim", "http://h/v?usr=a&pw=***"),
            ("http://h/a?token=abc&x=1", "http://h/a?token=***&x=1"),
            ("http://h/a?x=1&PassWord=abc", "http://h/a?x=1&PassWord=***"),
            ("http://h/a?key=abc#t=3", "http://h/a?key=***#t=3"),
            ("https://h/a?X-Amz-Signature=abc", "https://h/a?X-Amz-Signature=***"),
            ("srt://h:1?passphrase=abc def", "srt://h:1?passphrase=*** def"),
            ("http://u:p@h/a?access_token=b", "http://u:***@h/a?access_token=***"),
            (
                "could not open \"rtsp://a:b@c/d\": rtsp://e:f@g said no",
                "could not open \"rtsp://a:***@c/d\": rtsp://e:***@g said no",
            ),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn what_has_no_password_is_unchanged() {
        for text in [
            "rtsp://host:554/stream?profile=1&keyframe=2",
            "rtsp://user@host/a:b@c",
            "rtsp://user:@host/",
            "http://host:8080/img@2x.png",
            "rtsp://[fe80::1]:554/a@b",
            "http://host/a@2x.png?monkey=1",
            "/videos/a clip.mp4",
            "12:34 a@b: no address",
            "größe://ü:",
        ] {
            assert!(matches!(redact(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}
