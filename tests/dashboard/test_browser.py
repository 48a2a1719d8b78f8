"""The dashboard in a real browser: the report that it shows of a real service, on a real Redis."""

import re
from datetime import timedelta

import pytest

from tests.support.browser.chromium import Page
from tests.support.browser.dashboard import another_service, enter, press, report, shown, texts
from tests.support.events import PAGES, POPUP, view
from tests.support.pipeline import Pipeline


@pytest.mark.parametrize("chosen", ["today", "yesterday", "7d", "30d", "90d"])
async def test_pages_show_the_numbers_of_the_api(pipe: Pipeline, page: Page, chosen: str) -> None:
    """Totals, hours and weekdays are the API's to the digit, and the zone's offset is in plain sight."""
    await enter(page, pipe, workflow=PAGES, range=chosen)
    seen = await shown(page)
    answer = await report(pipe, PAGES, seen["covers"])
    stat = answer["timeframe_stat"]
    assert seen["zone"] == "Asia/Kathmandu, UTC+05:45"
    assert seen["tiles"] == [str(answer[f"unique_{what}_count"]) for what in ("visitors", "sessions")]
    assert answer["unique_visitors_count"] > 0 or chosen in {"today", "yesterday"}, "midnight may have passed since"
    anybody = answer["unique_visitors_count"] > 0
    assert [row[1] for row in seen["hours"]] == [str(value) for value, _ in stat["hour_in_day"] if anybody]
    assert [row[1] for row in seen["weekdays"]] == [str(value) for value, _ in stat.get("day_in_week", []) if anybody]


async def test_interactions_show_the_numbers_of_the_api(pipe: Pipeline, page: Page) -> None:
    """Goals and totals are the API's to the digit, sums of money to the last decimal that was sent."""
    await enter(page, pipe, workflow=POPUP, range="30d")
    seen = await shown(page)
    answer = await report(pipe, POPUP, seen["covers"])
    assert seen["tiles"][:2] == [str(answer["unique_visitors_count"]), str(answer["started_workflows_count"])]
    for which in ("triggered", "affected"):
        assert [[row[0], row[1], *row[4:]] for row in seen[which]] == [
            [
                goal["name"],
                *(str(goal["metrics"][f"{count}_count"]) for count in ("events", "unique_visitors", "unique_sessions")),
            ]
            for goal in answer[f"{which}_goals"]
        ]
    assert seen["affected"], "there are goals to compare"
    sums = [[each["currency"], str(each["value"])] for each in answer["visitor_purchase_sums"]]
    assert [row[:2] for row in seen["purchases"]] == sums
    assert float(sums[0][1]) != answer["visitor_purchase_sums"][0]["value"], "no double holds it"


async def test_a_custom_range_is_read_in_the_zone(pipe: Pipeline, page: Page) -> None:
    """Wall-clock times of a shared address are the organization's; what they were widened to is said."""
    now = await pipe.now()
    await enter(page, pipe, workflow=PAGES, range="custom", start=f"{now:%Y-%m-%d}T00:02", end=f"{now:%Y-%m-%d}T23:58")
    seen = await shown(page)
    assert seen["covers"] == [f"{now:%Y-%m-%d}T00:00:00+05:45", f"{now + timedelta(days=1):%Y-%m-%d}T00:00:00+05:45"]
    assert "Wider than requested" in await page.evaluate("document.querySelector('#covers').textContent")


async def test_new_events_appear_without_a_reload(pipe: Pipeline, page: Page) -> None:
    """A new event is shown at once, with the figures of the API, again and again."""
    await enter(page, pipe, workflow=PAGES, range="7d")
    before = int((await shown(page))["tiles"][0])
    for now in range(1, 4):
        await pipe.apply([view(await pipe.now(), f"new{now}-{number}") for number in range(4)])
        await page.until(f"Number(document.querySelector('.tile .number').textContent) === {before + 4 * now}")
        seen = await shown(page)
        answer = await report(pipe, PAGES, seen["covers"])
        assert seen["tiles"] == [str(answer[f"unique_{what}_count"]) for what in ("visitors", "sessions")]
        assert [row[1] for row in seen["hours"]] == [str(value) for value, _ in answer["timeframe_stat"]["hour_in_day"]]


async def test_the_keyboard_reads_the_columns_off(pipe: Pipeline, page: Page) -> None:
    """One tab stop a chart, arrows walk along it; screen readers hear the hour and its value, and the tooltip shows them."""
    await enter(page, pipe, workflow=PAGES, range="7d")
    seen = await shown(page)
    await page.send("Emulation.setFocusEmulationEnabled", enabled=True)
    assert await page.evaluate("document.querySelectorAll('#hours [tabindex]').length") == 1
    await page.evaluate("document.querySelector('#hours [role=slider]').focus()")
    for name, value, *_ in seen["hours"]:
        said = await page.evaluate("document.activeElement.getAttribute('aria-valuetext')")
        assert said.startswith(f"{name}: {value}")
        assert await texts(page, "#hours .tip strong") == [name]
        await press(page, "ArrowRight")


async def test_a_lost_connection_is_told_and_comes_back(pipe: Pipeline, page: Page) -> None:
    """While the service is away the page says so, and how old its numbers are; afterwards it catches up."""
    async with another_service(pipe, 0) as base:
        await enter(page, pipe, base=base, workflow=PAGES, range="7d")
        before = int((await shown(page))["tiles"][0])
    await page.until("document.querySelector('#banner').checkVisibility()")
    assert re.search(r"numbers \d+ s old", await page.evaluate("document.querySelector('#status').textContent"))
    await pipe.apply([view(await pipe.now(), "while-away")])
    async with another_service(pipe, int(base.rpartition(":")[2])):
        await page.evaluate("document.querySelector('#retry').click()")
        await page.until(f"Number(document.querySelector('.tile .number').textContent) === {before + 1}")
        await page.until("!document.querySelector('#banner').checkVisibility()")
        await page.open("about:blank")
    page.forgive("ERR_")
