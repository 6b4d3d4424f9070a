//! The reports of `--report`: checks the options, and writes the files.
//!
//! A report is written to a temporary file beside its target, and then renamed, so that no reader sees half a report.
//! The report of an earlier run is removed when a run begins, so that it is not taken for the report of this run.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use paragon_testkit::report::{Format, Report};

/// A requested report.
pub(crate) struct RequestedReports {
    format: Format,
    /// Path as given on the command line.
    typed: PathBuf,
    /// Path of the file to write, with all symbolic links in `typed` resolved.
    file: PathBuf,
    how: How,
}

/// Way in which a report is written to its file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// The report replaces the file by a rename.
    Replace,
    /// The report is written into the existing file, because no new file can be created in the folder.
    Overwrite,
    /// The report is written to a device or a pipe.
    Stream,
    /// The report is appended to the summary of a workflow step.
    Append,
}

/// Parses all `--report` options. Returns an error if a format is unknown or a file cannot be written.
pub(crate) fn asked(typed: &[String]) -> Result<Vec<RequestedReports>, String> {
    let mut reports: Vec<RequestedReports> = Vec::new();
    for text in typed {
        let report = report(text)?;
        if reports.iter().any(|other| other.file == report.file) {
            return Err(format!("--report {text:?}: another --report option already uses this file"));
        }
        reports.push(report);
    }
    Ok(reports)
}

fn report(text: &str) -> Result<RequestedReports, String> {
    let known = Format::ALL.map(Format::name).join(", ");
    let expected = || format!("--report {text:?}: expected FORMAT=FILE, such as json=report.json; formats are {known}");
    let (format, file) = text.split_once('=').filter(|(_, file)| !file.is_empty()).ok_or_else(expected)?;
    let format: Format = format.parse().map_err(|error| format!("--report {text:?}: {error}"))?;
    let typed = PathBuf::from(file);
    let folder = typed.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if folder.is_file() => {
            return Err(format!("--report {text:?}: {} is a file, not a folder", folder.display()));
        }
        Some(folder) if !folder.is_dir() => {
            return Err(format!("--report {text:?}: the folder {} does not exist", folder.display()));
        }
        _ if typed.is_dir() => return Err(format!("--report {text:?}: {} is a folder", typed.display())),
        _ => {}
    }
    let unwritable = |error| format!("--report {text:?}: the file cannot be written: {error}");
    let file = resolved(&typed).map_err(unwritable)?;
    let summary = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from);
    let is_summary = format == Format::Md && summary.is_some_and(|summary| summary == typed);
    let how = if is_summary { appendable(&file) } else { writable(&file) }.map_err(unwritable)?;
    Ok(RequestedReports { format, typed, file, how })
}

/// Resolves symbolic links. Two names of the same file are then recognized as one file, and writing a report does not
/// replace a link by a file.
fn resolved(file: &Path) -> io::Result<PathBuf> {
    if file.exists() {
        return file.canonicalize();
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize()?;
    // Only a path that ends in `..` has no file name. It is a folder, and the caller has already refused it.
    Ok(file.file_name().map_or_else(|| folder.clone(), |name| folder.join(name)))
}

fn appendable(file: &Path) -> io::Result<How> {
    OpenOptions::new().create(true).append(true).open(file).map(|_| How::Append)
}

fn writable(file: &Path) -> io::Result<How> {
    let known = file.metadata().ok();
    if known.as_ref().is_some_and(|known| !known.is_file()) {
        return Ok(How::Stream);
    }
    if known.is_some() {
        OpenOptions::new().append(true).open(file)?;
    }
    let beside = beside(file);
    match File::create(&beside) {
        Ok(_) => fs::remove_file(&beside).map(|()| How::Replace),
        Err(_) if known.is_some() => Ok(How::Overwrite),
        Err(error) => Err(error),
    }
}

/// Returns the path of the temporary file beside a report.
fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.{}.new", std::process::id()))
}

/// Removes the reports of an earlier run.
pub(crate) fn remove_old(reports: &[RequestedReports]) {
    for report in reports {
        // Errors are ignored here: writing the report fails later for the same reason, and reports the error.
        match report.how {
            How::Replace => drop(fs::remove_file(&report.file)),
            How::Overwrite => drop(File::create(&report.file)),
            How::Stream | How::Append => {}
        }
    }
}

/// Writes all reports, and goes on after an error. The error lists the reports that could not be written.
pub(crate) fn write(reports: &[RequestedReports], report: &Report) -> Result<(), String> {
    let mut unwritten = Vec::new();
    for RequestedReports { format, typed, file, how } in reports {
        let text = format.write(report);
        let written = match how {
            How::Replace => replace(file, &text),
            How::Overwrite | How::Stream => fs::write(file, text),
            How::Append => append(file, &text),
        };
        if let Err(error) = written {
            unwritten.push(format!("--report {format}={}: {error}", typed.display()));
        }
    }
    if unwritten.is_empty() { Ok(()) } else { Err(unwritten.join("\n")) }
}

/// Writes the text to a temporary file beside `file`, and renames it to `file` when it is complete.
pub(crate) fn replace(file: &Path, text: &str) -> io::Result<()> {
    let beside = beside(file);
    let written = File::create(&beside).and_then(|mut new| {
        new.write_all(text.as_bytes())?;
        new.sync_all()
    });
    let replaced = written.and_then(|()| fs::rename(&beside, file));
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    replaced
}

/// Appends the text to a file, after a blank line if the file is not empty.
fn append(file: &Path, text: &str) -> io::Result<()> {
    let mut summary = OpenOptions::new().create(true).append(true).open(file)?;
    if summary.metadata()?.len() > 0 {
        summary.write_all(b"\n\n")?;
    }
    summary.write_all(text.as_bytes())
}
