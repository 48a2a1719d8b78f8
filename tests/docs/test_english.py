"""Plain technical English: docstrings open with a verb or a noun, and some words have a better one."""

from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.repository.english import banned_openings, banned_words, comments_and_docstrings
from tests.support.repository.pages import PAGES, name_of
from tests.support.repository.syntax import modules

PRODUCT = ("sidedata", "ingest", "service")
SUFFIXES = ("*.py", "*.lua", "*.js", "*.html")
# The contract's wording binds.
AS_WRITTEN = {"docs/CONTRACT.md"}


def product_files() -> list[Path]:
    """The files whose comments, docstrings and messages people read."""
    return sorted(path for package in PRODUCT for suffix in SUFFIXES for path in (ROOT / package).rglob(suffix))


@pytest.mark.parametrize("package", [*PRODUCT, "tests", "bench"])
def test_docstrings_open_with_a_verb_or_a_noun(package: str) -> None:
    """The first word of a docstring is never `What`, `Who`, `Whether` or `How`."""
    assert modules(package), "the package is empty"
    assert not [
        f"{path.relative_to(ROOT)}:{line}: {opening}"
        for path in modules(package)
        for line, opening in banned_openings(path)
    ]


def test_product_code_uses_the_terms_of_its_field() -> None:
    """No banned word stands in a docstring, a comment, a message or a name of what is installed."""
    assert len(product_files()) > 100, "the files were not found"
    assert not [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in product_files()
        for line, word in banned_words(path.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("package", ["tests", "bench"])
def test_tests_and_benchmarks_use_the_terms_of_their_field(package: str) -> None:
    """No banned word stands in their docstrings and comments."""
    assert not [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in modules(package)
        for line, word in banned_words(comments_and_docstrings(path))
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if name_of(page) not in AS_WRITTEN], ids=name_of)
def test_pages_use_the_terms_of_their_field(page: Path) -> None:
    """No banned word stands on a page."""
    assert not [f"{name_of(page)}:{line}: {word}" for line, word in banned_words(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    "text",
    [
        "an expiry not told again",
        "# Built for\n# ever.",
        "it lets them through",
        "For whoever is called.",
        "It shows who owns a key.",
        "- Who writes to Redis waits.",
        "This is\nof ours.",
    ],
)
def test_a_banned_word_is_found(text: str) -> None:
    """The search finds banned words, over a line break too."""
    assert list(banned_words(text))


@pytest.mark.parametrize("text", ["a visitor who interacted", "`sd:{p}:dead:anew` is a key", "The whole was renewed."])
def test_plain_words_are_not_found(text: str) -> None:
    """The search leaves plain sentences, stored names and quoted code alone."""
    assert not list(banned_words(text))
