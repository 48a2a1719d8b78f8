"""The dashboard and the API's page keep every rule of axe-core."""

from contextlib import AsyncExitStack
from importlib import resources

import pytest

from sidedata.writes.tokens import create_token
from tests.support.browser.chromium import Page
from tests.support.browser.dashboard import address, another_service
from tests.support.browser.states import LOOKS, Installation, look, states
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import PAGES, POPUP, POPUP_2
from tests.support.pipeline import Pipeline
from tests.support.redis.users import as_user

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
async def test_axe_finds_nothing_in_any_state(pipe: Pipeline, page: Page) -> None:
    """Each state, on a phone and on a wide screen, light and dark, keeps every rule of axe-core and fits its width."""
    await pipe.workflow(POPUP_2, "interaction")
    await pipe.organization("UTC", OTHER_ORG)
    token, _ = await create_token(as_user("operator", pipe.client), None, ["reports", "admin"])
    found: list[str] = []
    async with AsyncExitStack() as running:
        base = await running.enter_async_context(another_service(pipe, 0))
        seen = []
        async for state in states(page, Installation(base, token, ORG, PAGES, POPUP, POPUP_2), running.aclose):
            seen.append(state)
            for looks in LOOKS:
                await look(page, looks)
                found += await violations(page, f"{state}, {looks}")
                if await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                    found.append(f"{state}, {looks}: wider than the screen")
    assert found == []
    assert len(set(seen)) == 16
    await page.open("about:blank")
    page.forgive("401")
    page.forgive("404")
    page.forgive("ERR_")


@pytest.mark.timeout(300)
async def test_axe_finds_nothing_in_the_description(pipe: Pipeline, page: Page) -> None:
    """/docs keeps them too, its schemas open."""
    await page.open(f"{await address(pipe)}/docs")
    await page.until("document.querySelectorAll('#operations section').length > 8")
    await page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    for looks in LOOKS:
        await look(page, looks)
        assert await violations(page, looks) == []


async def test_axe_would_find_something(pipe: Pipeline, page: Page) -> None:
    """A picture without a text and a pale word are found, so finding nothing means something."""
    await page.open(f"{await address(pipe)}/docs")
    await page.until("document.querySelectorAll('#operations section').length > 8")
    await page.evaluate("document.querySelector('main').append(new Image())")
    await page.evaluate("document.querySelector('#about').style.color = '#ddd'")
    found = "".join(await violations(page, "spoilt"))
    assert "image-alt" in found
    assert "color-contrast" in found
