"""The age of the numbers: amber as soon as they are behind, and "Live" only while they are not."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.support.browser.chromium import Page
from tests.support.browser.dashboard import address, enter, is_live, texts
from tests.support.constants import ORG
from tests.support.events import PAGES, view, visits
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.servers import RedisServer


async def behind(page: Page) -> None:
    """Wait until the page says that its numbers are behind, and look at what it says."""
    await page.until("document.querySelector('#status').dataset.state === 'behind'")
    [word] = await texts(page, "#status-word")
    assert re.fullmatch(r"As of \d+ s ago", word)
    assert "Live" not in "".join(await texts(page, "#status"))
    background = await page.evaluate("getComputedStyle(document.querySelector('#status-word')).backgroundColor")
    assert background == "rgb(255, 243, 214)", "amber"


@pytest.mark.parametrize("place", [{"workflow": PAGES}, {}])
async def test_workers_that_lag_are_told(pipe: Pipeline, page: Page, place: dict[str, str]) -> None:
    """While an event waits the numbers are as of the time before it, on a report and on the overview."""
    await enter(page, pipe, **place)
    await is_live(page, "#numbers" if place else "#overview")
    await pipe.push(view(await pipe.now(), "waiting"))
    await behind(page)
    await pipe.drain()
    await page.until("document.querySelector('#status').dataset.state === 'live'")


async def test_a_redis_that_hangs_is_told(page: Page, private_server: Callable[..., RedisServer]) -> None:
    """The stream goes on with the last known time, so the page is amber and never "Live" until Redis is back."""
    server = private_server()
    async with pipeline(server.url, partitions=2) as pipe:
        now = await pipe.now()
        await pipe.apply(visits(now - timedelta(minutes=1), 3))
        await enter(page, pipe, workflow=PAGES)
        await is_live(page)
        # The stream lives on; a request that waits for Redis would be refused, and the page would say that the connection is lost.
        await page.until(
            "document.querySelector('#before').textContent.trim() && !document.querySelector('#timeline').hidden"
        )
        server.freeze()
        try:
            await behind(page)
        finally:
            server.thaw()
        await page.until("document.querySelector('#status').dataset.state === 'live'")
    page.forgive("503")
    page.forgive("ERR_")


async def test_a_service_that_tells_no_time_is_not_live(pipe: Pipeline, page: Page) -> None:
    """Without a time the sign says "Connected"; a time that stands still counts as old, whatever else arrives."""
    await page.open(f"{await address(pipe)}/dashboard#org={ORG}")
    await page.until("document.querySelector('#ask').checkVisibility()")
    states = await page.evaluate("""import('/dashboard/frame/status.js').then(({Status}) => {
        let now = 1_000_000;
        const status = new Status((id) => document.getElementById(id), () => now, () => {});
        const state = () => document.querySelector('#status').dataset.state;
        const states = [];
        status.set('live');
        status.fresh(NaN);
        status.tick();
        states.push(state());
        status.fresh(now - 500);
        states.push(state());
        now += 9_000;
        status.received();
        status.tick();
        states.push(state());
        now += 2_000;
        status.received();
        status.tick();
        states.push(state());
        status.fresh(now - 46_000);
        states.push(state(), document.querySelector('#status-word').textContent);
        status.fresh(now);
        states.push(state());
        return states;
    })""")
    assert states == ["unknown", "live", "live", "behind", "behind", "As of 46 s ago", "live"]
