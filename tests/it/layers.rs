//! Data flows one way: a module imports only from those before it, and files do not import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const ORDER: [&str; 11] = [
    "contract",
    "clock",
    "source",
    "sync",
    "delivery",
    "scenario",
    "strategies",
    "fake",
    "check",
    "report",
    "snapshot",
];

/// Largest number of lines of a file.
const LONGEST: usize = 700;

/// A module by its names from the crate's root on: `["check", "cases", "ack"]`.
type Module = Vec<String>;

/// The source files below a folder, by module.
struct Sources(BTreeMap<Module, (PathBuf, String)>);

impl Sources {
    fn below(folder: &Path) -> Self {
        let mut sources = Self(BTreeMap::new());
        sources.collect(folder, &[]);
        sources
    }

    fn collect(&mut self, folder: &Path, module: &[String]) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let child = || module.iter().cloned().chain([name.clone()]).collect::<Module>();
            if path.is_dir() {
                self.collect(&path, &child());
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let module = if ["mod", "lib", "main"].contains(&&*name) { module.to_vec() } else { child() };
                let text = std::fs::read_to_string(&path).unwrap();
                self.0.insert(module, (path, text));
            }
        }
    }

    /// Returns the module that a path leads to from another module, and the rest of the path.
    fn resolve<'a>(&self, from: &[String], path: &'a [String]) -> (Module, &'a [String]) {
        let mut at = from.to_vec();
        let mut rest = path;
        match rest.first().map(String::as_str) {
            Some("crate") => (at, rest) = (Vec::new(), &rest[1..]),
            Some("self") => rest = &rest[1..],
            _ => {}
        }
        while rest.first().is_some_and(|name| name == "super") {
            at.pop();
            rest = &rest[1..];
        }
        while let [name, more @ ..] = rest {
            let child: Module = at.iter().cloned().chain([name.clone()]).collect();
            if !self.0.contains_key(&child) {
                break;
            }
            (at, rest) = (child, more);
        }
        (at, rest)
    }

    /// Returns the modules that a module imports from. A name that a `mod.rs` re-exports leads to the file that has it.
    fn imports(&self, module: &[String]) -> BTreeSet<Module> {
        let paths = paths(&self.0[module].1, "use");
        let is_child =
            |name: &String| self.0.contains_key(&module.iter().cloned().chain([name.clone()]).collect::<Module>());
        let is_ours = |path: &Vec<String>| ["crate", "super", "self"].contains(&&*path[0]) || is_child(&path[0]);
        let targets = paths.into_iter().filter(is_ours).map(|path| {
            let (mut at, mut rest) = self.resolve(module, &path);
            while let Some(name) = rest.first() {
                let exported = paths_of_exports(self.0.get(&at).map_or("", |(_, text)| text));
                let Some(export) = exported.iter().find(|path| path.last() == Some(name)) else { break };
                let (next, _) = self.resolve(&at, export);
                if next == at {
                    break;
                }
                (at, rest) = (next, &rest[..1]);
            }
            at
        });
        targets.filter(|target| target != module && self.0.contains_key(target)).collect()
    }

    /// Returns the modules that import themselves by way of others.
    fn on_circles(&self) -> Vec<String> {
        let imports: BTreeMap<&Module, BTreeSet<Module>> =
            self.0.keys().map(|module| (module, self.imports(module))).collect();
        let is_on_circle = |module: &Module| {
            let mut reached: BTreeSet<&Module> = BTreeSet::new();
            let mut open: Vec<&Module> = imports[module].iter().collect();
            while let Some(next) = open.pop() {
                if reached.insert(next) {
                    open.extend(&imports[next]);
                }
            }
            reached.contains(module)
        };
        self.0.keys().filter(|module| is_on_circle(module)).map(|module| module.join("::")).collect()
    }
}

/// Returns the code of a file without comments and without its unit tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Returns each path of the `use` items that begin with `keyword`, with its braces expanded. With the keyword `use`,
/// also returns the paths in the code that begin with `crate`, `super` or `self`.
fn paths(text: &str, keyword: &str) -> Vec<Vec<String>> {
    let code = code(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&format!("{keyword} ")) {
        // Re-exports are for others: with the keyword `use`, only private imports count.
        let line = code[..at].rsplit('\n').next().unwrap_or_default();
        if line.trim().is_empty() {
            let item = &code[at + keyword.len() + 1..];
            expand(&[], item.split(';').next().unwrap_or_default(), &mut found);
        }
    }
    for root in ["crate::", "super::", "self::"].iter().filter(|_| keyword == "use") {
        for (at, _) in code.match_indices(root) {
            let path: String =
                code[at..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, ':' | '_')).collect();
            expand(&[], path.trim_end_matches(':'), &mut found);
        }
    }
    found.retain(|path| !path.is_empty());
    found
}

fn paths_of_exports(text: &str) -> Vec<Vec<String>> {
    let mut exports = Vec::new();
    for visibility in ["pub use", "pub(crate) use", "pub(super) use"] {
        exports.extend(paths(text, visibility));
    }
    exports
}

/// Expands `a::{b, c::d}` to `a::b` and `a::c::d`.
fn expand(before: &[String], item: &str, found: &mut Vec<Vec<String>>) {
    let item = item.trim();
    match item.split_once('{') {
        None => {
            let path = item.split(" as ").next().unwrap_or_default();
            let names = path.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
            found.push(before.iter().cloned().chain(names).collect());
        }
        Some((path, list)) => {
            let names = path.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
            let before: Vec<String> = before.iter().cloned().chain(names).collect();
            let list = &list[..list.rfind('}').unwrap_or(list.len())];
            let (mut depth, mut start) = (0, 0);
            for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        if !list[start..at].trim().is_empty() {
                            expand(&before, &list[start..at], found);
                        }
                        start = (at + 1).min(list.len());
                    }
                    _ => {}
                }
            }
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn no_module_imports_from_a_later_one() {
    let sources = Sources::below(&root().join("src"));
    let mut imports = 0;
    for (module, (file, _)) in &sources.0 {
        let Some(rank) = module.first().and_then(|name| ORDER.iter().position(|known| known == name)) else { continue };
        for import in sources.imports(module) {
            if let Some(imported) = import.first().and_then(|name| ORDER.iter().position(|known| known == name)) {
                imports += 1;
                assert!(imported <= rank, "{}: {module:?} must not import from {import:?}", file.display());
            }
        }
    }
    assert!(imports > 200, "the test no longer sees the imports: {imports}");
    let folders =
        std::fs::read_dir(root().join("src")).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(folders.count(), ORDER.len(), "a new module needs its place in the order");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for folder in ["src", "cli/src"] {
        let sources = Sources::below(&root().join(folder));
        assert_eq!(sources.on_circles(), [""; 0], "these files of {folder} import themselves by way of others");
    }
}

#[test]
fn no_file_is_too_long() {
    for folder in ["src", "cli/src", "tests/it", "cli/tests", "benches"] {
        for (file, text) in Sources::below(&root().join(folder)).0.values() {
            let lines = text.lines().count();
            assert!(lines <= LONGEST, "{} has {lines} lines, expected at most {LONGEST}", file.display());
        }
    }
}

#[test]
fn a_circle_is_noticed() {
    let source = |module: &str, text: &str| (vec![module.to_owned()], (PathBuf::from(module), text.to_owned()));
    let files = [
        source("a", "use super::b::{self, B};"),
        source("b", "fn b() -> crate::c::C { todo!() }"),
        source("c", "//! See `crate::d`.\nuse crate::{a::A, x};"),
        source("d", "#[cfg(test)]\nmod tests { use crate::a::A; }"),
    ];
    let mut sources = Sources(files.into());
    assert_eq!(sources.on_circles(), ["a", "b", "c"]);
    sources.0.insert(vec!["c".to_owned()], (PathBuf::new(), "use crate::d::D;".to_owned()));
    assert_eq!(sources.on_circles(), [""; 0]);
}

#[test]
fn the_front_page_lists_few_names() {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let (_, table) = text.split_once("# What a test needs").unwrap();
    let (table, _) = table.split_once("# Modules").unwrap();
    let names = table.matches("[`").count();
    assert!((30..=60).contains(&names), "{names} names, expected at most 60");
}
