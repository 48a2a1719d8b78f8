"""The project's pages as data: their fenced blocks, code spans, tables and links."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md"), *ROOT.glob("bench/*.md")])

_FENCED = re.compile(
    r"^(?:<!-- (?:tested(?P<tested>: .*?)?|(?P<runbook>runbook)) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"^<!-- (?:tested|runbook).*$", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block; `prints` is what its output must hold, None if it is not to be run or if the runbook's test runs it."""

    page: str
    line: int
    language: str
    text: str
    prints: str | None
    runbook: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def name_of(page: Path) -> str:
    """The page's path inside the repository."""
    return str(page.relative_to(ROOT))


def read(page: str) -> str:
    """A page's text."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: Path) -> list[Block]:
    """The page's fenced blocks, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCED.finditer(text):
        runbook = match["runbook"] is not None
        marked = match[0].startswith("<!--") and not runbook
        prints = (match["tested"] or "").removeprefix(": ") if marked else None
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(name_of(page), line, match["language"], match["text"], prints, runbook))
    marks = len(_MARK.findall(text))
    assert sum(block.prints is not None or block.runbook for block in found) == marks, (
        f"a mark in {page} stands before no block"
    )
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """The page's `code spans`, table cells included, where a bar is escaped."""
    return [span.replace("\\|", "|") for span in _SPAN.findall(prose(page))]


def rows(page: str, first: str) -> list[list[str]]:
    """The cells of all table rows whose first cell, a code span or a word, matches the expression."""
    found = []
    for line in read(page).splitlines():
        if line.startswith("| "):
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if re.fullmatch(first, cells[0]):
                found.append(cells)
    return found


def links(page: Path) -> list[str]:
    """Where the page's links to our own files and headings lead."""
    return [target for target in _LINK.findall(prose(page)) if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """The anchors of the page's headings, as hosting sites derive them."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text)}


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words behind `sidedata` wherever the page writes a command: in spans, in shell blocks, as .venv/bin/sidedata."""
    texts = [span for span in spans(page) if span.startswith("sidedata ")]
    texts += re.findall(r"\.venv/bin/(sidedata [^`\n]*)", prose(page))
    for block in blocks(page):
        if block.language == "sh":
            joined = block.text.replace("\\\n", " ")
            texts += re.findall(r"(?:^|\||\$\(|;)[ \t]*(sidedata [^|;)\n]*)", joined, re.MULTILINE)
    for text in texts:
        yield text.split()[1:]
