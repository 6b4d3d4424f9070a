use std::fmt::Write as _;

/// Returns a PDF of one page with these lines, padded to `size` if that is longer. Characters beyond Latin-1 appear in
/// the title only, because the font of the page lacks them.
pub(super) fn pdf(title: &str, lines: &[&str], size: Option<usize>) -> Vec<u8> {
    let natural = build(title, lines, 0);
    let missing = size.unwrap_or(0).saturating_sub(natural.len());
    if missing > 0 { build(title, lines, missing) } else { natural }
}

fn build(title: &str, lines: &[&str], padding: usize) -> Vec<u8> {
    let shown = lines.iter().map(|line| format!("({}) Tj T*\n", literal(line))).collect::<Vec<_>>().concat();
    let page = format!("BT\n/F1 12 Tf\n14 TL\n50 780 Td\n{shown}ET\n");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R /Resources << /Font << /F1 4 0 R >> >> >>"
            .to_owned(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{page}endstream", page.len()),
        format!("<< /Title <{}> /Producer (paragon-testkit) >>", utf16(title)),
    ];
    let mut text = format!("%PDF-1.4\n{}", "\n".repeat(padding));
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in (1..).zip(&objects) {
        let _ = writeln!(table, "{:010} 00000 n ", text.len());
        let _ = write!(text, "{number} 0 obj\n{object}\nendobj\n");
    }
    let start = text.len();
    let count = objects.len() + 1;
    // The offset always has ten digits, so that padding does not change the length of anything else.
    let _ =
        write!(text, "{table}trailer\n<< /Size {count} /Root 1 0 R /Info 6 0 R >>\nstartxref\n{start:010}\n%%EOF\n");
    text.into_bytes()
}

/// Returns the inside of a PDF string. Latin-1 characters beyond ASCII are written in octal; others become `?`.
fn literal(text: &str) -> String {
    let mut literal = String::new();
    for character in text.chars() {
        match (character, u8::try_from(u32::from(character))) {
            ('(' | ')' | '\\', _) => {
                literal.push('\\');
                literal.push(character);
            }
            (' '..='~', _) => literal.push(character),
            (_, Ok(latin @ 0xa0..)) => {
                let _ = write!(literal, "\\{latin:03o}");
            }
            _ => literal.push('?'),
        }
    }
    literal
}

fn utf16(text: &str) -> String {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.map(|unit| format!("{unit:04X}")).collect::<Vec<_>>().concat()
}
