"""docs/CONTRACT.md has numbered paragraphs, and tests name only those that there are."""

import re

import pytest

from tests.support.repository.contract import PAGE, holders, paragraphs, section_of


def test_paragraphs_are_numbered_in_order_within_their_section() -> None:
    """Each stands under the heading of its section, and its last number is the next one."""
    last: dict[str, int] = {}
    heading = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"#+ (\d+(?:\.\d+)?)", line):
            heading = match[1]
        elif match := re.match(r"(?:\| )?\*\*(\d[\d.]*)\*\*", line):
            assert section_of(match[1]) == heading
            number = int(match[1].rpartition(".")[2])
            assert number == last.get(heading, 0) + 1, match[1]
            last[heading] = number
    assert sum(last.values()) == len(paragraphs())


def test_every_marker_names_a_paragraph() -> None:
    """A test can hold only what is promised."""
    known = {number for number, _ in paragraphs()}
    unknown = {number: tests for number, tests in holders().items() if number not in known}
    assert not unknown


# Promised and not built yet; a paragraph leaves the set with its first test.
UNBUILT: set[str] = set()


@pytest.mark.parametrize("section", ["2.1", "2.3", "2.4", "4", "5"])
def test_the_heart_of_the_contract_is_held(section: str) -> None:
    """Every paragraph on streams, on exactly once, on affected goals, on numbers and on retention has a test."""
    tests = holders()
    numbers = {number for number, _ in paragraphs() if section_of(number) == section}
    assert numbers - tests.keys() == numbers & UNBUILT
