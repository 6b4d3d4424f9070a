"""Draws doc comments, messages and pages by chance, for a reader who has not seen them.

    python3 docs/sample.py [--seed 1] [--comments 40] [--messages 20] [--pages 5]

Give the texts to a reader who does not know the code. The reader marks each text that was not clear at first reading,
and the author rewrites the marked texts. The same seed draws the same texts from the same sources. Uses only the standard library.
"""

import argparse
import random
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Words that a text for people has at least.
FEWEST = 5


def sources(*patterns):
    """The tracked files that match, in order of their paths."""
    listed = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in sorted(listed.stdout.split())]


def place(path, line):
    return f"{path.relative_to(ROOT)}:{line}"


def comments():
    """Each doc comment with the line of code below it."""
    for path in sources("src/*.rs", "cli/src/*.rs"):
        lines = path.read_text().splitlines()
        begun = None
        for number, line in enumerate([*lines, ""]):
            if re.match(r"\s*//[/!]", line):
                begun = number if begun is None else begun
            elif begun is not None:
                text = [re.sub(r"^\s*//[/!] ?", "", part) for part in lines[begun:number]]
                if len(" ".join(text).split()) >= FEWEST:
                    yield place(path, begun + 1), "\n".join([*text, f"    {line.strip()}"])
                begun = None


def messages():
    """Each string literal of the program and the suite that looks like a sentence."""
    for path in sources("src/check/*.rs", "src/delivery/*.rs", "src/fake/*.rs", "src/scenario/*.rs", "cli/src/*.rs"):
        code = path.read_text().split("#[cfg(test)]\nmod ")[0]
        code = re.sub(r"^\s*//.*$", "", code, flags=re.M)
        for found in re.finditer(r'"((?:[^"\\]|\\.)*)"', code, re.S):
            text = re.sub(r"\\\n\s*", "", found[1])
            if len(text.split()) >= FEWEST and re.search(r"[a-z]{3} [a-z]", text):
                yield place(path, code[: found.start()].count("\n") + 1), text


def pages():
    """Each page of the guide that people write: the ledger is a table."""
    for path in sources("docs/src/*.md"):
        if path.name not in ("SUMMARY.md", "provenance.md"):
            yield str(path.relative_to(ROOT)), f"(the whole page, {len(path.read_text().split())} words)"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    for name, count in (("comments", 40), ("messages", 20), ("pages", 5)):
        parser.add_argument(f"--{name}", type=int, default=count)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    for name, found, count in (
        ("comments", comments, args.comments),
        ("messages", messages, args.messages),
        ("pages", pages, args.pages),
    ):
        everything = list(found())
        print(f"# {min(count, len(everything))} of {len(everything)} {name}, seed {args.seed}\n")
        for where, text in chance.sample(everything, min(count, len(everything))):
            print(f"## {where}\n\n{text}\n")


if __name__ == "__main__":
    main()
