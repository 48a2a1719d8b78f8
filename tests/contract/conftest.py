"""Installations that the tests of the contract ask."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.constants import KEEP_ALL
from tests.support.pipeline import Pipeline, pipeline


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation that keeps buckets of all levels for a hundred years."""
    async with pipeline(redis_url, partitions=4, **KEEP_ALL) as opened:
        yield opened


@pytest_asyncio.fixture
async def plain(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation with the default retention."""
    async with pipeline(redis_url, partitions=4) as opened:
        yield opened


@pytest_asyncio.fixture
async def coarse(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation that keeps nothing but days of what is older than two days."""
    async with pipeline(redis_url, partitions=4, keep_fine_hours=1, keep_hour_days=1, keep_day_days=36_500) as opened:
        yield opened
