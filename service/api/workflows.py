"""The list of an organization's workflows, newest first."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
from aiohttp import web

from sidedata.redis.client import Client, translated
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.schema.records import DEFAULT_ZONE
from sidedata.service.http.auth import ORGANIZATION
from sidedata.service.http.problems import ProblemError
from sidedata.service.http.state import BACKEND, redis_time

# Whose hours and days the reports are in; the list is what a dashboard asks for first.
TIME_ZONE = "Sidedata-Time-Zone"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK = 500  # records to one pipeline; more would make Redis hold megabytes of replies


class WorkflowItem(msgspec.Struct, frozen=True):
    """A workflow; `last_event_at` is its newest event's own time in UTC, null before the first."""

    id: str
    kind: Literal["page_navigation", "interaction"]
    name: str | None
    last_event_at: str | None


async def get_workflows(request: web.Request) -> web.Response:
    """All workflows of the organization; an organization that nobody knows has none."""
    if request.rel_url.raw_query_string:
        raise ProblemError(400, "this list takes no query parameters")
    backend = request.app[BACKEND]
    async with redis_time(request):
        zone, items = await list_workflows(backend.client, backend.installation, request[ORGANIZATION])
    return web.Response(
        body=msgspec.json.encode(items),
        content_type="application/json",
        headers={"Cache-Control": "private, max-age=1", "Vary": "Authorization", TIME_ZONE: zone},
    )


async def list_workflows(
    client: Client, installation: Installation, organization: str
) -> tuple[str, list[WorkflowItem]]:
    """The organization's reporting time zone, and its workflows, newest event first, ties by id.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    partition = installation.partition_of(organization)
    items: list[WorkflowItem] = []
    with translated():
        async with client.pipeline(transaction=False) as pipeline:
            pipeline.hget(keys.organization(partition, organization), "timezone")
            pipeline.zrevrange(keys.workflows(partition, organization), 0, -1, withscores=True)
            zone, scored = await pipeline.execute()
        # Redis breaks ties the other way round.
        newest = sorted((-int(score), workflow.decode()) for workflow, score in scored)
        for first in range(0, len(newest), _CHUNK):
            part = newest[first : first + _CHUNK]
            async with client.pipeline(transaction=False) as pipeline:
                for _, workflow in part:
                    pipeline.hmget(keys.workflow(partition, organization, workflow), "kind", "name")
                records = await pipeline.execute()
            for (score, workflow), (kind, name) in zip(part, records, strict=True):
                if kind is not None:  # else it was purged a moment ago
                    items.append(WorkflowItem(workflow, kind.decode(), name.decode() if name else None, _text(-score)))
    return zone.decode() if zone else DEFAULT_ZONE, items


def _text(at_us: int) -> str | None:
    """RFC 3339 in UTC; 0 stands for no event yet."""
    if at_us == 0:
        return None
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat().replace("+00:00", "Z")
