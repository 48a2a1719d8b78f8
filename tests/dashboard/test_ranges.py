"""Ranges and comparisons: presets, steps, and the link that carries them."""

import calendar
from datetime import date, timedelta
from typing import Any

import pytest

from tests.support.browser.chromium import Page
from tests.support.browser.dashboard import address, enter, is_live, shown, texts
from tests.support.events import PAGES, POPUP, view
from tests.support.pipeline import Pipeline


async def covered(page: Page, name: str) -> list[str]:
    """The dates that the page covers, once it shows the range of that name."""
    await page.until(f"document.querySelector('.range-name').textContent === '{name}'")
    found = await page.evaluate("[...document.querySelectorAll('#covers time')].map((node) => node.dateTime)")
    return [str(text)[:10] for text in found]


async def test_a_month_is_stepped_through(pipe: Pipeline, page: Page) -> None:
    """One step back is the month before as a whole, and one forward again the present one, beyond which there is none."""
    await enter(page, pipe, workflow=PAGES, range="month")
    await is_live(page)
    today = date.fromisoformat(
        (await page.evaluate("new Date(Date.now() + 20700000).toISOString()"))[:10]  # in Kathmandu
    )
    first = today.replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    after = (first + timedelta(days=31)).replace(day=1)
    assert await covered(page, f"{calendar.month_name[first.month]} {first.year}") == [str(first), str(after)]
    assert await page.evaluate("document.querySelector('#step-forward').disabled")
    await page.evaluate("document.querySelector('#step-back').click()")
    assert await covered(page, f"{calendar.month_name[before.month]} {before.year}") == [str(before), str(first)]
    assert f"at={before}" in await page.evaluate("location.hash")
    await page.evaluate("document.querySelector('#step-forward').click()")
    assert await covered(page, f"{calendar.month_name[first.month]} {first.year}") == [str(first), str(after)]
    assert "at=" not in await page.evaluate("location.hash")


CASES: list[tuple[dict[str, str], str, list[str], list[str] | None]] = [
    # a view, now, its range, the part that it is compared with
    ({"range": "today"}, "2026-03-10T12:00", ["2026-03-10", "2026-03-11"], ["2026-03-09", "2026-03-09T12:00"]),
    ({"range": "7d"}, "2026-03-10T12:00", ["2026-03-04", "2026-03-11"], ["2026-02-25", "2026-03-03T12:00"]),
    ({"range": "month"}, "2026-03-31T12:00", ["2026-03-01", "2026-04-01"], ["2026-02-01", "2026-03-01"]),
    (
        {"range": "month", "at": "2026-02-01"},
        "2026-03-31T12:00",
        ["2026-02-01", "2026-03-01"],
        ["2026-01-01", "2026-02-01"],
    ),
    ({"range": "quarter"}, "2026-05-01T00:00", ["2026-04-01", "2026-07-01"], ["2026-01-01", "2026-01-31"]),
    (
        {"range": "year", "at": "2024-06-01"},
        "2026-05-01T00:00",
        ["2024-01-01", "2025-01-01"],
        ["2023-01-01", "2024-01-01"],
    ),
    (
        {"range": "day", "at": "2024-02-29", "compare": "year"},
        "2026-05-01T00:00",
        ["2024-02-29", "2024-03-01"],
        ["2023-02-28", "2023-03-01"],
    ),
    ({"range": "30d", "compare": "none"}, "2026-03-10T12:00", ["2026-02-09", "2026-03-11"], None),
    ({"range": "day", "at": "2026-04-01"}, "2026-03-10T12:00", ["2026-04-01", "2026-04-02"], None),
]


async def test_ranges_and_their_comparisons(pipe: Pipeline, page: Page) -> None:
    """Calendar periods are compared with whole ones before, and one in progress with as much of it as has passed."""
    await page.open(f"{await address(pipe)}/dashboard")
    await page.until("document.querySelector('#ask').checkVisibility()")
    for view_, now, range_, part in CASES:
        found = await page.evaluate(f"""import('/dashboard/range/ranges.js').then((ranges) => {{
            const view = {{compare: 'previous', ...{view_}}};
            const now = ranges.parseLocal('{now}');
            const range = ranges.rangeOf(view, now);
            const texts = (span) => span && [span.start, span.end].map((time) => ranges.localText(time).replace('T00:00', ''));
            return [texts(range), texts(ranges.comparisonOf(view, range, now)?.part ?? null)];
        }})""")
        assert found == [range_, part], view_


async def test_steps_end_at_the_present(pipe: Pipeline, page: Page) -> None:
    """Steps of days keep their length; today and yesterday keep their names; there is none into the future."""
    await page.open(f"{await address(pipe)}/dashboard")
    await page.until("document.querySelector('#ask').checkVisibility()")
    steps = """import('/dashboard/range/ranges.js').then(({step, parseLocal}) => {
        const now = parseLocal('2026-03-10T12:00');
        const choices = [];
        for (const [view, direction] of [
          [{range: 'today'}, -1], [{range: 'yesterday'}, -1], [{range: 'day', at: '2026-03-08'}, 1], [{range: 'yesterday'}, 1],
          [{range: 'today'}, 1], [{range: '7d'}, -1], [{range: '7d', at: '2026-03-03'}, 1], [{range: 'year'}, -1],
          [{range: 'custom', start: '2026-03-01T06:00', end: '2026-03-01T18:00'}, 1],
        ]) {
          const choice = step({at: '', ...view}, now, direction);
          choices.push(choice && [choice.range, choice.at || choice.start]);
        }
        return choices;
    })"""
    assert await page.evaluate(steps) == [
        ["yesterday", ""],
        ["day", "2026-03-08"],
        ["yesterday", ""],
        ["today", ""],
        None,
        ["7d", "2026-03-03"],
        ["7d", ""],
        ["year", "2025-01-01"],
        ["custom", "2026-03-01T18:00"],
    ]


async def test_a_link_carries_the_view(pipe: Pipeline, page: Page) -> None:
    """Opened again, it shows the same workflow, range, comparison and granularity; it holds no token."""
    place = {"workflow": POPUP, "range": "quarter", "at": "2026-04-01", "compare": "year", "by": "week"}
    await enter(page, pipe, **place)
    await is_live(page)
    link = await page.evaluate("location.href")
    assert "sd_" not in link
    await page.open(link)
    await is_live(page)
    assert await texts(page, ".range-name") == ["Q2 2026"]
    assert await page.evaluate("document.querySelector('#compare').value") == "year"
    await page.until("document.querySelector('#timeline-by').value === 'week'")
    assert await texts(page, "#title") == [f"Workflow {POPUP[:8]}…"]
    assert await page.evaluate("location.href") == link
    page.forgive("400")  # a year before the range is no longer kept


@pytest.mark.parametrize("compare", ["year", "none"])
async def test_a_comparison_can_be_chosen(pipe: Pipeline, page: Page, compare: str) -> None:
    """A year ago is the same dates of the year before, and none leaves no changes."""
    now = await pipe.now()
    await pipe.apply([view(now - timedelta(days=366), f"old-{number}") for number in range(4)])
    await enter(page, pipe, workflow=PAGES, range="7d")
    await shown(page)
    await page.evaluate(
        f"{{const it = document.querySelector('#compare'); it.value = '{compare}'; it.dispatchEvent(new Event('change'))}}"
    )
    await page.until(f"location.hash.includes('compare={compare}')")
    if compare == "none":
        await page.until("document.querySelector('#before').textContent.trim() === ''")
        assert (await texts(page, ".tile-change"))[0].strip() == ""
        return
    await page.until("document.querySelector('#before').textContent.includes('a year ago')")
    await page.until("!!document.querySelector('.tile-change .up')")
    found: Any = await page.evaluate("document.querySelector('.tile-change .change').title")
    assert found == "4 in the period compared with"


TICKS: list[tuple[str, str, int, int, str, str]] = [
    # granularity, first point, points, pixels of each, the first and the last label
    ("day", "2026-11-22", 7, 190, "Sun 22 Nov", "Sat 28 Nov"),
    ("day", "2026-11-22", 7, 58, "22 Nov", "28 Nov"),
    ("day", "2026-10-30", 30, 40, "2 Nov", "23 Nov"),
    ("day", "2026-09-01", 90, 3, "1 Sep", "1 Nov"),
    ("hour", "2026-11-22", 24, 50, "Sun 22 Nov", "22:00"),
    ("month", "2026-01-01", 12, 90, "Jan 2026", "Dec"),
    ("5min", "2026-11-22", 13, 80, "00:00", "01:00"),
]


async def test_ticks_stand_at_round_times(pipe: Pipeline, page: Page) -> None:
    """Mondays, first days of months and full hours, as many as there is room for, in words."""
    await page.open(f"{await address(pipe)}/dashboard")
    await page.until("document.querySelector('#ask').checkVisibility()")
    for granularity, first, points, slot, start, end in TICKS:
        texts_ = await page.evaluate(f"""import('/dashboard/charts/time-ticks.js').then(({{timeTicks}}) => {{
            const first = new Date('{first}T00:00Z');
            const sizes = {{'5min': 300_000, hour: 3_600_000, day: 86_400_000}};
            const starts = Array.from({{length: {points}}}, (_, index) => '{granularity}' === 'month'
              ? Date.UTC(first.getUTCFullYear(), index, 1) : first.getTime() + index * sizes['{granularity}']);
            return timeTicks(starts, '{granularity}', {slot}).map(({{text}}) => text);
        }})""")
        assert [texts_[0], texts_[-1]] == [start, end], granularity
