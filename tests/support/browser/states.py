"""Every state that the dashboard can be in, one after the other: for pictures of them, and for what must hold in each."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple
from urllib.parse import urlencode

from tests.support.browser.chromium import Page


class Screen(NamedTuple):
    """The screen on which a page is viewed."""

    width: int
    height: int
    scale: float = 1
    phone: bool = False


WIDE = Screen(1280, 870)
PHONE = Screen(390, 844, 1.5, phone=True)
LOOKS = {
    f"{shape}-{colours}": (screen, colours == "dark")
    for shape, screen in (("wide", WIDE), ("phone", PHONE))
    for colours in ("light", "dark")
}


class Installation(NamedTuple):
    """A service with data: its address, a token of several organizations, one of these and its workflows, one without events."""

    base: str
    token: str
    organization: str
    pages: str
    popup: str
    empty: str


async def look(page: Page, name: str) -> None:
    """Change the screen and the system's colours to those of one of the `LOOKS`."""
    screen, dark = LOOKS[name]
    metrics = {
        "width": screen.width,
        "height": screen.height,
        "deviceScaleFactor": screen.scale,
        "mobile": screen.phone,
    }
    await page.send("Emulation.setDeviceMetricsOverride", **metrics)
    await page.send("Emulation.setScrollbarsHidden", hidden=True)
    features = [
        {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    await page.send("Emulation.setEmulatedMedia", features=features)
    await settled(page)


async def settled(page: Page) -> None:
    """Wait until what was just changed is drawn."""
    await page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


async def enter(page: Page, base: str, token: str, **place: str) -> None:
    """Open the dashboard; where it asks, type a token."""
    await page.open(f"{base}/dashboard#{urlencode(place)}")
    await page.until("document.querySelector('#ask') && (!document.querySelector('#ask').hidden || !desk.hidden)")
    if await page.evaluate("document.querySelector('#ask-form').checkVisibility()"):
        await page.evaluate(f"document.querySelector('#ask-token').value = {json.dumps(token)}")
        await page.evaluate("document.querySelector('#ask-form button').click()")


async def live(page: Page) -> None:
    """Wait until numbers are shown, and what they are compared with."""
    await page.until("document.querySelector('#status').dataset.state === 'live'")
    await page.until("document.querySelector('#numbers').checkVisibility()")
    await page.until("document.querySelector('#before').textContent.trim()")
    await page.until(
        "!!document.querySelector('#timeline path') || document.querySelector('#nothing').checkVisibility()"
    )


async def states(page: Page, at: Installation, stop: Callable[[], Awaitable[None]]) -> AsyncIterator[str]:
    """Lead the page from state to state, and give each its name when it is there; `stop` ends the service.

    Afterwards the page has noted the refusals and the connections that this brought about.
    """
    await page.open(f"{at.base}/dashboard")
    await page.until("document.querySelector('#ask') && !document.querySelector('#ask').hidden")
    yield "ask"
    await enter(page, at.base, at.token)
    await page.until("document.querySelector('#choose').checkVisibility()")
    yield "organizations"
    await page.evaluate("sessionStorage.clear()")
    await enter(page, at.base, "sd_of-nobody", org=at.organization)
    await page.until("document.querySelector('#ask-reason').checkVisibility()")
    yield "no-permission"
    await page.send("Fetch.enable", patterns=[{"urlPattern": "*/sidedata*"}])  # holds the requests back
    await enter(page, at.base, at.token, org=at.organization, workflow=at.pages, range="7d")
    await page.until("document.querySelector('#waiting').checkVisibility()")
    yield "loading"
    await page.send("Fetch.disable")
    await enter(page, at.base, at.token, org=at.organization, range="7d")
    await page.until("document.querySelector('#overview .sparkline').checkVisibility()")
    await page.until("document.querySelector('#before').textContent.trim()")
    yield "overview"
    for name, workflow in (("pages", at.pages), ("interactions", at.popup)):
        await enter(page, at.base, at.token, org=at.organization, workflow=workflow, range="7d")
        await live(page)
        yield name
    async for name in _details(page, at):
        yield name
    await enter(page, at.base, at.token, org=at.organization, workflow=at.pages, range="7d")
    await live(page)
    await stop()
    await page.until("document.querySelector('#banner').checkVisibility()")
    yield "connection-lost"


async def _details(page: Page, at: Installation) -> AsyncIterator[str]:
    await enter(page, at.base, at.token, org=at.organization, workflow=at.pages, range="7d")
    await live(page)
    await page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    await page.send("Emulation.setFocusEmulationEnabled", enabled=True)
    await page.evaluate("document.querySelector('#hours [role=slider]').focus()")
    await page.until("document.querySelector('#hours .tip').checkVisibility()")
    yield "pages-read-off"
    await page.evaluate("document.querySelector('#timeline [role=slider]').focus()")
    await page.until("document.querySelector('#timeline .tip').checkVisibility()")
    yield "timeline-read-off"
    await page.evaluate("document.querySelector('#rename').click()")
    await page.until("document.querySelector('#name').open")
    yield "name"
    await page.evaluate("document.querySelector('#name').close(); scrollTo(0, 0)")
    await page.evaluate("document.querySelector('[name=range][value=custom]').click()")
    await page.until("document.querySelector('#custom').checkVisibility()")
    yield "custom-range"
    backwards = {"range": "custom", "start": "2026-02-01T00:00", "end": "2026-01-01T00:00"}
    await enter(page, at.base, at.token, org=at.organization, workflow=at.pages, **backwards)
    await page.until("document.querySelector('#custom-error').textContent")
    yield "bad-range"
    await enter(page, at.base, at.token, org=at.organization, workflow=at.empty, range="7d")
    await live(page)
    await page.until("document.querySelector('#nothing').checkVisibility()")
    yield "empty"
    nowhere = at.pages[:-12] + "0" * 12
    await enter(page, at.base, at.token, org=at.organization, workflow=nowhere, range="7d")
    await page.until("document.querySelector('#problem').checkVisibility()")
    yield "error"
    nobody = at.organization[:-12] + "0" * 12
    await enter(page, at.base, at.token, org=nobody)
    await page.until("document.querySelector('#none').checkVisibility()")
    yield "no-workflows"
