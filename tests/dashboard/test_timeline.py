"""The line chart over a report's range, its table, legend and granularity."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.browser.chromium import Page
from tests.support.browser.dashboard import enter, is_live, press, rows, shown, texts
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.zones.worlds import NAME, NEW, OLD, Case, life

FIELDS = {
    PAGES: ("unique_visitors_count", "unique_sessions_count"),
    POPUP: ("started_workflows_count", "triggered_goals_count", "affected_goals_count"),
}


async def timeline(pipe: Pipeline, page: Page, workflow: str, by: str = "day") -> list[dict[str, Any]]:
    """The API's points for what the page says it covers."""
    start, end = await page.evaluate("[...document.querySelectorAll('#covers time')].map((node) => node.dateTime)")
    path = f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/{workflow}/sidedata/timeline/"
    query = urlencode({"start": start, "end": end, "granularity": by})
    async with pipe.http.get(f"{path}?{query}") as response:
        return list((await response.json())["points"])


async def drawn(page: Page) -> None:
    """Wait for the chart, and open its table."""
    await is_live(page, "#timeline")
    await page.evaluate("document.querySelector('#timeline-details').open = true")
    await page.until("document.querySelectorAll('#timeline-table tbody tr').length")


@pytest.mark.parametrize("workflow", FIELDS)
async def test_its_numbers_are_those_of_the_api(pipe: Pipeline, page: Page, workflow: str) -> None:
    """The table has a row for each point up to now; there is a line for each field, and one behind it of the period before."""
    await enter(page, pipe, workflow=workflow, range="7d", compare="none")
    await drawn(page)
    points = await timeline(pipe, page, workflow)
    fields = FIELDS[workflow]
    assert [row[1:] for row in await rows(page, "#timeline-table tbody tr")] == [
        [str(point[field]) for field in fields] for point in points
    ]
    assert any(point[fields[0]] for point in points)
    assert await page.evaluate("document.querySelectorAll('#timeline .line.before').length") == 0
    await page.evaluate(
        "{const it = document.querySelector('#compare'); it.value = 'previous'; it.dispatchEvent(new Event('change'))}"
    )
    await page.until(f"document.querySelectorAll('#timeline .line.before').length === {len(fields)}")
    assert len((await rows(page, "#timeline-table tbody tr"))[0]) == 1 + 2 * len(fields)


async def test_keyboard_and_pointer_read_it_off(pipe: Pipeline, page: Page) -> None:
    """It is one tab stop, a slider whose value is the text of its point; the tooltip shows the same, for the pointer too."""
    await enter(page, pipe, workflow=PAGES, range="7d")
    await drawn(page)
    await page.send("Emulation.setFocusEmulationEnabled", enabled=True)
    assert await page.evaluate("document.querySelectorAll('#timeline-plot [tabindex]').length") == 1
    await page.evaluate("document.querySelector('#timeline-plot [role=slider]').focus()")
    points = await rows(page, "#timeline-table tbody tr")
    await press(page, "Home")
    for head, visitors, earlier, *_ in points:
        said = await page.evaluate("document.activeElement.getAttribute('aria-valuetext')")
        assert said.startswith(head)
        assert f"Visitors {visitors}, before {earlier}" in said
        assert (await texts(page, "#timeline .tip strong"))[0].startswith(head)
        await press(page, "ArrowRight")
    assert int(await page.evaluate("document.activeElement.getAttribute('aria-valuenow')")) == len(points) - 1
    await press(page, "Escape")
    assert await texts(page, "#timeline .tip") == []
    box = json.loads(
        await page.evaluate("JSON.stringify(document.querySelector('#timeline-plot .reach').getBoundingClientRect())")
    )
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    await page.send("Input.dispatchMouseEvent", type="mouseMoved", **middle)
    assert (await texts(page, "#timeline .tip strong"))[0].startswith(points[3][0])


async def test_lines_can_be_switched_off(pipe: Pipeline, page: Page) -> None:
    """The legend's buttons do it and say so, and the last line stays."""
    await enter(page, pipe, workflow=POPUP, range="7d")
    await drawn(page)
    buttons = "document.querySelectorAll('#timeline-legend button')"
    for left in (2, 1, 1):
        await page.evaluate(f"[...{buttons}].find((each) => each.ariaPressed === 'true').click()")
        assert await page.evaluate(f"[...{buttons}].filter((each) => each.ariaPressed === 'true').length") == left
        assert await page.evaluate("document.querySelectorAll('#timeline .line.before').length") == left


async def test_its_granularity_can_be_chosen(pipe: Pipeline, page: Page) -> None:
    """It fits the range unless another one is chosen, which the address then carries; what is too old for it is coarser."""
    await enter(page, pipe, workflow=PAGES, range="7d")
    await drawn(page)
    options = await page.evaluate("[...document.querySelector('#timeline-by').options].map((each) => each.textContent)")
    assert options == ["by hour", "by day"]
    await page.evaluate(
        "{const it = document.querySelector('#timeline-by'); it.value = 'hour'; it.dispatchEvent(new Event('change'))}"
    )
    await page.until("document.querySelectorAll('#timeline-table tbody tr').length > 100")
    assert "by=hour" in await page.evaluate("location.hash")
    visitors = [str(point["unique_visitors_count"]) for point in await timeline(pipe, page, PAGES, "hour")]
    seen = [row[1] for row in await rows(page, "#timeline-table tbody tr")]
    assert seen == visitors[: len(seen)]
    month_ago = await page.evaluate("new Date(Date.now() - 60 * 86400000).toISOString().slice(0, 10)")
    await page.evaluate(f"location.hash = '#org={ORG}&workflow={PAGES}&range=7d&by=hour&at={month_ago}'")
    await page.until("document.querySelectorAll('#timeline-table tbody tr').length === 7")
    page.forgive("400")


async def test_new_events_move_it(pipe: Pipeline, page: Page) -> None:
    """The chart follows the numbers without a reload."""
    await enter(page, pipe, workflow=PAGES, range="7d")
    await drawn(page)
    before = int((await rows(page, "#timeline-table tbody tr"))[-1][1])
    await pipe.apply([view(await pipe.now(), f"new-{number}") for number in range(4)])
    last = "[...document.querySelectorAll('#timeline-table tbody tr')].at(-1).cells[1]"
    await page.until(f"Number({last}.textContent) === {before + 4}")


async def test_newer_zone_rules_move_it(page: Page, redis_url: str) -> None:
    """A page that is open when a worker adopts newer rules shows the days as they are then, tiles, weekdays and line."""
    async with pipeline(redis_url, partitions=2) as pipe:
        await pipe.organization(NAME)
        now = await pipe.now()
        case = Case(now, 20, -7 * 3600, -8 * 3600, -5 * 3600)
        pipe.rulebook = case.rulebook(OLD, pipe.settings)
        await pipe.apply(*life(now, days=33))
        await enter(page, pipe, workflow=PAGES, range="30d", compare="none")
        await drawn(page)
        before = [row[1] for row in await rows(page, "#timeline-table tbody tr")]
        pipe.rulebook = case.rulebook(NEW, pipe.settings)
        await pipe.drain()
        await page.until(
            "JSON.stringify([...document.querySelectorAll('#timeline-table tbody tr')].map((row) => row.cells[1].textContent))"
            f" !== {json.dumps(json.dumps(before, separators=(',', ':')))}"
        )
        points = await timeline(pipe, page, PAGES)
        seen = [row[1] for row in await rows(page, "#timeline-table tbody tr")]
        assert seen == [str(point["unique_visitors_count"]) for point in points][: len(seen)]
        assert sum(map(int, seen)) > 0
        assert (await shown(page))["tiles"]
        await page.open("about:blank")  # before its service is gone
