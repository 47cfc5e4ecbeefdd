//! Text that others wrote (clients their names, guests their lines), made harmless to a log and a terminal.

/// `bytes` as text on one line: control characters but the tab are written out, and so is what turns, ends or hides in a
/// line (of Unicode's categories Cf, Zl and Zp). The rest stays as it is.
pub(crate) fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unseen(character) && character != '\t' {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

fn is_unseen(character: char) -> bool {
    // Of Cf, what changes the order of a line or is not shown; what letters of a script are written with stays.
    let unseen = matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    unseen || character.is_control()
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_terminal_sees_text_only() {
        let line = "Grüße\t\u{1b}[2J\r\nend".as_bytes();
        assert_eq!(harmless(line), "Grüße\t\\u{1b}[2J\\r\\nend");
    }

    #[test]
    fn nothing_turns_a_line_around_or_hides_in_it() {
        let line = "a\u{202e}b\u{2066}c\u{2028}d\u{200b}e\u{feff}f";
        let told = "a\\u{202e}b\\u{2066}c\\u{2028}d\\u{200b}e\\u{feff}f";
        assert_eq!(harmless(line.as_bytes()), told);
        let letters = "שלום 日本語 e\u{301} 👍🏽";
        assert_eq!(harmless(letters.as_bytes()), letters);
    }
}
