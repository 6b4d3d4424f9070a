use std::io::{Cursor, Write};

use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime, System};

/// Returns an uncompressed ZIP with these entries in this order. A name that ends with a slash is a folder. Entries
/// have no times, so that the same entries always give the same bytes.
pub(super) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .system(System::Unix);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let mut write = || {
        for (name, bytes) in entries {
            if name.ends_with('/') {
                archive.add_directory(*name, options.unix_permissions(0o755))?;
            } else {
                archive.start_file(*name, options.unix_permissions(0o644))?;
                archive.write_all(bytes)?;
            }
        }
        Ok::<_, zip::result::ZipError>(())
    };
    let written = write().and_then(|()| archive.finish());
    written.unwrap_or_else(|error| unreachable!("small entries in memory: {error}")).into_inner()
}

/// Returns a ZIP that is padded to `size` if that is longer. The padding is blank lines at the end of the entry `last`.
pub(super) fn zip_of_size(mut entries: Vec<(&str, String)>, last: &str, size: Option<usize>) -> Vec<u8> {
    let build = |entries: &[(&str, String)]| {
        zip(&entries.iter().map(|(name, text)| (*name, text.as_bytes())).collect::<Vec<_>>())
    };
    let natural = build(&entries);
    let missing = size.unwrap_or(0).saturating_sub(natural.len());
    if missing == 0 {
        return natural;
    }
    // Entries are not compressed, so each byte added to an entry adds one byte to the ZIP.
    for (_, text) in entries.iter_mut().filter(|(name, _)| *name == last) {
        text.push_str(&"\n".repeat(missing));
    }
    build(&entries)
}
