//! The reports that were asked for: what was typed, and the files that are written.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use paragon_testkit::report::{Format, Report};

/// What each `--report` means.
pub(crate) fn asked(typed: &[String]) -> Result<Vec<(Format, PathBuf)>, String> {
    let mut reports: Vec<(Format, PathBuf)> = Vec::new();
    for text in typed {
        let (format, file) = report(text)?;
        if reports.iter().any(|(_, other)| *other == file) {
            return Err(format!("--report {text:?}: another report goes to that file already"));
        }
        reports.push((format, file));
    }
    Ok(reports)
}

fn report(text: &str) -> Result<(Format, PathBuf), String> {
    let known = Format::ALL.map(Format::name).join(", ");
    let expected = || format!("--report {text:?}: expected FORMAT=FILE, such as json=report.json; formats are {known}");
    let (format, file) = text.split_once('=').filter(|(_, file)| !file.is_empty()).ok_or_else(expected)?;
    let format: Format = format.parse().map_err(|error| format!("--report {text:?}: {error}"))?;
    let file = PathBuf::from(file);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if folder.is_file() => {
            Err(format!("--report {text:?}: {} is a file, not a folder", folder.display()))
        }
        Some(folder) if !folder.is_dir() => {
            Err(format!("--report {text:?}: the folder {} does not exist", folder.display()))
        }
        _ if file.is_dir() => Err(format!("--report {text:?}: {} is a folder", file.display())),
        _ => Ok((format, file)),
    }
}

/// Writes as many as can be written; the error names those that cannot.
pub(crate) fn write(reports: &[(Format, PathBuf)], report: &Report) -> Result<(), String> {
    let summary = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from);
    let mut unwritten = Vec::new();
    for (format, file) in reports {
        let text = format.write(report);
        let written = match summary.as_deref() {
            Some(summary) if *format == Format::Md && summary == file => append(file, &text),
            _ => fs::write(file, text),
        };
        if let Err(error) = written {
            unwritten.push(format!("--report {format}={}: {error}", file.display()));
        }
    }
    if unwritten.is_empty() { Ok(()) } else { Err(unwritten.join("\n")) }
}

/// What the step has said before stays.
fn append(file: &Path, text: &str) -> io::Result<()> {
    let mut summary = OpenOptions::new().create(true).append(true).open(file)?;
    if summary.metadata()?.len() > 0 {
        summary.write_all(b"\n\n")?;
    }
    summary.write_all(text.as_bytes())
}
