//! Text in lines of a width, measured as terminals show it: wide characters count two columns.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns that a text takes.
pub fn width_of(text: &str) -> usize {
    text.width()
}

/// `text` in lines of `width` columns at most, broken at spaces; a word that is longer than a line
/// is broken anywhere. At least one line, and none is wider, but for a character that is.
pub fn lines(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        let taken = width_of(&line);
        if taken > 0 && taken + 1 + width_of(word) > width {
            lines.push(std::mem::take(&mut line));
        } else if taken > 0 {
            line.push(' ');
        }
        if width_of(&line) + width_of(word) <= width {
            line.push_str(word);
            continue;
        }
        for c in word.chars() {
            let taken = width_of(&line);
            if taken > 0 && taken + c.width().unwrap_or(0) > width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

/// As [`lines`]; in one line where it fits, with the spaces that it has.
pub fn in_lines(text: &str, width: usize) -> Vec<String> {
    if width_of(text) <= width { vec![text.to_owned()] } else { lines(text, width) }
}

/// How the head and the words of a paragraph are shown: as they are, or in colours.
pub struct Paint<'a> {
    pub head: &'a dyn Fn(&str) -> String,
    pub words: &'a dyn Fn(&str) -> String,
}

impl Paint<'_> {
    pub const NONE: Self = Paint { head: &str::to_owned, words: &str::to_owned };
}

/// What stands before a paragraph's lines on a narrow terminal.
const NARROW_INDENT: usize = 4;

/// The head, with few spaces at its start where it has no room for all.
fn less_indented(head: &str, most: usize) -> &str {
    let spaces = head.len() - head.trim_start_matches(' ').len();
    let has_room = width_of(head) <= most;
    if has_room { head } else { &head[spaces.saturating_sub(NARROW_INDENT)..] }
}

/// `text` behind `head`, in lines that begin where its first one does; each ends with a line feed.
pub fn hanging(head: &str, text: &str, width: Option<usize>, paint: &Paint<'_>) -> String {
    let most = width.map_or(usize::MAX, |width| width / 3);
    let head = less_indented(head, most);
    let whole = width_of(head);
    let indent = if whole > most { NARROW_INDENT.min(most) } else { whole };
    let lines = match width {
        Some(width) => in_lines(text, width - indent),
        None => vec![text.trim_end().to_owned()],
    };
    let (mut page, mut start) = (String::new(), (paint.head)(head));
    // A head that takes more than a third has a line of its own.
    if whole > indent {
        for line in in_lines(head.trim_end(), width.unwrap_or(usize::MAX)) {
            page.push_str(&(paint.head)(&line));
            page.push('\n');
        }
        start = " ".repeat(indent);
    }
    for line in lines {
        if line.is_empty() {
            page.push_str(start.trim_end());
        } else {
            page.push_str(&start);
            page.push_str(&(paint.words)(&line));
        }
        page.push('\n');
        start = " ".repeat(indent);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_wider_than_asked_and_lose_nothing() {
        for text in [
            "a few words, and then some more",
            "漢字の名前.mp4 и ещё",
            "/a/very/long/path/x.mp4",
            "",
        ] {
            for width in 4..40 {
                let lines = lines(text, width);
                assert!(lines.iter().all(|line| width_of(line) <= width), "{width}: {lines:?}");
                let all = |text: &str| text.split_whitespace().collect::<String>();
                assert_eq!(all(&lines.concat()), all(text), "{width}");
            }
        }
    }

    #[test]
    fn what_follows_a_head_begins_below_its_first_word() {
        assert_eq!(
            hanging("  x ", "one two three", Some(13), &Paint::NONE),
            "  x one two\n    three\n"
        );
        assert_eq!(hanging("  x ", "one two three", None, &Paint::NONE), "  x one two three\n");
        let deep = hanging("          -> ", "one two", Some(21), &Paint::NONE);
        assert_eq!(deep, "    -> one two\n");
        assert_eq!(hanging("too long ", "one", Some(12), &Paint::NONE), "too long\n    one\n");
    }
}
