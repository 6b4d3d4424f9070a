//! Lists the files of `schemas/` and `fixtures/`, so that a new one is shipped by being there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    for folder in ["schemas", "fixtures"] {
        println!("cargo::rerun-if-changed={folder}");
        let mut files = Vec::new();
        find(&root.join(folder), &mut files)?;
        files.sort();
        let mut list = String::from("&[\n");
        for file in files {
            let name = file.strip_prefix(root.join(folder)).unwrap_or(&file).with_extension("");
            let name = name.to_string_lossy().replace('\\', "/");
            // Not where it is now: two checkouts that share a target folder share this list.
            let path = format!("/{folder}/{name}.json");
            let _ = writeln!(list, "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),");
        }
        fs::write(out.join(format!("{folder}.rs")), list + "]\n")?;
    }
    Ok(())
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}
