//! Text that others wrote (clients their names, guests their lines), made harmless to a log and a terminal.

/// `bytes` as text on one line: control characters but the tab are written out, the rest stays as it is.
pub(crate) fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_terminal_sees_text_only() {
        let line = "Grüße\t\u{1b}[2J\r\nend".as_bytes();
        assert_eq!(harmless(line), "Grüße\t\\u{1b}[2J\\r\\nend");
    }
}
