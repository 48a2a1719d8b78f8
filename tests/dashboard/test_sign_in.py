"""Signing in to the dashboard: a token alone is enough, and it stays where it should."""

import json

from sidedata.writes.tokens import create_token, revoke_token
from tests.support.browser.chromium import Page
from tests.support.browser.dashboard import address, enter, shown
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import PAGES
from tests.support.pipeline import Pipeline
from tests.support.redis.users import as_user


async def test_the_token_stays_in_the_session(page: Page, pipe: Pipeline) -> None:
    """A token in the address is dropped from it, and a typed one goes nowhere but into this tab's session."""
    await page.open(f"{await address(pipe)}/dashboard#org={ORG}&token=sd_none")
    await page.until("location.hash === " + json.dumps(f"#org={ORG}&range=7d"))
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
