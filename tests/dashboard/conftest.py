"""The installation that the dashboard's tests look at."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio

from tests.support.browser.chromium import Page
from tests.support.events import PAGES, visits
from tests.support.pipeline import Pipeline, pipeline


@pytest_asyncio.fixture(name="page")
async def patient_page(page: Page) -> AsyncIterator[Page]:
    """The browser's tab of all tests; on a machine with other work an answer may come too late, and the page asks again."""
    yield page
    page.forgive("status of 503")


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """A service in a zone with an offset of its own, and events of each kind now and days ago."""
    async with pipeline(redis_url, partitions=4) as opened:
        await opened.organization("Asia/Kathmandu")
        await opened.workflow(PAGES, "page_navigation")
        now = await opened.now()
        await opened.apply([raw for days in (0, 1, 2, 8, 9) for raw in visits(now - timedelta(days=days), 3 + days)])
        yield opened
