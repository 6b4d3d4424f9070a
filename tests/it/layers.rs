//! Data flows one way: a module imports only from those before it.

use std::path::Path;

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

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn no_module_imports_from_a_later_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut imports = 0;
    for (rank, module) in ORDER.iter().enumerate() {
        let mut files = Vec::new();
        sources(&root.join(module), &mut files);
        assert!(!files.is_empty(), "{module}");
        for (file, text) in files {
            for (at, _) in text.match_indices("crate::") {
                let rest = &text[at + "crate::".len()..];
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if let Some(imported) = ORDER.iter().position(|module| *module == name) {
                    imports += 1;
                    assert!(imported <= rank, "{file}: {module} must not import from {name}");
                }
            }
        }
    }
    assert!(imports > 20, "the test does not see the imports any more");
    let all = std::fs::read_dir(&root).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(all, ORDER.len(), "a new module needs its place in the order");
}
