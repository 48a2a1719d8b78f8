"""The dashboard in a real browser: what it shows of a real service, on a real Redis."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib import resources
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from aiohttp import web

from sidedata.clock import SystemClock
from sidedata.service.app import create_app
from sidedata.service.report.reports import Reports
from sidedata.writes.tokens import create_token, revoke_token
from tests.support.browser.chromium import Page
from tests.support.browser.states import LOOKS, Installation, look, states
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import PAGES, POPUP, POPUP_2, view, visits
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.users import as_user


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """A service in a zone with an offset of its own, and events of each kind now and days ago."""
    async with pipeline(redis_url, partitions=4) as opened:
        await opened.organization("Asia/Kathmandu")
        await opened.workflow(PAGES, "page_navigation")
        now = await opened.now()
        await opened.apply([raw for days in (0, 1, 2, 8, 9) for raw in visits(now - timedelta(days=days), 3 + days)])
        yield opened


async def address(pipe: Pipeline) -> str:
    """Where the service listens."""
    async with pipe.http.get("/livez") as response:
        return str(response.url.origin())


async def enter(page: Page, pipe: Pipeline, token: str = "", base: str = "", **place: str) -> None:
    """Open the page, type a token and go."""
    token = token or str(pipe.http.headers["Authorization"]).removeprefix("Token ")
    await page.open(f"{base or await address(pipe)}/dashboard#{urlencode({'org': ORG, **place})}")
    await page.until("document.querySelector('#ask') && !document.querySelector('#ask').hidden")
    await page.evaluate(f"document.querySelector('#ask-token').value = {json.dumps(token)}")
    await page.evaluate("document.querySelector('#ask-form button').click()")


async def shown(page: Page) -> dict[str, Any]:
    """Wait until the page is live, and return its content."""
    await page.until("document.querySelector('#status').dataset.state === 'live'")
    await page.until("document.querySelector('#numbers').checkVisibility()")
    await page.until("document.querySelector('.zone').textContent.includes(',')")  # its name comes with the list
    texts = "(selector) => [...document.querySelectorAll(selector)].map((node) => node.textContent)"
    found = await page.evaluate(f"""(() => {{
        const texts = {texts};
        const rows = (selector) => [...document.querySelectorAll(selector)].filter((row) => row.checkVisibility())
          .map((row) => [...row.cells].map((cell) => (cell.querySelector('data, .goal-name') ?? cell).textContent));
        for (const details of document.querySelectorAll('details')) details.open = true;
        return {{
            tiles: texts('.tile .number'),
            hours: rows('#hours tbody tr'),
            weekdays: rows('#weekdays tbody tr'),
            triggered: rows('#triggered tbody tr'),
            affected: rows('#affected tbody tr'),
            purchases: rows('#purchases tbody tr'),
            covers: [...document.querySelectorAll('#covers time')].map((node) => node.dateTime),
            zone: document.querySelector('.zone').textContent,
        }};
    }})()""")
    assert isinstance(found, dict)
    return found


async def report(pipe: Pipeline, workflow: str, covers: list[str]) -> Any:  # noqa: ANN401 - JSON
    """The API's answer for what the page says it covers, which that answer covers too."""
    reply = await pipe.ask(workflow, *covers)
    assert reply.effective == "/".join(covers)
    return reply.json


@pytest.mark.parametrize("chosen", ["today", "yesterday", "7d", "30d", "90d"])
async def test_pages_show_the_numbers_of_the_api(page: Page, pipe: Pipeline, chosen: str) -> None:
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


async def test_interactions_show_the_numbers_of_the_api(page: Page, pipe: Pipeline) -> None:
    """Goals and totals are the API's to the digit, sums of money to the last decimal that was sent."""
    await enter(page, pipe, workflow=POPUP, range="30d")
    seen = await shown(page)
    answer = await report(pipe, POPUP, seen["covers"])
    assert seen["tiles"][:2] == [str(answer["unique_visitors_count"]), str(answer["started_workflows_count"])]
    for which in ("triggered", "affected"):
        assert [[row[0], row[1], *row[3:]] for row in seen[which]] == [
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


async def test_a_custom_range_is_read_in_the_zone(page: Page, pipe: Pipeline) -> None:
    """Wall-clock times of a shared address are the organization's; what they were widened to is said."""
    now = await pipe.now()
    await enter(page, pipe, workflow=PAGES, range="custom", start=f"{now:%Y-%m-%d}T00:02", end=f"{now:%Y-%m-%d}T23:58")
    seen = await shown(page)
    assert seen["covers"] == [f"{now:%Y-%m-%d}T00:00:00+05:45", f"{now + timedelta(days=1):%Y-%m-%d}T00:00:00+05:45"]
    assert "Wider than requested" in await page.evaluate("document.querySelector('#covers').textContent")


async def test_new_events_appear_without_a_reload(page: Page, pipe: Pipeline) -> None:
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


async def test_the_keyboard_reads_the_bars_off(page: Page, pipe: Pipeline) -> None:
    """One tab stop a chart, arrows walk along it; each bar says its hour and its value, and shows them."""
    await enter(page, pipe, workflow=PAGES, range="7d")
    seen = await shown(page)
    await page.send("Emulation.setFocusEmulationEnabled", enabled=True)
    assert await page.evaluate("document.querySelectorAll('#hours [tabindex=\"0\"]').length") == 1
    await page.evaluate("document.querySelector('#hours [tabindex=\"0\"]').focus()")
    for hour, (name, value, *_) in enumerate(seen["hours"]):
        said = await page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert said.startswith(f"{name}: {value}"), hour
        assert await page.until("document.querySelector('#hours .tip').textContent") == said
        for kind in ("keyDown", "keyUp"):
            await page.send("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight")


async def test_the_newest_workflow_opens_by_itself(page: Page, pipe: Pipeline) -> None:
    """The list has every workflow, and the address can be shared at once."""
    await enter(page, pipe)
    await shown(page)
    assert await page.evaluate("document.querySelectorAll('.side-list a').length") == 2
    assert f"workflow={PAGES}" in await page.evaluate("location.hash") or POPUP in await page.evaluate("location.hash")


async def test_the_token_stays_in_the_session(page: Page, pipe: Pipeline) -> None:
    """A token in the address is dropped from it, and a typed one goes nowhere but into this tab's session."""
    await page.open(f"{await address(pipe)}/dashboard#org={ORG}&token=sd_none")
    await page.until("location.hash === " + json.dumps(f"#org={ORG}&range=today"))
    await enter(page, pipe, workflow=PAGES)
    await shown(page)
    assert "sd_" not in await page.evaluate("location.href + document.cookie + JSON.stringify({...localStorage})")
    assert (await page.evaluate("sessionStorage.getItem('sidedata-token')")).startswith("sd_")


async def refusal(page: Page) -> str:
    """The reason why the page asks for a token again; by then it has forgotten the one that was refused."""
    reason = await page.until(
        "document.querySelector('#ask-reason').checkVisibility() && document.querySelector('#ask-reason').textContent"
    )
    assert await page.evaluate("sessionStorage.getItem('sidedata-token')") is None
    assert not await page.evaluate("document.querySelector('#desk').checkVisibility()")
    return str(reason)


async def test_a_token_of_another_organization_is_refused_with_the_reason(page: Page, pipe: Pipeline) -> None:
    """The service's reason stands above the form for another token."""
    token, _ = await create_token(as_user("operator", pipe.client), OTHER_ORG, ["reports"])
    await enter(page, pipe, token=token)
    assert "organization" in await refusal(page)
    page.forgive("403")


async def test_a_revoked_token_is_asked_for_again(page: Page, pipe: Pipeline) -> None:
    """A page that is open notices within seconds, and shows numbers no longer."""
    token, record = await create_token(as_user("operator", pipe.client), ORG, ["reports"])
    await enter(page, pipe, token=token, workflow=PAGES)
    await shown(page)
    await revoke_token(as_user("operator", pipe.client), record.id)
    assert "token" in await refusal(page)
    page.forgive("401")


async def test_a_lost_connection_is_told_and_comes_back(page: Page, pipe: Pipeline) -> None:
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


AXE = resources.files("axe_playwright_python").joinpath("axe.min.js")


async def violations(page: Page, where: str) -> list[str]:
    """Run axe-core in the page. It is injected by the debugger, so the page's policy stays as it is."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = await page.evaluate("axe.run({resultTypes: ['violations']}).then((results) => results.violations)")
    assert isinstance(found, list)
    return [
        f"{where}: {rule['id']}, {rule['help']}: {node['html']}\n{node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.timeout(300)
async def test_axe_finds_nothing_in_any_state(page: Page, pipe: Pipeline) -> None:
    """Each state, on a phone and on a wide screen, light and dark, keeps every rule of axe-core."""
    await pipe.workflow(POPUP_2, "interaction")
    token, _ = await create_token(as_user("operator", pipe.client), None, ["reports"])
    found: list[str] = []
    async with AsyncExitStack() as running:
        base = await running.enter_async_context(another_service(pipe, 0))
        seen = []
        async for state in states(page, Installation(base, token, ORG, PAGES, POPUP, POPUP_2), running.aclose):
            seen.append(state)
            for looks in LOOKS:
                await look(page, looks)
                found += await violations(page, f"{state}, {looks}")
    assert found == []
    assert len(set(seen)) == 13
    await page.open("about:blank")
    page.forgive("401")
    page.forgive("404")
    page.forgive("ERR_")


@pytest.mark.timeout(300)
async def test_axe_finds_nothing_in_the_description(page: Page, pipe: Pipeline) -> None:
    """/docs keeps them too, its schemas open."""
    await page.open(f"{await address(pipe)}/docs")
    await page.until("document.querySelectorAll('#operations section').length > 8")
    await page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    for looks in LOOKS:
        await look(page, looks)
        assert await violations(page, looks) == []


async def test_axe_would_find_something(page: Page, pipe: Pipeline) -> None:
    """A picture without a text and a pale word are found, so finding nothing means something."""
    await page.open(f"{await address(pipe)}/docs")
    await page.until("document.querySelectorAll('#operations section').length > 8")
    await page.evaluate("document.querySelector('main').append(new Image())")
    await page.evaluate("document.querySelector('#about').style.color = '#ddd'")
    found = "".join(await violations(page, "spoilt"))
    assert "image-alt" in found
    assert "color-contrast" in found


@asynccontextmanager
async def another_service(pipe: Pipeline, port: int) -> AsyncIterator[str]:
    """A second service of the installation on that port, which can go and come."""
    clock = SystemClock()
    serving = as_user("service", pipe.client)
    reports = Reports(serving, pipe.installation, pipe.settings, clock)
    runner = web.AppRunner(create_app(pipe.settings, serving, pipe.installation, clock, reports), shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
