//! Passwords and tokens in addresses, taken out of everything that is printed or recorded.

use std::borrow::Cow;

/// What stands where a secret was.
const MASK: &str = "***";

/// Parts of a query parameter's name that say that its value is a secret.
const SECRET_PARTS: [&str; 19] = [
    "token",
    "passw",
    "passphrase",
    "pwd",
    "psw",
    "secret",
    "apikey",
    "signature",
    "credential",
    "streamkey",
    "accesskey",
    "authkey",
    "privatekey",
    "bearer",
    "authorization",
    "jwt",
    "hmac",
    "hdnea",
    "hdnts",
];

/// Whole names of that kind, which other names merely contain.
const SECRET_NAMES: [&str; 7] = ["key", "pass", "pw", "auth", "sig", "sid", "session"];

/// The text with the passwords of its addresses replaced: `rtsp://user:***@host`, `?token=***`.
/// A text without any comes back as it is.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut secrets = passwords(text);
    secrets.extend(parameters(text));
    secrets.extend(words_behind_rtmp(text));
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
        let end = end_of_authority(rest);
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

/// Where the first part of an address ends, that of the host. An apostrophe may be in a password, or
/// end the address.
fn end_of_authority(rest: &str) -> usize {
    let end = |ends: &dyn Fn(char) -> bool| rest.find(ends).unwrap_or(rest.len());
    let far = end(&|c| (ends_address(c) && c != '\'') || "/?#".contains(c));
    let near = end(&|c| ends_address(c) || "/?#".contains(c));
    if rest[..near].contains('@') || !rest[..far].contains('@') { near } else { far }
}

/// The values of secret words behind an address of librtmp: `rtmp://host/app token=secret live=1`.
fn words_behind_rtmp(text: &str) -> Vec<Place> {
    let mut places = Vec::new();
    let Some(start) = text.find("rtmp") else { return places };
    for line in text[start..].split('\n').filter(|line| line.contains("://")) {
        for word in line.split_ascii_whitespace() {
            let Some((name, value)) = word.split_once('=') else { continue };
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if is_name && is_secret(name) && !value.is_empty() {
                // Both are parts of one text.
                let at = value.as_ptr() as usize - text.as_ptr() as usize;
                places.push(at..at + value.len());
            }
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
        // What a sentence goes on with is not of the value.
        let value = value.trim_end_matches([':', '.', ',', ')', ']']);
        if is_secret(name) && !value.is_empty() {
            let start = start + name.len() + 1;
            places.push(start..start + value.len());
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
            (
                "srt://h:1?mode=caller&passphrase=a.b: no",
                "srt://h:1?mode=caller&passphrase=***: no",
            ),
            ("rtsp://u:pa'ss@h/x and 'it'", "rtsp://u:***@h/x and 'it'"),
            ("'rtsp://u:p@h/x', 'rtsp://h:80'", "'rtsp://u:***@h/x', 'rtsp://h:80'"),
            ("rtmp://h/live?streamkey=abc", "rtmp://h/live?streamkey=***"),
            ("rtmps://h/a token=abc live=1 key=1", "rtmps://h/a token=*** live=1 key=***"),
            ("http://h/a?AWSAccessKeyId=A&Expires=1", "http://h/a?AWSAccessKeyId=***&Expires=1"),
            ("http://h/a?hdnts=exp=1~hmac=ab", "http://h/a?hdnts=***"),
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
