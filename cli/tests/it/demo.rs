//! `demo` needs no arguments, and prints the same story each time.

use crate::run::run;

#[test]
fn the_demo_prints_its_story() {
    let ran = run(["demo"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let changing = ["Sync API http://", " policy ", "longest: "];
    let ports = ran.stdout.lines().filter(|line| !changing.iter().any(|text| line.contains(text)));
    let story: Vec<_> = ports.map(|line| line.split("http://127").next().unwrap()).collect();
    insta::assert_snapshot!(story.join("\n"));
    assert_eq!(ran.stderr, "");
}
