"""The texts of numbers: changes, errors of estimates, money; and the notes of an empty report."""

import json
import shlex
from typing import Any

import numpy as np
import pytest

from sidedata.sketches.hyperloglog import REGISTERS, estimates
from tests.support.browser.chromium import Page
from tests.support.browser.dashboard import address, enter, is_live, texts
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP, POPUP_2
from tests.support.pipeline import Pipeline

DASH = "\u2013"


async def call(page: Page, pipe: Pipeline, module: str, expression: str) -> Any:  # noqa: ANN401 - JSON
    """The value of an expression over a module of the page."""
    await page.open(f"{await address(pipe)}/dashboard")
    await page.until("document.querySelector('#ask').checkVisibility()")
    return await page.evaluate(f"import('/dashboard/{module}').then((it) => {expression})")


async def test_changes_say_what_can_be_said(pipe: Pipeline, page: Page) -> None:
    """From nothing it is new, from next to nothing it is a dash, and within the margin of error it is unclear."""
    cases = [(5, 0), (0, 0), (3447, 10), (110, 10), (12, 10), (8, 10), (7, 7), (1004, 1000), (1100, 1000)]
    found = await call(
        page,
        pipe,
        "text/change.js",
        f"{json.dumps(cases)}.map((each) => it.change(...each, true)).map((it) => [it.direction, it.text])",
    )
    assert [[direction, text.replace("\u00a0", " ")] for direction, text in found] == [
        ["new", "new"],
        ["same", DASH],
        ["same", DASH],
        ["same", DASH],
        ["up", "20 %"],
        ["down", "20 %"],
        ["same", "0 %"],
        ["unclear", "0.4 %"],
        ["up", "10 %"],
    ]


async def test_sums_have_the_digits_of_their_currency(pipe: Pipeline, page: Page) -> None:
    """Two for euros, none for yen, three for Kuwaiti dinars, from the exact decimal, which stays in the tooltip."""
    sums = [
        ("1023.5", "EUR"),
        ("8999999999999.9991", "EUR"),
        ("1023.5", "JPY"),
        ("1200", "JPY"),
        ("7.25", "KWD"),
        ("0.3", "XXX"),
    ]
    found = await call(
        page,
        pipe,
        "text/money.js",
        f"{json.dumps(sums)}.map((each) => it.moneyFigure(...each)).map((it) => [it.textContent, it.value, it.title])",
    )
    assert found == [
        ["1023.50", "1023.5", ""],
        ["9000000000000.00", "8999999999999.9991", "Exactly 8999999999999.9991"],
        ["1024", "1023.5", "Exactly 1023.5"],
        ["1200", "1200", ""],
        ["7.250", "7.25", ""],
        ["0.30", "0.3", ""],
    ]


async def test_the_error_of_an_estimate_is_the_true_one(pipe: Pipeline, page: Page) -> None:
    """The stated standard error is at most a tenth above and a quarter below what the service's own estimator has."""
    sizes = [100, 1_000, 10_000, 60_000]
    stated = await call(page, pipe, "text/error.js", f"{sizes}.map(it.standardError)")
    dice = np.random.default_rng(20)
    for size, error in zip(sizes, stated, strict=True):
        sketches = np.zeros((300, REGISTERS), np.uint8)
        for sketch in sketches:
            runs = np.minimum(dice.geometric(0.5, size), 51).astype(np.uint8)
            np.maximum.at(sketch, dice.integers(0, REGISTERS, size), runs)
        measured = np.sqrt(np.mean((np.array(estimates(sketches)) / size - 1) ** 2))
        assert 0.75 < measured / error < 1.25, size
    assert await page.evaluate(
        "import('/dashboard/text/error.js').then((it) => it.errorText(30_000).replace('\u00a0', ' '))"
    ) == ("An estimate with a standard error of ±236 (0.79 %)")


async def test_tiles_tell_their_error(pipe: Pipeline, page: Page) -> None:
    """A button beside each estimate has it as its name, for keyboard and screen readers; exact counts have none."""
    await enter(page, pipe, workflow=POPUP, range="7d")
    await is_live(page)
    hints = await page.evaluate(
        "[...document.querySelectorAll('.tile .hint')].map((it) => it.hidden ? '' : it.ariaLabel)"
    )
    assert hints == ["An estimate; below 50 it is nearly always exact", "", "", ""]
    assert "0.8" not in "".join(await texts(page, "#numbers"))
    shares = await texts(page, ".tile-line .quiet")
    assert shares[2].endswith("% of starts")


@pytest.mark.parametrize(("workflow", "kind"), [(PAGES, "page_navigation"), (POPUP_2, "interaction")])
async def test_an_empty_workflow_shows_how_to_fill_it(pipe: Pipeline, page: Page, workflow: str, kind: str) -> None:
    """The curl line holds address, organization and workflow; what it sends is accepted and appears."""
    empty = workflow if workflow == POPUP_2 else workflow[:-1] + "f"
    await pipe.workflow(empty, kind)
    await enter(page, pipe, workflow=empty, range="today")
    await is_live(page)
    await page.until("document.querySelector('#nothing pre').checkVisibility()")
    [line] = await texts(page, "#nothing pre")
    words = shlex.split(line)
    assert words[:3] == ["curl", "-X", "POST"]
    assert "Authorization: Token $TOKEN" in words
    assert words[3] == f"{await address(pipe)}/api/ingest/v1/orgs/{ORG}/events"
    event = json.loads(words[words.index("-d") + 1])
    async with pipe.http.post(words[3], json=event) as response:
        assert response.status == 202
    await pipe.drain()
    await page.until("document.querySelector('.tile .number').textContent === '1'")


async def test_paper_has_the_numbers_alone(pipe: Pipeline, page: Page) -> None:
    """Printed, a page has title, range and numbers, and nothing that can be pressed; in light colours."""
    await enter(page, pipe, workflow=PAGES, range="7d")
    await is_live(page)
    await page.until("document.querySelector('#timeline').checkVisibility()")  # it is asked for apart
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    await page.send("Emulation.setEmulatedMedia", media="print", features=features)
    assert (
        await page.evaluate(
            "[...document.querySelectorAll('button:not(.series), select, input, #all')].filter((it) => it.checkVisibility()).length"
        )
        == 0
    )
    for part in ("#title", "#covers", "#tiles", "#timeline", "#hours"):
        assert await page.evaluate(f"document.querySelector('{part}').checkVisibility()"), part
    assert await page.evaluate("getComputedStyle(document.body).color") == "rgb(23, 27, 38)"


@pytest.mark.parametrize("place", [{}, {"workflow": PAGES}])
async def test_a_page_loads_less_than_150_kilobytes(pipe: Pipeline, page: Page, place: dict[str, str]) -> None:
    """Of the page, its scripts and its styles, before any compression; a report loads no overview and the reverse."""
    await enter(page, pipe, **place)
    await is_live(page, "#numbers" if place else "#overview")
    size = await page.evaluate("""[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .filter((entry) => !entry.name.includes('/api/')).reduce((sum, entry) => sum + entry.decodedBodySize, 0)""")
    assert 50_000 < size < 150_000
    other = "overview/overview.js" if place else "report/report.js"
    assert not await page.evaluate(
        f"performance.getEntriesByType('resource').some((entry) => entry.name.includes('{other}'))"
    )
