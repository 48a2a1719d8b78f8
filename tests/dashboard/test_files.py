"""The dashboard's files by themselves: small, of this host alone, and nothing inline that the policy would refuse."""

import os.path
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest

FOLDER = Path(str(resources.files("sidedata.service.pages") / "dashboard"))
FILES = {
    str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8") for path in FOLDER.rglob("*") if path.is_file()
}
SCRIPTS = sorted(name for name in FILES if name.endswith(".js"))


class PageReferences(HTMLParser):
    """The references of a page, and its inline scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.inline: list[str] = []
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at the attributes."""
        self._within = tag
        for name, value in attrs:
            if name in {"src", "href", "action"} and value:
                self.references.append(value)
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")

    def handle_data(self, data: str) -> None:
        """Note text within a script or style."""
        if self._within in {"script", "style"} and data.strip():
            self.inline.append(self._within)


def test_the_page_is_small() -> None:
    """All of it together stays under 150 KB, before any compression, and no file is long."""
    assert sum(len(text.encode()) for text in FILES.values()) < 150 * 1024
    assert max(text.count("\n") for text in FILES.values()) <= 250


@pytest.mark.holds("9.4")
@pytest.mark.parametrize("name", sorted(FILES))
def test_nothing_comes_from_another_host(name: str) -> None:
    """No file names another host; the SVG namespace is a name, not an address."""
    text = FILES[name].replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"\b(?:https?|wss?):", text)
    assert not re.search(r"""(?:["'`(=]|@import)\s*//""", text)


def test_the_page_holds_no_script_and_no_style() -> None:
    """Both come as files of our own, all of which exist."""
    markup = PageReferences(FILES["index.html"])
    assert markup.inline == []
    ours = [reference for reference in markup.references if not reference.startswith("data:")]
    ours.remove("#")  # filled in by a script
    assert {"/dashboard/main.js", "/dashboard/style/frame.css"} <= set(ours)
    assert {reference.removeprefix("/dashboard/") for reference in ours} <= set(FILES)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_build_no_markup(name: str) -> None:
    """Names that visitors or producers chose can't become markup, styles or code."""
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|setAttribute\(.style|localStorage"
    )
    assert not re.search(forbidden, FILES[name])
    folder = Path(name).parent
    for imported in re.findall(r"""from "([^"]+)";""", FILES[name]):
        assert os.path.normpath(folder / imported) in FILES
