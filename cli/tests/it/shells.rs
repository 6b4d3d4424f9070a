//! Tests of `completions` and `man`: shells accept the scripts, and groff accepts the pages.

use std::path::Path;
use std::process::{Command, Output};

use crate::run::run;

/// Runs a program. Returns `None` if it is not installed.
fn other(program: &str, args: &[&str]) -> Option<Output> {
    match Command::new(program).args(args).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{program}: {error}"),
    }
}

fn taken(ran: Option<Output>) {
    let Some(Output { status, stdout, stderr }) = ran else { return };
    let said = [stdout, stderr].concat();
    assert!(status.success() && said.is_empty(), "{status}\n{}", String::from_utf8_lossy(&said));
}

/// Writes the completion script of a shell to a file.
fn script(shell: &str) -> (tempfile::TempDir, String) {
    let ran = run(["completions", shell]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script");
    std::fs::write(&file, ran.stdout).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

#[test]
fn bash_completes_commands_options_and_values() {
    let (_folder, file) = script("bash");
    taken(other("bash", &["-n", &file]));
    let complete = |words: &str| {
        let ask = format!(
            "source {file}; COMP_WORDS=(paragon-testkit {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _paragon__testkit paragon-testkit \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[*]}}\""
        );
        let Output { status, stdout, stderr } = other("bash", &["-c", &ask]).unwrap();
        assert!(status.success() && stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap().trim_end().to_owned()
    };
    assert_eq!(complete("ex"), "explain");
    assert_eq!(complete("check --stat"), "--state-url --state-cmd");
    assert_eq!(complete("check --level ''"), "must should may");
    assert_eq!(complete("completions z"), "zsh");
    assert_eq!(complete("config s"), "show");
    assert_eq!(complete("config show --"), "--color --help");
    assert_eq!(complete("config show s"), "serve");
}

#[test]
fn other_shells_accept_their_scripts() {
    let (_folder, file) = script("zsh");
    taken(other("zsh", &["-n", &file]));
    let (_folder, file) = script("fish");
    taken(other("fish", &["--no-execute", &file]));
    for shell in ["powershell", "elvish"] {
        let (_folder, file) = script(shell);
        assert!(std::fs::read_to_string(file).unwrap().contains("rerun-failed"));
    }
    assert!(run(["completions", "cmd"]).stderr.contains("[possible values: bash, elvish, fish, powershell, zsh]"));
}

#[test]
fn internal_commands_are_not_offered() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(!run(["completions", shell]).stdout.contains("supervise"), "{shell}");
    }
    assert!(!run(["man"]).stdout.contains("supervise"));
}

#[test]
fn manual_pages_are_printed_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let ran = run(["man", "--export", pages.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    let help = run(["help"]).stdout;
    let (_, verbs) = help.split_once("Commands:\n").unwrap();
    // Skips the lines that are indented further: they continue the line before.
    let verbs = verbs.split("\n\n").next().unwrap().lines().filter(|line| !line.starts_with("   "));
    for verb in verbs.map(|line| line.split_whitespace().next().unwrap()).filter(|verb| *verb != "help") {
        let page = std::fs::read_to_string(pages.join(format!("paragon-testkit-{verb}.1"))).unwrap();
        assert_eq!(page, run(["man", verb]).stdout);
    }
    let own = std::fs::read_to_string(pages.join("paragon-testkit.1")).unwrap();
    assert!(own == run(["man"]).stdout && own.contains("Exit codes"), "{own}");
    for page in std::fs::read_dir(&pages).unwrap() {
        rendered(&page.unwrap().path());
    }
    let ran = run(["man", "chek"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("there is no command \"chek\", did you mean check?"), "{}", ran.stderr);
}

/// Asserts that groff renders a page without a warning, and that the page has its name.
fn rendered(page: &Path) {
    let Some(ran) = other("groff", &["-man", "-ww", "-Kutf8", "-Tutf8", "-P-cbou", page.to_str().unwrap()]) else {
        return;
    };
    assert!(
        ran.status.success() && ran.stderr.is_empty(),
        "{}: {}",
        page.display(),
        String::from_utf8_lossy(&ran.stderr)
    );
    let text = String::from_utf8(ran.stdout).unwrap();
    let name = page.file_stem().unwrap().to_str().unwrap();
    assert!(text.contains("SYNOPSIS") && text.contains(name), "{name}: {text}");
}
