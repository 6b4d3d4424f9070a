/// Returns a picture of 8 by 8 pixels in one color that contains the text. It is padded to `size` if that is longer.
pub(super) fn png(text: &str, colour: [u8; 3], size: Option<usize>) -> Vec<u8> {
    const SIDE: u32 = 8;
    let mut header = [SIDE.to_be_bytes(), SIDE.to_be_bytes()].concat();
    // Eight bits per channel, RGB, the only compression and filter methods, not interlaced.
    header.extend([8, 2, 0, 0, 0]);
    let row = [&[0][..], &colour.repeat(SIDE as usize)].concat();
    // iTXt: keyword, not compressed, no language, no translation, UTF-8.
    let text = [b"Description\0\0\0\0\0", text.as_bytes()].concat();
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut bytes, *b"IHDR", &header);
    chunk(&mut bytes, *b"iTXt", &text);
    chunk(&mut bytes, *b"IDAT", &zlib(&row.repeat(SIDE as usize)));
    // Length of the last chunk (`IEND`), and of any chunk without its data.
    let frame = 12;
    let missing = size.unwrap_or(0).saturating_sub(bytes.len() + frame);
    if missing > 0 {
        // A private chunk, which every reader skips. It takes at least 12 bytes, even if fewer are missing.
        chunk(&mut bytes, *b"paDd", &vec![b' '; missing.saturating_sub(frame)]);
    }
    chunk(&mut bytes, *b"IEND", &[]);
    bytes
}

fn chunk(bytes: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    bytes.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    let start = bytes.len();
    bytes.extend(kind);
    bytes.extend(data);
    bytes.extend(crc32fast::hash(&bytes[start..]).to_be_bytes());
}

/// Returns a zlib stream of one stored block (RFC 1950, 1951).
fn zlib(data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    [&[0x78, 0x01, 0x01][..], &len.to_le_bytes(), &(!len).to_le_bytes(), data, &((b << 16) | a).to_be_bytes()].concat()
}
