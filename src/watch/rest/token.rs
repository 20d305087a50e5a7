//! The secret that clients show: as a bearer token, or as the cookie that the login form gives for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::core::hex::hex;

/// It could be guessed, or cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error(
    "has {found}; {least} to {most} printable ASCII characters without spaces are expected, such as \
     `openssl rand -hex 32` writes",
    least = Token::LEAST,
    most = Token::MOST
)]
pub struct NotAToken {
    found: String,
}

/// What a client must know. It has no `Debug`, so that it cannot be printed.
pub(super) struct Token(String);

impl Token {
    /// Characters that it has at least: too many to guess.
    pub(super) const LEAST: usize = 16;
    /// Characters that it has at most.
    pub(super) const MOST: usize = 512;
    /// For how long a login holds.
    pub(super) const SESSION: Duration = Duration::from_secs(7 * 24 * 3600);

    pub(super) fn new(text: &str) -> Result<Self, NotAToken> {
        let text = text.trim_end_matches(['\r', '\n']);
        let bad = |found| Err(NotAToken { found });
        if !(Self::LEAST..=Self::MOST).contains(&text.len()) {
            return bad(format!("{} bytes", text.len()));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return bad("spaces, line breaks or other characters".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether the text is this token. The time does not depend on where they differ.
    pub(super) fn is(&self, text: &str) -> bool {
        const PURPOSE: &[u8] = b"m2sd watch token";
        let expected = mac(&self.0, PURPOSE).finalize().into_bytes();
        mac(text, PURPOSE).verify_slice(&expected).is_ok()
    }

    /// What a browser keeps after a login: the time until which it holds, and a seal that only the token
    /// can make. The token itself is not in it, and a new token ends all of them.
    pub(super) fn session(&self, now: SystemTime) -> String {
        let until = seconds(now + Self::SESSION);
        let seal = hex(self.seal(until).finalize().into_bytes());
        format!("{until}.{seal}")
    }

    /// Whether a session is one of this token's, and still holds.
    pub(super) fn holds(&self, session: &str, now: SystemTime) -> bool {
        let Some((until, seal)) = session.split_once('.') else { return false };
        let (Ok(until), Some(seal)) = (until.parse(), from_hex(seal)) else { return false };
        self.seal(until).verify_slice(&seal).is_ok() && seconds(now) < until
    }

    fn seal(&self, until: u64) -> Hmac<Sha256> {
        mac(&self.0, format!("m2sd watch session until {until}").as_bytes())
    }
}

fn mac(key: &str, message: &[u8]) -> Hmac<Sha256> {
    // Keys of every length will do: longer ones than a block are hashed first.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_bytes())
        .unwrap_or_else(|_| <Hmac<Sha256> as KeyInit>::new(&Default::default()));
    mac.update(message);
    mac
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().as_chunks::<2>();
    if !digits.1.is_empty() || !text.is_ascii() {
        return None;
    }
    let byte = |pair: &[u8; 2]| {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        u8::try_from(digit(0)? * 16 + digit(1)?).ok()
    };
    digits.0.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::rest::HttpError;

    const TEXT: &str = "0123456789abcdef0123456789abcdef";

    fn token(text: &str) -> Token {
        Token::new(text).map_err(|error| error.to_string()).unwrap()
    }

    #[test]
    fn only_the_token_is_the_token() {
        let token = token(&format!("{TEXT}\n"));
        assert!(token.is(TEXT));
        for other in ["", &TEXT[1..], "0123456789ABCDEF0123456789abcdef", &format!("{TEXT}\n")] {
            assert!(!token.is(other), "{other:?}");
        }
    }

    #[test]
    fn weak_tokens_are_refused() {
        for weak in ["", "short", &"x".repeat(513), "0123456789 abcdef", "0123456789\nabcdef"] {
            let source = Token::new(weak).map(drop).unwrap_err();
            let error = HttpError::BadToken { source_name: "token-file", source }.to_string();
            assert!(error.contains("token-file") && error.contains("expected"), "{error}");
            assert!(weak.is_empty() || !error.contains(weak), "{error}");
        }
    }

    #[test]
    fn a_session_holds_for_its_time_and_its_token() {
        let (token, other) = (token(TEXT), token(&TEXT.replace('0', "1")));
        let now = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let session = token.session(now);
        assert!(token.holds(&session, now + Token::SESSION - Duration::from_secs(1)));
        assert!(!token.holds(&session, now + Token::SESSION));
        assert!(!other.holds(&session, now));
        let (until, seal) = session.split_once('.').unwrap();
        let later = until.parse::<u64>().unwrap() + 1;
        for forged in
            [format!("{later}.{seal}"), format!("{until}."), "".into(), format!("{until}.zz{seal}")]
        {
            assert!(!token.holds(&forged, now), "{forged}");
        }
        assert!(!session.contains(TEXT));
    }
}
