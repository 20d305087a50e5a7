//! Errors whose outermost says little.

use std::error::Error;

/// An error with what lies beneath it, each once: `transport error: Connection refused`.
pub fn explained(error: &dyn Error) -> String {
    let mut text = error.to_string();
    for deeper in std::iter::successors(error.source(), |&error| error.source()) {
        let deeper = deeper.to_string();
        if !text.contains(&deeper) {
            text = format!("{text}: {deeper}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    #[test]
    fn what_an_outer_error_says_already_is_not_said_again() {
        let inner = Layer { text: "refused", source: None };
        let middle = Layer { text: "connect: refused", source: Some(Box::new(inner)) };
        let outer = Layer { text: "transport error", source: Some(Box::new(middle)) };
        assert_eq!(explained(&outer), "transport error: connect: refused");
    }
}
