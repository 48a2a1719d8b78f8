"""The installation of the tests here that make no other one."""

from collections.abc import AsyncIterator

import pytest

from tests.support.pipeline import Pipeline, pipeline


@pytest.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """Two partitions; the organization is in a zone of its own."""
    async with pipeline(redis_url, partitions=2) as made:
        await made.organization("Asia/Kathmandu")
        yield made
