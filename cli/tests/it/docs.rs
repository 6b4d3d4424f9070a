//! Runs every command in the guide, and compares the output with what the guide shows.
//!
//! A block ```` ```console ```` contains only commands of the program. trycmd runs it; with `TRYCMD=overwrite`, trycmd
//! writes the real output into the page. A block ```` ```console,ignore,session ```` needs a shell: all such blocks of
//! a page are run by one bash, at the root of the repository. In these blocks, `...` stands for any lines, `[..]`
//! stands for any text within a line, and `? 1` is the exit code if it is not 0. A command that is shown without output
//! may print anything. The ports of the guide are replaced by free ones.

use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::free_port;

/// The ports of the fake and of the receiver in the guide.
const PORTS: [&str; 2] = ["8642", "3000"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_paragon-testkit"))
}

/// Returns the pages with their paths below `docs/src`.
fn pages() -> Vec<(String, String)> {
    let (folder, mut found, mut folders) = (root().join("docs/src"), Vec::new(), vec![root().join("docs/src")]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(&folder).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Returns the fenced blocks: the text after the opening fence, and the lines.
fn blocks(page: &str) -> Vec<(&str, Vec<&str>)> {
    let (mut blocks, mut open): (Vec<(&str, Vec<&str>)>, bool) = (Vec::new(), false);
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(info) => {
                open = true;
                blocks.push((info, Vec::new()));
            }
            None if open => blocks.last_mut().unwrap().1.push(line),
            None => {}
        }
    }
    blocks
}

/// Runs one of the Python programs of the guide.
fn python(args: &[&str]) {
    let ran = Command::new("python3").args(args).current_dir(root()).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(ran.status.success(), "{}{}", text(&ran.stdout), text(&ran.stderr));
}

#[test]
fn generated_parts_of_the_guide_are_up_to_date() {
    python(&["docs/generate.py", "--check", "--program", program().to_str().unwrap()]);
}

#[test]
fn links_and_named_paths_of_the_guide_exist() {
    python(&["docs/check.py", "--no-book"]);
}

#[test]
fn every_command_is_run_by_trycmd_or_in_a_session() {
    for (name, page) in pages() {
        for (info, lines) in blocks(&page) {
            let is_session = info == SESSION;
            let runs = is_session || info == "console";
            let has_commands = lines.iter().any(|line| line.starts_with("$ "));
            assert_eq!(runs, has_commands, "{name}: a block {info:?} begins with {:?}", lines.first());
            let foreign = lines.iter().find(|line| line.starts_with("$ ") && !line.starts_with("$ paragon-testkit"));
            assert!(is_session || foreign.is_none(), "{name}: {foreign:?} needs a shell, that is a block {SESSION:?}");
        }
    }
}

#[test]
fn transcripts_are_what_the_program_prints() {
    let cases = trycmd::TestCases::new();
    cases.register_bin("paragon-testkit", program());
    cases.env("GITHUB_ACTIONS", "").env("COLUMNS", "100");
    cases.case(root().join("docs/src/**/*.md")).case(root().join("README.md"));
}

const SESSION: &str = "console,ignore,session";

#[test]
fn sessions_print_what_the_guide_shows() {
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let pages: Vec<_> = pages();
        let played: Vec<_> = pages
            .into_iter()
            .filter(|(_, page)| blocks(page).iter().any(|(info, _)| *info == SESSION))
            .map(|(name, page)| scope.spawn(move || play(&page).map(|wrong| format!("{name}: {wrong}"))))
            .collect();
        assert!(!played.is_empty());
        played.into_iter().filter_map(|played| played.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A command of a session, with the exit code and the output that the page shows.
#[derive(Debug, Default)]
struct Told {
    command: String,
    code: i32,
    prints: Vec<String>,
}

fn told(page: &str) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    for (_, lines) in blocks(page).into_iter().filter(|(info, _)| *info == SESSION) {
        for line in lines {
            if let Some(command) = line.strip_prefix("$ ") {
                told.push(Told { command: command.to_owned(), ..Told::default() });
                continue;
            }
            let last = told.last_mut().unwrap_or_else(|| panic!("no command before {line:?}"));
            match (line.strip_prefix("> "), line.strip_prefix("? ")) {
                (Some(more), _) if last.prints.is_empty() => last.command = format!("{}\n{more}", last.command),
                (_, Some(code)) if last.prints.is_empty() => last.code = code.parse().unwrap(),
                _ => last.prints.push(line.to_owned()),
            }
        }
    }
    told
}

/// Runs the sessions of a page. Returns the first difference from the page.
fn play(page: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let ports = PORTS.map(|_| free_port().to_string());
    let places = |text: &str, from: &[&str], to: &[&str]| {
        from.iter().zip(to).fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    };
    let to: Vec<_> = ports.iter().map(String::as_str).collect();
    let told = told(page);
    // One shell runs all commands, so that variables and background processes stay for the next command. When the shell
    // ends or hangs, all its processes are killed.
    let mut script = String::from("trap 'kill -9 -$$' EXIT\n(sleep 180; kill -9 -$$) &\n");
    for (index, told) in told.iter().enumerate() {
        let command = places(&told.command, &PORTS, &to);
        let out = folder.path().join(index.to_string()).display().to_string();
        let _ = writeln!(script, "{{ {command}\n}} >'{out}' 2>&1\necho $? >'{out}.code'");
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(root()).process_group(0);
    // Background processes must not keep the output of the test open.
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.env("PATH", format!("{}:{path}", program().parent().unwrap().display())).env("TMPDIR", folder.path());
    shell.env_remove("GITHUB_ACTIONS").env_remove("NO_COLOR");
    let ended = shell.status().unwrap();
    for (index, told) in told.iter().enumerate() {
        let read = |name: String| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let (printed, code) = (places(&read(index.to_string()), &to, &PORTS), read(format!("{index}.code")));
        let code = code.trim().parse::<i32>();
        if code.as_ref() != Ok(&told.code) {
            return Some(format!("`{}` ended with {code:?}, not {} ({ended}):\n{printed}", told.command, told.code));
        }
        let lines: Vec<_> = printed.lines().map(str::trim_end).collect();
        if !told.prints.is_empty() && !prints(&told.prints, &lines) {
            return Some(format!(
                "`{}` is told to print\n{}\nand prints\n{printed}",
                told.command,
                told.prints.join("\n")
            ));
        }
    }
    None
}

/// Returns whether the lines match; `...` stands for any number of lines.
fn prints(told: &[String], lines: &[&str]) -> bool {
    match (told.split_first(), lines.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((dots, told)), _) if dots == "..." => (0..=lines.len()).any(|skip| prints(told, &lines[skip..])),
        (Some(_), None) => false,
        (Some((one, told)), Some((line, lines))) => fits(one, line) && prints(told, lines),
    }
}

/// Returns whether a line matches; `[..]` stands for any text.
fn fits(told: &str, line: &str) -> bool {
    let mut parts = told.split("[..]");
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn ellipses_match_anything_and_the_rest_must_be_equal() {
    let told: Vec<_> = ["a [..] c", "...", "z"].map(str::to_owned).into();
    assert!(prints(&told, &["a b c", "d", "z"]) && prints(&told, &["a  c", "z"]));
    assert!(!prints(&told, &["a b", "z"]) && !prints(&told, &["a b c", "z", "y"]) && !prints(&told, &["a b c"]));
}
