//! Addresses of sinks: `scheme://user@host:port/path?parameter=value`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use url::Url;

use super::{Secret, SinkError};
use crate::core::hex::hex;
use crate::core::percent::decoded;
use crate::core::redact::{redact, without_keys};

/// An address as it may be shown, whatever is wrong with it: without passwords and keys. What stands in place of a
/// key tells it from others: two receivers of one host have two names.
pub(crate) fn shown(text: &str) -> String {
    let clean = redact(text);
    let Some((scheme, rest)) = clean.split_once("://").filter(|(scheme, _)| may_hold_key(scheme))
    else {
        return clean.into_owned();
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (path, parameters) = path.split_at(path.find(['?', '#']).unwrap_or(path.len()));
    format!("{scheme}://{host}{}{parameters}", without_keys(path, mark))
}

/// A part of its hash, from which nobody finds a key.
fn mark(key: &str) -> String {
    format!("***{}", hex(&Sha256::digest(key)[..2]))
}

/// Whether whoever knows the path may send. Elsewhere it names a topic or a file; what is mistyped may be any.
fn may_hold_key(scheme: &str) -> bool {
    let names = ["file", "stdout", "mqtt", "mqtts", "nats", "natss", "kafka", "kafkas"];
    !names.contains(&scheme)
}

fn is_web(scheme: &str) -> bool {
    matches!(scheme, "http" | "https")
}

/// An address that has been taken apart.
#[derive(Debug)]
pub(super) struct Address {
    /// Without user, password, parameters and, of web servers, keys in its path: what errors call it.
    pub(super) shown: String,
    /// With those keys: what tells it from others.
    pub(super) name: String,
    pub(super) scheme: String,
    pub(super) user: Option<String>,
    password: Option<Secret>,
    /// Several hosts are separated by commas.
    pub(super) hosts: String,
    /// Behind the host, percent-encoded, with the first slash.
    pub(super) path: String,
    parameters: BTreeMap<String, String>,
    asked: Vec<&'static str>,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, SinkError> {
        let wrong =
            |reason: &str| SinkError::Address { address: shown(text), reason: reason.to_owned() };
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(wrong("it has no scheme"));
        };
        let (authority, rest) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
            None => ("", rest),
        };
        // Where a password holds a character that ends it, what stands where cannot be told. Of web servers a
        // path may hold one, as that of Teams does, where no user can be before it.
        let may_hold_user = !authority.is_empty() && (authority.contains(':') || !is_web(scheme));
        if may_hold_user && rest.contains('@') {
            return Err(SinkError::Address {
                address: format!("{scheme}://***"),
                reason: "there is an @ behind the host: write %2F, %3F and %23 for /, ? and # in \
                         users and passwords, and %40 for @ everywhere"
                    .to_owned(),
            });
        }
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        // Path and parameters are read as any address's.
        let slash = if rest.is_empty() || rest.starts_with(['/', '?', '#']) { "" } else { "/" };
        let url =
            Url::parse(&format!("any://host{slash}{rest}")).map_err(|e| wrong(&e.to_string()))?;
        if url.fragment().is_some() {
            return Err(wrong("it has a part behind #: in passwords write %23"));
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            if parameters.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(wrong(&format!("the parameter {name} stands there twice")));
            }
        }
        let (user, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            None => (None, None),
            Some((user, password)) => (
                Some(decoded(user)),
                (!password.is_empty()).then(|| Secret::new(decoded(password))),
            ),
        };
        let slashes = if text.starts_with(&format!("{scheme}://")) { "//" } else { "" };
        let name = format!("{scheme}:{slashes}{hosts}{}", url.path());
        Ok(Self {
            shown: shown(&name),
            name,
            scheme: scheme.to_owned(),
            user,
            password,
            hosts: hosts.to_owned(),
            path: url.path().to_owned(),
            parameters,
            asked: Vec::new(),
        })
    }

    pub(super) fn incomplete(&self, reason: &str, expected: &'static str) -> SinkError {
        let (address, reason) = (self.shown.clone(), reason.to_owned());
        SinkError::Incomplete { address, reason, expected }
    }

    /// The path without its first slash, decoded.
    pub(super) fn decoded_path(&self) -> String {
        decoded(self.path.strip_prefix('/').unwrap_or(&self.path))
    }

    /// The host and its port; an IPv6 address stands in brackets.
    pub(super) fn host_and_port(
        &self,
        default: u16,
        expected: &'static str,
    ) -> Result<(String, u16), SinkError> {
        let url = Url::parse(&format!("any://{}/", self.hosts));
        let url = url.map_err(|e| self.incomplete(&e.to_string(), expected))?;
        match url.host_str() {
            Some(host) if !host.is_empty() => Ok((host.to_owned(), url.port().unwrap_or(default))),
            _ => Err(self.incomplete("it names no host", expected)),
        }
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.asked.push(name);
        self.parameters.remove(name)
    }

    pub(super) fn value<T: FromStr + PartialOrd + Display>(
        &mut self,
        name: &'static str,
        default: T,
        range: std::ops::RangeInclusive<T>,
    ) -> Result<T, SinkError> {
        let Some(found) = self.text(name) else { return Ok(default) };
        match found.parse() {
            Ok(value) if range.contains(&value) => Ok(value),
            _ => Err(self.cannot_be(
                name,
                found,
                format!("a whole number from {} to {}", range.start(), range.end()),
            )),
        }
    }

    pub(super) fn cannot_be(&self, name: &str, found: String, expected: String) -> SinkError {
        SinkError::Value { address: self.shown.clone(), name: name.to_owned(), found, expected }
    }

    pub(super) fn choice(
        &mut self,
        name: &'static str,
        default: &'static str,
        choices: &[&'static str],
    ) -> Result<&'static str, SinkError> {
        let Some(found) = self.text(name) else { return Ok(default) };
        let chosen = choices.iter().find(|choice| **choice == found);
        chosen.copied().ok_or_else(|| self.cannot_be(name, found, choices.join(" or ")))
    }

    pub(super) fn file(&mut self, name: &'static str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// The secret that an environment variable or a file holds, whichever is named.
    pub(super) fn secret(
        &mut self,
        of_environment: &'static str,
        of_file: &'static str,
    ) -> Result<Option<Secret>, SinkError> {
        let (variable, file) = (self.text(of_environment), self.file(of_file));
        let found = match (variable, file) {
            (None, None) => return Ok(None),
            (Some(variable), None) => Secret::of_environment(&variable),
            (None, Some(file)) => Secret::of_file(&file),
            (Some(_), Some(_)) => Err(format!("{of_environment} and {of_file} exclude each other")),
        };
        found.map(Some).map_err(|reason| SinkError::Secret { address: self.shown.clone(), reason })
    }

    /// The user's password: of the address, or of where `password-env` or `password-file` say.
    pub(super) fn password(&mut self) -> Result<Option<Secret>, SinkError> {
        let elsewhere = self.secret("password-env", "password-file")?;
        match (self.password.take(), elsewhere) {
            (Some(_), Some(_)) => Err(SinkError::Secret {
                address: self.shown.clone(),
                reason: "the password stands in the address and elsewhere; expected one of these"
                    .to_owned(),
            }),
            (here, elsewhere) => Ok(here.or(elsewhere)),
        }
    }

    /// That nothing is left that nobody asked for.
    pub(super) fn finish(&self) -> Result<(), SinkError> {
        let Some(name) = self.parameters.keys().next() else { return Ok(()) };
        Err(SinkError::UnknownParameter {
            address: self.shown.clone(),
            name: name.clone(),
            known: self.asked.join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_in_the_paths_of_web_servers_are_not_shown() {
        let slack = "https://hooks.slack.com/services/T01234567/aB1cD2eF3gH4iJ5kL6mN7oP8";
        let expected = "https://hooks.slack.com/services/T01234567/***a540";
        assert_eq!(Address::parse(slack).unwrap().shown, expected);
        assert_eq!(shown(slack), expected);
        assert_eq!(shown(&format!("{slack}?batch=2")), format!("{expected}?batch=2"));
        let other = slack.replace("aB1", "aB2");
        assert_ne!(shown(&other), expected);
        assert_eq!(Address::parse(slack).unwrap().name, slack, "its place in the spool");
        let teams = "https://h/webhookb2/0b1c2d3e-4f5a@0b1c2d3e-4f5a/IncomingWebhook/x";
        assert_eq!(Address::parse(teams).unwrap().name, teams);
        let topic = "mqtt://h/aB1cD2eF3gH4iJ5kL6mN7oP8";
        assert_eq!([&*Address::parse(topic).unwrap().shown, &*shown(topic)], [topic; 2]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r"(file|mqtt|http|kafka)?:?/{0,3}[ -~é]{0,40}") {
            if let Ok(address) = Address::parse(&text) {
                let _ = address.host_and_port(1, "host");
                let _ = address.decoded_path();
            }
        }

        #[test]
        fn passwords_that_are_encoded_come_back_and_are_not_shown(password in "[ -~]{1,20}") {
            let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let mut address = Address::parse(&format!("mqtt://bob:{encoded}@host:1/t?x=1")).unwrap();
            prop_assert_eq!(address.password().unwrap(), Some(Secret::new(password)));
            prop_assert_eq!(address.shown, "mqtt://host:1/t");
        }
    }
}
