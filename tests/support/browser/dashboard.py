"""The dashboard of a pipeline's service: opened, signed in to, and read as a person would."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from tests.support.browser.chromium import Page
from tests.support.constants import ORG
from tests.support.pipeline import Pipeline
from tests.support.processes.service import application, served
from tests.support.redis.users import as_user


async def address(pipe: Pipeline) -> str:
    """Where the service listens."""
    async with pipe.http.get("/livez") as response:
        return str(response.url.origin())


def token_of(pipe: Pipeline) -> str:
    """The pipeline's own token, which is one of all organizations."""
    return str(pipe.http.headers["Authorization"]).removeprefix("Token ")


async def type_token(page: Page, token: str, *, shared: bool = False) -> None:
    """Wait for the card, type a token and sign in."""
    await page.until("document.querySelector('#ask-form').checkVisibility()")
    await page.evaluate(f"document.querySelector('#ask-shared').checked = {json.dumps(shared)}")
    await page.evaluate(f"document.querySelector('#ask-token').value = {json.dumps(token)}")
    await page.evaluate("document.querySelector('#ask-form button').click()")


async def enter(page: Page, pipe: Pipeline, token: str = "", base: str = "", **place: str) -> None:
    """Open a view of the organization, type a token and go."""
    await page.open(f"{base or await address(pipe)}/dashboard#{urlencode({'org': ORG, **place})}")
    await type_token(page, token or token_of(pipe))


async def is_live(page: Page, part: str = "#numbers") -> None:
    """Wait until the page is live and shows the numbers of a report, or another part."""
    await page.until("document.querySelector('#status').dataset.state === 'live'")
    await page.until(f"document.querySelector({json.dumps(part)}).checkVisibility()")


async def texts(page: Page, selector: str) -> list[str]:
    """The texts of all visible elements that match."""
    found = await page.evaluate(
        f"[...document.querySelectorAll({json.dumps(selector)})].filter((node) => node.checkVisibility())"
        ".map((node) => node.textContent)"
    )
    return [str(text) for text in found]


async def rows(page: Page, selector: str) -> list[list[str]]:
    """The cells of all visible rows that match: their values as the service sent them, else their texts."""
    found = await page.evaluate(f"""[...document.querySelectorAll({json.dumps(selector)})]
        .filter((row) => row.checkVisibility()).map((row) => [...row.cells].map((cell) => {{
            const value = cell.querySelector('data');
            return value ? value.value : (cell.querySelector('.goal-name') ?? cell).textContent;
        }}))""")
    return [[str(cell) for cell in row] for row in found]


async def shown(page: Page) -> dict[str, Any]:
    """Wait until the page is live, and return its content."""
    await is_live(page)
    await page.until("document.querySelector('.zone').textContent.includes(',')")  # its name comes with the list
    await page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    return {
        "tiles": await texts(page, ".tile .number"),
        "covers": await page.evaluate("[...document.querySelectorAll('#covers time')].map((node) => node.dateTime)"),
        "zone": (await texts(page, ".zone"))[0],
        **{
            part: await rows(page, f"#{part} tbody tr")
            for part in ("hours", "weekdays", "triggered", "affected", "purchases")
        },
    }


async def press(page: Page, key: str) -> None:
    """Press a key and let it go."""
    for kind in ("keyDown", "keyUp"):
        await page.send("Input.dispatchKeyEvent", type=kind, key=key, code=key)


async def report(pipe: Pipeline, workflow: str, covers: list[str]) -> Any:  # noqa: ANN401 - JSON
    """The API's answer for what the page says it covers, which that answer covers too."""
    reply = await pipe.ask(workflow, *covers)
    assert reply.effective == "/".join(covers)
    return reply.json


@asynccontextmanager
async def another_service(pipe: Pipeline, port: int) -> AsyncIterator[str]:
    """A second service of the installation on that port, which can go and come."""
    app = application(as_user("service", pipe.client), pipe.installation, pipe.settings)
    async with served(app, port) as base:
        yield base
