"""Signing in to the dashboard: a token alone is enough, and it stays where it should."""

import json

import pytest

from sidedata.writes.tokens import create_token, revoke_token
from tests.support.browser.chromium import Page
from tests.support.browser.dashboard import address, enter, is_live, shown, texts, token_of, type_token
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import PAGES
from tests.support.pipeline import Pipeline
from tests.support.redis.users import as_user


async def test_the_token_stays_in_the_session(pipe: Pipeline, page: Page) -> None:
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


async def test_a_token_of_another_organization_is_refused_with_the_reason(pipe: Pipeline, page: Page) -> None:
    """The service's reason stands above the form for another token."""
    token, _ = await create_token(as_user("operator", pipe.client), OTHER_ORG, ["reports"])
    await enter(page, pipe, token=token)
    assert "organization" in await refusal(page)
    await type_token(page, token)
    await page.until("document.querySelector('#none').checkVisibility()")
    assert f"org={OTHER_ORG}" in await page.evaluate("location.hash")


async def test_a_revoked_token_is_asked_for_again(pipe: Pipeline, page: Page) -> None:
    """A page that is open notices within seconds, and shows numbers no longer."""
    token, record = await create_token(as_user("operator", pipe.client), ORG, ["reports"])
    await enter(page, pipe, token=token, workflow=PAGES)
    await shown(page)
    await revoke_token(as_user("operator", pipe.client), record.id)
    assert "token" in await refusal(page)
    page.forgive("401")


async def test_a_token_alone_is_enough(pipe: Pipeline, page: Page) -> None:
    """Its organization follows from it, without one in the address."""
    token, _ = await create_token(as_user("operator", pipe.client), ORG, ["reports"])
    await page.open(f"{await address(pipe)}/")
    await type_token(page, token)
    await is_live(page, "#overview")
    assert await page.evaluate("location.pathname") == "/dashboard"
    assert f"org={ORG}" in await page.evaluate("location.hash")
    assert await texts(page, "#org") == [f"{ORG[:8]}…"]


async def test_a_token_of_all_chooses_an_organization(pipe: Pipeline, page: Page) -> None:
    """Where there are several, they stand in a list, to which the header leads back."""
    await pipe.organization("Europe/Helsinki", OTHER_ORG)
    await page.open(f"{await address(pipe)}/dashboard")
    await type_token(page, token_of(pipe))
    await page.until("document.querySelector('#choose').checkVisibility()")
    assert await texts(page, "#choose-list button") == [
        f"{ORG[:8]}…Asia/Kathmandu",
        f"{OTHER_ORG[:8]}…Europe/Helsinki",
    ]
    await page.evaluate("document.querySelector('#choose-list button').click()")
    await is_live(page, "#overview")
    await page.evaluate("document.querySelector('#org').click()")
    await page.until("document.querySelector('#choose').checkVisibility()")
    await page.evaluate("document.querySelectorAll('#choose-list button')[1].click()")
    await page.until("document.querySelector('#none').checkVisibility()")
    assert f"org={OTHER_ORG}" in await page.evaluate("location.hash")


async def test_a_token_without_the_scope_is_refused(pipe: Pipeline, page: Page) -> None:
    """The card names the scope that it lacks."""
    token, _ = await create_token(as_user("operator", pipe.client), ORG, ["ingest"])
    await enter(page, pipe, token=token)
    assert "lacks the scope reports" in await refusal(page)


NEW_TAB = """(() => { window.tab = window.open('/dashboard'); })()"""


async def open_tab(page: Page) -> None:
    """Open another tab, without what it inherits from this one's session."""
    await page.send("Runtime.evaluate", expression=NEW_TAB, userGesture=True)
    await page.until("tab.document.querySelector('#ask, #desk') && tab.document.readyState === 'complete'")
    await page.evaluate("tab.sessionStorage.clear(); tab.location.reload(); tab.stale = true")
    await page.until("!tab.stale && tab.document.readyState === 'complete'")


@pytest.mark.parametrize("shared", [True, False])
async def test_a_sign_in_holds_in_other_tabs_if_asked_to(pipe: Pipeline, page: Page, shared: bool) -> None:  # noqa: FBT001
    """A new tab gets the token from this one, and signing out there ends it here too; else it asks for a token of its own."""
    token, _ = await create_token(as_user("operator", pipe.client), ORG, ["reports"])
    await page.open(f"{await address(pipe)}/dashboard")
    await type_token(page, token, shared=shared)
    await is_live(page, "#overview")
    await open_tab(page)
    if not shared:
        await page.until("tab.document.querySelector('#ask-form').checkVisibility()")
        assert await page.evaluate("tab.sessionStorage.getItem('sidedata-token')") is None
        return
    await page.until("tab.document.querySelector('#overview').checkVisibility()")
    assert await page.evaluate("JSON.stringify([{...localStorage}, document.cookie])") == '[{},""]'
    await page.evaluate("tab.document.querySelector('#leave').click()")
    await page.until("document.querySelector('#ask-form').checkVisibility()")
    assert await page.evaluate("sessionStorage.getItem('sidedata-token')") is None


async def test_names_can_be_given(pipe: Pipeline, page: Page) -> None:
    """A token with the scope `admin` names a workflow and the organization; another one has no button for it."""
    operator = as_user("operator", pipe.client)
    token, _ = await create_token(operator, ORG, ["reports", "admin"])
    await enter(page, pipe, token=token, workflow=PAGES)
    await shown(page)
    await rename(page, "Shop <i>pages</i>")
    await page.until("document.querySelector('#title').textContent === 'Shop <i>pages</i>'")
    await page.evaluate("document.querySelector('#all').click()")
    await is_live(page, "#overview")
    await rename(page, "The shop")
    await page.until("document.querySelector('#org').textContent === 'The shop'")
    path = f"/api/admin/v1/orgs/{ORG}"
    async with pipe.http.get(f"{path}/workflows/{PAGES}", headers={"Authorization": f"Token {token}"}) as response:
        assert (await response.json())["name"] == "Shop <i>pages</i>"
    await page.evaluate("document.querySelector('#leave').click()")
    token, _ = await create_token(operator, ORG, ["reports"])
    await type_token(page, token)
    await is_live(page, "#overview")
    assert await texts(page, "#rename") == []


async def rename(page: Page, name: str) -> None:
    """Open the dialog, type a name and save it."""
    await page.until("document.querySelector('#rename').checkVisibility()")
    await page.evaluate("document.querySelector('#rename').click()")
    await page.evaluate(f"document.querySelector('#name-input').value = {json.dumps(name)}")
    await page.evaluate("document.querySelector('#name-save').click()")
    await page.until("!document.querySelector('#name').open")
