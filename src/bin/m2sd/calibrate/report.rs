//! What was learned, for the terminal.

use std::fmt::Write;

use gstm2sd::core::modelinfo::{LlrMap, Rate};
use gstm2sd::measure::fit::{Fitted, Side};

/// All of it.
pub fn text(classifier: &str, fitted: &Fitted) -> String {
    let [real, fake] = fitted.fitted_on;
    let [real_other, fake_other] = fitted.measured_on;
    let costs = fitted.costs;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{classifier}: fitted on {real} real and {fake} fake videos, measured on {real_other} and \
         {fake_other} others."
    );
    let method = match fitted.map {
        LlrMap::Platt { .. } => "logistic",
        LlrMap::Isotonic(_) => "isotonic",
    };
    let _ = writeln!(
        text,
        "Cllr on the others: {:.4} before, {:.4} logistic, {:.4} isotonic, {:.4} at best. Taken: \
         {method}.",
        costs.before, costs.platt, costs.isotonic, costs.least
    );
    if costs.platt.min(costs.isotonic) >= 1.0 {
        text.push_str(
            "That is no less than saying nothing costs: the classifier tells nothing of such videos.\n",
        );
    }
    let _ = writeln!(
        text,
        "\n{:<12}{:>12}   {:<30}{:<30}",
        "point", "P(fake) >", "real called fake (95 %)", "fake called fake (95 %)"
    );
    for point in &fitted.points {
        let _ = writeln!(
            text,
            "{:<12}{:>12.6}   {:<30}{:<30}",
            point.name,
            point.threshold,
            rate(point.fpr),
            rate(point.tpr)
        );
    }
    for refused in &fitted.refused {
        let _ = writeln!(
            text,
            "{:<12}not given: it takes {} real videos to fit on, and there are {}",
            refused.name, refused.needed, refused.reals
        );
    }
    text.push_str("Intervals are Wilson's.\n");
    for limit in &fitted.limits {
        let side = if limit.side == Side::Below { "below" } else { "above" };
        let _ = writeln!(
            text,
            "Insufficient where {} is {side} {}: {} of such videos are called what they are not, of \
             all {:.3}.",
            limit.number.key(),
            limit.value,
            rate(limit.beyond),
            limit.overall
        );
    }
    if fitted.limits.is_empty() {
        text.push_str("No limit of quality shows in these videos.\n");
    }
    text
}

fn rate(rate: Rate) -> String {
    format!("{:.4} ({:.4} to {:.4})", rate.value, rate.low, rate.high)
}
