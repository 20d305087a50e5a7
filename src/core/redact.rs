//! Passwords and tokens in addresses, taken out of everything that is printed or recorded.

use std::borrow::Cow;

/// What stands where a secret was.
const MASK: &str = "***";

/// Parts of a query parameter's name that say that its value is a secret.
const SECRET_PARTS: [&str; 26] = [
    "token",
    "passw",
    "passphrase",
    "pwd",
    "psw",
    "secret",
    "apikey",
    "signature",
    "cred",
    "streamkey",
    "accesskey",
    "authkey",
    "privatekey",
    "bearer",
    "authorization",
    "jwt",
    "hmac",
    "loginpas",
    "authsign",
    "tkn",
    "hdnea",
    "hdnts",
    "sessid",
    "sessionid",
    "ticket",
    "nonce",
];

/// Whole names of that kind, which other names merely contain.
const SECRET_NAMES: [&str; 14] = [
    "key", "pass", "pw", "auth", "sig", "sid", "session", "st", "md5", "hash", "otp", "pin",
    "code", "policy",
];

/// Names of users, beside which a `p` is a password.
const USER_NAMES: [&str; 5] = ["u", "usr", "user", "username", "login"];

/// The text with the passwords of its addresses replaced: `rtsp://user:***@host`, `?token=***`.
/// A text without any comes back as it is.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut secrets = passwords(text);
    secrets.extend(parameters(text));
    secrets.extend(fields(text));
    secrets.extend(words_behind_rtmp(text));
    secrets.extend(keys(text));
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

/// Where a part of a text lies in it.
fn place_of(part: &str, text: &str) -> Place {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

/// A value without what the sentence around its address goes on with.
fn without_sentence(value: &str) -> &str {
    value.trim_end_matches([':', '.', ',', ')', ']'])
}

/// Where an address ends inside a text.
fn ends_address(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

/// The address that a text begins with.
fn up_to_end(text: &str) -> &str {
    &text[..text.find(ends_address).unwrap_or(text.len())]
}

/// The letters and digits that a text ends with, as a scheme's name does.
fn last_word(text: &str) -> &str {
    text.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default()
}

/// What is between a scheme and the user.
const SCHEME_END: &str = "://";

/// The passwords of all addresses in a text, with a scheme and without.
fn passwords(text: &str) -> Vec<Place> {
    let behind_schemes = text.match_indices(SCHEME_END).map(|(at, _)| {
        let rest = &text[at + SCHEME_END.len()..];
        // What has one slash too many is a path where the scheme is that of files.
        let is_file = text[..at].ends_with("file");
        text.len() - if is_file { rest.len() } else { rest.trim_start_matches('/').len() }
    });
    let starts = behind_schemes.chain(mistyped(text));
    starts.filter_map(|start| password(text, start)).collect()
}

/// The password between `user:` and `@` of an address whose user begins at `start`: before its first slash; or
/// behind it, where what follows `user:` is no port: then the password was not encoded and holds the slash.
/// Without any `@` what stands where a port is expected and is none: the host was forgotten.
fn password(text: &str, start: usize) -> Option<Place> {
    let rest = &text[start..];
    let end = end_of_authority(rest);
    let whole = up_to_end(rest);
    // A password that was not encoded may hold further @.
    let host = rest[..end].rfind('@').or_else(|| unencoded(&rest[..end], whole));
    let Some(host) = host else {
        let place = no_port(&rest[..end])?;
        return Some(start + place.start..start + place.end);
    };
    // Some encode the colon as well.
    let colon = rest[..host].find(':').map(|at| at + 1);
    let encoded = || rest[..host].find("%3A").or_else(|| rest[..host].find("%3a")).map(|at| at + 3);
    let behind = colon.or_else(encoded)?;
    (behind < host).then_some(start + behind..start + host)
}

/// Whether this is a key that a machine made, and no name that somebody gave: long, and with digits among letters
/// in one of its parts.
fn is_key(text: &str) -> bool {
    // Names end with a number, or begin with one.
    let is_mixed = |part: &str| {
        let bytes = part.as_bytes();
        let kinds =
            bytes.windows(2).filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit());
        let turns = bytes
            .windows(2)
            .filter(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase());
        part.len() >= 8 && (kinds.count() >= 2 || turns.count() >= 5)
    };
    let parts: Vec<_> =
        text.trim_end_matches('=').split(['-', '_', '.', ':', '~', '%', '+', '@']).collect();
    let is_plain = |part: &&str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() >= 16 && parts.iter().all(is_plain) && parts.into_iter().any(is_mixed)
}

/// The path of an address in which keys are replaced, as receivers of webhooks have them:
/// `/services/T012/B345/***`. What stands in place of each is said by `mark`.
pub fn without_keys(path: &str, mark: impl Fn(&str) -> String) -> String {
    let parts = path.split('/').map(|part| if is_key(part) { mark(part) } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("/")
}

/// Keys in place of a user (`https://key@host`), and in the paths of cameras and stream servers that know nobody
/// by name (`rtsps://host/key`); passwords in the paths of servers of channels. In other paths keys are names of
/// files.
fn keys(text: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for (at, _) in text.match_indices(SCHEME_END) {
        let scheme = last_word(&text[..at]);
        let whole = up_to_end(&text[at + SCHEME_END.len()..]);
        let end = end_of_authority(whole);
        let user = whole[..end].rsplit_once('@').map(|(user, _)| user);
        places.extend(
            user.filter(|user| !user.contains(':') && is_key(user))
                .map(|user| place_of(user, text)),
        );
        if scheme.starts_with("rtsp") || scheme.starts_with("rtmp") {
            let path = whole[end..].split(['?', '#']).next().unwrap_or_default();
            // What has an @ is a user with one slash too many, and its password is found as such.
            let is_key = |part: &&str| !part.contains('@') && is_key(part);
            let parts = path.split('/').map(without_sentence).filter(is_key);
            places.extend(parts.map(|part| place_of(part, text)));
        }
        if scheme.starts_with("http") {
            places.extend(password_of_channel(&whole[end..]).map(|part| place_of(part, text)));
        }
    }
    places
}

/// The password in the path of a channel or film, as such servers have it: `/live/user/password/123.ts`.
fn password_of_channel(path: &str) -> Option<&str> {
    let parts: Vec<_> = path.split('/').collect();
    let ["", kind, user, password, rest @ ..] = parts.as_slice() else { return None };
    let is_number = rest.iter().any(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    let is_channel = ["live", "movie", "series", "timeshift"].contains(kind) && is_number;
    (is_channel && !user.is_empty() && !password.is_empty()).then_some(password)
}

/// Where users may begin in words that look like addresses whose scheme is left out or mistyped:
/// `user:pw@host`, `rtsp:/user:pw@host`, `rtsp//user:pw@host`, `rtsp:user:pw@host`.
fn mistyped(text: &str) -> Vec<usize> {
    // An apostrophe may be in a password, or around the word.
    let ends_word = |c: char| ends_address(c) && c != '\'';
    let mut starts = Vec::new();
    for word in text.split(ends_word).filter(|word| !word.contains(SCHEME_END)) {
        let word = word.trim_start_matches(['\'', '(', '[', '{', ',', '=']);
        let rest = without_scheme(word);
        let Some((name, host)) = rest.rsplit_once('@') else { continue };
        let is_host = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        let has_scheme = rest.len() < word.len();
        let is_other = is_path(rest) || is_digest(host) || (!has_scheme && is_time(name));
        if is_host && !is_other {
            starts.push(place_of(rest, text).start);
        }
    }
    starts
}

/// A word behind what may have been meant as its scheme: one that is known before any colon or slash, another
/// before what looks like `://`.
fn without_scheme(word: &str) -> &str {
    const SCHEMES: [&str; 18] = [
        "rtsp", "rtsps", "rtspt", "rtspu", "http", "https", "rtmp", "rtmps", "rtmpt", "srt",
        "rist", "mqtt", "mqtts", "nats", "udp", "tcp", "ftp", "mailto",
    ];
    let is_separator = |c| matches!(c, ':' | ';' | '/');
    let (scheme, behind) = word.split_at(word.find(is_separator).unwrap_or(word.len()));
    // As in `uri=rtsp:/…`.
    let scheme = last_word(scheme).to_ascii_lowercase();
    let rest = behind.trim_start_matches(is_separator);
    let between = &behind[..behind.len() - rest.len()];
    if scheme.is_empty() && behind.starts_with("//") {
        return rest;
    }
    if scheme == "file" {
        return behind.trim_start_matches([':', ';']);
    }
    let is_known = SCHEMES.contains(&scheme.as_str());
    // One letter is a drive.
    let looks_so = scheme.len() > 1 && between.len() > 1 && between.contains('/');
    if is_known || looks_so { rest } else { word }
}

/// Whether this is a path, which may hold colons and @: it begins as one, or its folders come first.
fn is_path(word: &str) -> bool {
    let user = word.split(':').next().unwrap_or_default();
    word.starts_with(['/', '.', '~']) || (user.contains('/') && !user.contains("//"))
}

/// What follows the @ of a container image's digest: `name:tag@sha256:…`.
fn is_digest(host: &str) -> bool {
    let (algorithm, hash) = host.split_once(':').unwrap_or((host, ""));
    let is_known = ["sha256", "sha384", "sha512", "sha1", "md5"].contains(&algorithm);
    is_known || (hash.len() >= 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether this is a time or a date: `12:34:56`, `2026-11-27T07:48:00Z`, `20261127t074800z`.
fn is_time(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || b":.-+TZtz".contains(&byte))
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
                places.push(place_of(value, text));
            }
        }
    }
    places
}

/// Where the host begins in an address whose first part, up to a slash, has no `@`.
pub(crate) fn unencoded(first: &str, whole: &str) -> Option<usize> {
    let (user, password) = first.split_once(':')?;
    let host = whole.rfind('@')?;
    let is_port = password.bytes().all(|byte| byte.is_ascii_digit());
    // Digits are a port, unless what is before them is no host's full name, and what is behind the @ is one.
    let is_full = |host: &str| host.contains('.') || host.starts_with('[') || host == "localhost";
    let behind = whole[host + 1..].split(['/', ':', '?', '#']).next().unwrap_or_default();
    let is_port = is_port && (is_full(user) || !is_full(behind) || is_file_name(behind));
    // A colon is also in IPv6 addresses.
    (!is_port && !user.starts_with('[')).then_some(host)
}

/// Whether an ending says that this is a picture, a video or a list, as in `cam@2x.png`.
fn is_file_name(text: &str) -> bool {
    const ENDINGS: [&str; 12] =
        ["png", "jpg", "jpeg", "mp4", "ts", "m3u8", "mjpg", "mpd", "flv", "sdp", "mkv", "webm"];
    text.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending))
}

/// What stands in place of a port and is none, in an address without `@`.
fn no_port(first: &str) -> Option<Place> {
    let (host, port) = first.split_once(':')?;
    // What a sentence goes on with is not of the address.
    let port = port.trim_end_matches([':', ';', '.', ',', ')', ']', '}']);
    let behind_digits = port.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_port = behind_digits.len() < port.len()
        && !behind_digits.starts_with(|c: char| c.is_alphanumeric());
    let is_placeholder = port.eq_ignore_ascii_case("port") || port.starts_with(['$', '{', '<']);
    // A colon is also in IPv6 addresses.
    let is_other = port.is_empty() || is_port || is_placeholder || host.starts_with('[');
    (!is_other).then(|| host.len() + 1..host.len() + 1 + port.len())
}

/// The values of query parameters that are keys, or whose names say that they are secret.
fn parameters(text: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for (at, mark) in text.match_indices(['?', '&', ';', '#']) {
        let start = at + mark.len();
        let rest = &text[start..];
        let end = rest.find(|c| ends_address(c) || "?&;#".contains(c)).unwrap_or(rest.len());
        let Some((name, value)) = rest[..end].split_once('=') else { continue };
        let value = without_sentence(value);
        let is_key = is_key(value) && !is_time(value);
        if (is_secret(name) || is_key) && !value.is_empty() {
            places.push(place_of(value, text));
        }
    }
    places
}

/// The values of secret fields that stand otherwise in an address: in its path, as recorders without a name have
/// them (`/user=admin_password=secret_channel=1`), in the stream id of SRT (`#!::u=a,pass=secret`), or behind an
/// encoded question mark. They go as far as the next parameter, as a password may hold what separates fields.
fn fields(text: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for word in text.split(ends_address).filter(|word| word.contains(SCHEME_END)) {
        let has_user = word
            .split(['?', '&', ',', '/', ':'])
            .any(|field| field.split_once('=').is_some_and(|(name, _)| USER_NAMES.contains(&name)));
        for (at, mark) in word.match_indices(['/', ',', '_', ':', '?', '&']) {
            let field = &word[at + mark.len()..];
            let end = field.find(['&', ',', '?', '#', '/']).unwrap_or(field.len());
            let Some((name, value)) = field[..end].split_once('=') else { continue };
            let value = without_sentence(value);
            if !value.is_empty() && (is_secret(name) || (has_user && name == "p")) {
                places.push(place_of(value, text));
            }
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
#[path = "redact_tests.rs"]
mod tests;
