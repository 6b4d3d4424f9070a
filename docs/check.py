"""Builds the guide with mdBook, and checks that everything exists that the guide links to or names.

    python3 docs/check.py [--mdbook mdbook] [--no-book]

In the pages: each link leads to an existing page and heading, each page is in SUMMARY.md, each path of the repository
that is named in code exists, and code in a programming language comes from a tested file. In the book: mdBook prints no
warning, and each link of the HTML leads to an existing file and id. This program uses only the standard library.
`--no-book` checks only the pages.
"""

import argparse
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "src"
BOOK = ROOT / "target" / "book"
# Folders at the root of the repository whose files the guide names by path.
PLACES = ("benches/", "cli/", "docs/", "examples/", "fixtures/", "schemas/", "src/", "tests/")


def plain(page):
    """Returns a page without its code."""
    page = re.sub(r"^```.*?^```$", "", page, flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", lambda code: code[0] if code[0][1:-1].isidentifier() else "`x`", page)


def ids(page):
    """Returns the ids of the headings, as mdBook makes them."""
    found = set()
    page = re.sub(r"^```.*?^```$", "", page, flags=re.S | re.M)
    for heading in re.findall(r"^#{1,6} (.*)$", page, re.M):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        kept = "".join(char for char in text.lower() if char.isalnum() or char in "-_ ")
        found.add(kept.strip().replace(" ", "-"))
    return found


def in_pages():
    pages = {path: path.read_text() for path in sorted(PAGES.rglob("*.md"))}
    summary = pages[PAGES / "SUMMARY.md"]
    for path, page in pages.items():
        name = path.relative_to(PAGES)
        if path.name != "SUMMARY.md" and f"]({name})" not in summary:
            yield f"{name} is not in SUMMARY.md"
        own = re.sub(r"<!-- generated: .*?<!-- end -->", "", page, flags=re.S)
        for language in re.findall(r"^```(rust|python|javascript|typescript)\b", own, re.M):
            if name.parent.name != "cases":
                yield f"{name}: code in {language} that generate.py has not taken from a test"
        for target in re.findall(r"\]\(([^)\s]+)\)", plain(page)):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, heading = target.partition("#")
            to = (path.parent / file).resolve() if file else path
            if to.suffix == ".png" and to.exists():
                continue
            if to not in pages:
                yield f"{name}: {target} leads to no page"
            elif heading and heading not in ids(pages[to]):
                yield f"{name}: {target} leads to no heading"
        for code in re.findall(r"`([^`\s]+)`", re.sub(r"^```.*?^```$", "", page, flags=re.S | re.M)):
            # Skips the paths of examples while there are no examples.
            if code.startswith("examples/") and not (ROOT / "examples").is_dir():
                continue
            if code.startswith(PLACES) and name.name != "provenance.md" and not (ROOT / code).exists():
                yield f"{name}: there is no {code}"


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.ids = [], set()

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.add(value)
            if (tag, name) in (("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")) and value:
                self.links.append(value)


def in_book(mdbook):
    built = subprocess.run([mdbook, "build", str(ROOT / "docs")], capture_output=True, text=True)
    told = built.stdout + built.stderr
    if built.returncode != 0 or re.search(r"WARN|ERROR", told):
        yield told.strip()
        return
    pages = {}
    for path in BOOK.rglob("*.html"):
        # The links of these pages are relative to the place where the pages are shown.
        if path.name in ("404.html", "print.html", "toc.html"):
            continue
        pages[path] = Links()
        pages[path].feed(path.read_text())
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:|//", link):
                continue
            file, _, id = unquote(link).partition("#")
            to = (path.parent / file).resolve() if file else path
            name = path.relative_to(BOOK)
            if not to.exists():
                yield f"{name}: {link} leads to no file"
            elif id and to in pages and id not in pages[to].ids:
                yield f"{name}: {link} leads to no id"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mdbook", default="mdbook", help="the program mdBook")
    parser.add_argument("--no-book", action="store_true", help="look at the pages alone")
    typed = parser.parse_args()
    wrong = list(in_pages())
    if not typed.no_book:
        wrong += in_book(typed.mdbook)
    if wrong:
        sys.exit("\n".join(wrong))


main()
