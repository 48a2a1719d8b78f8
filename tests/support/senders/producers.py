"""Events as programs hold them, and what a producer left in the streams."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sidedata.schema import keys
from tests.support.constants import ORG
from tests.support.events import PAGES
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.client import Client

# Of another partition than the first.
DISTANT_ORG = next(
    organization
    for organization in (f"dddddddd-0000-4000-8000-{number:012}" for number in range(100))
    if keys.partition_of(organization, 4) != keys.partition_of(ORG, 4)
)


def seen(visitor: str, **fields: object) -> dict[str, Any]:
    """A page view as a program has it."""
    view = {"type": "page_view", "organization_id": ORG, "workflow_id": PAGES, "visitor_id": visitor}
    return {**view, "session_id": f"s-{visitor}", "timestamp": datetime.now(UTC), **fields}


@asynccontextmanager
async def installed(url: str) -> AsyncIterator[Pipeline]:
    """An installation of four partitions."""
    async with pipeline(url, partitions=4) as pipe:
        yield pipe


async def entries(client: Client, organization: str = ORG) -> list[list[dict[str, Any]]]:
    """The organization's waiting entries, decoded."""
    found = await client.xrange(keys.keyspace(keys.partition_of(organization, 4)).events)
    return [json.loads(fields[b"events"]) for _, fields in found]
