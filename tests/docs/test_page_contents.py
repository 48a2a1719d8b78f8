"""The links, file names, code blocks and examples of pages."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.repository.examples import ORGANIZATIONS, PROGRAMS
from tests.support.repository.pages import (
    PAGES,
    Block,
    anchors,
    blocks,
    links,
    name_of,
    prose,
    read,
    spans,
)

each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)
BLOCKS = [block for page in PAGES for block in blocks(page)]


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    """Files exist, and so do the headings that a link names."""
    for target in links(page):
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not heading or heading in anchors(file), target


def test_every_file_that_skips_tests_is_listed() -> None:
    """CONTRIBUTING lists each file that may skip tests, and no other."""
    table = read("CONTRIBUTING.md").partition("## What skips where")[2]
    skipping = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if re.search(r"^\s*pytest\.skip\(|pytest\.mark\.skip", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert set(re.findall(r"`(tests/[\w/]+\.py)`", table)) == skipping


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    """A span that looks like a path inside the repository is one."""
    for span in spans(page):
        if re.fullmatch(r"(?:sidedata|ingest|service|tests|docs|deploy|bench)/[\w./-]*", span):
            assert (ROOT / span).exists(), span


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in PROGRAMS], ids=str)
def test_examples_are_run_or_say_that_they_are_not(block: Block) -> None:
    """A reader sees which; commands stand in fenced blocks, where this is known."""
    assert (block.prints is None and not block.runbook) == block.text.startswith("# not run by the tests")
    assert block.prints is None or block.page in ORGANIZATIONS, "nobody runs the examples of this page"


@each_page
def test_commands_stand_in_fenced_blocks(page: Path) -> None:
    """No indented line is a command but `make`, whose targets are checked."""
    indented = re.findall(r"^ {4}(\S+)", prose(page), re.MULTILINE)
    assert not {"curl", "redis-cli", "sidedata", ".venv/bin/sidedata", "python", "docker", "export"} & set(indented)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=str)
def test_python_examples_compile(block: Block) -> None:
    """Python examples compile, run or not."""
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "sh"], ids=str)
def test_shell_examples_parse(block: Block) -> None:
    """Shell examples parse, run or not."""
    checked = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
