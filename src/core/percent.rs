//! Percent-encoding of addresses.

/// The text with `%40` as `@`; what is no such code stays, and all of it where it would be no UTF-8.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::percent::decoded;
///
/// assert_eq!(decoded("p%40ss%2fword"), "p@ss/word");
/// assert_eq!(decoded("100%, %+f"), "100%, %+f");
/// assert_eq!(decoded("%ff"), "%ff");
/// ```
pub fn decoded(text: &str) -> String {
    String::from_utf8(decoded_bytes(text)).unwrap_or_else(|_| text.to_owned())
}

/// The bytes that a text stands for: of `%ff` one, of what is no such code those of the text.
pub fn decoded_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match (first, tail) {
            (b'%', [a, b, ..]) => hex(*a).zip(hex(*b)).map(|(a, b)| a * 16 + b),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    bytes
}

/// The bytes as text, all that need it in an address as `%ff`; slashes stay.
pub fn encoded(bytes: &[u8]) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let code = |byte: &u8| match *byte {
        plain if is_plain(plain) => char::from(plain).to_string(),
        other => format!("%{other:02X}"),
    };
    bytes.iter().map(code).collect()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
