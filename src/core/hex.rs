//! Bytes as text.

use std::fmt::Write;

/// Two hexadecimal digits a byte, in lower case.
///
/// # Examples
///
/// ```
/// use gstm2sd::core::hex::hex;
///
/// assert_eq!(hex([0x0a, 0xff]), "0aff");
/// ```
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::new();
    for byte in bytes.as_ref() {
        // A String takes whatever is written.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
