"""Events over HTTP in tests: one that lacks its organization, media types, and what then stands in the stream."""

import json
from typing import Any

from sidedata.schema import keys
from sidedata.schema.installation import Installation
from tests.support.constants import ORG
from tests.support.processes.service import WORKFLOW, World

JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
STREAM = keys.keyspace(Installation(4).partition_of(ORG)).events


def event(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON holds
    """A page view, with other fields where given; None leaves one out."""
    made = {
        "type": "page_view",
        "organization_id": ORG,
        "workflow_id": WORKFLOW,
        "visitor_id": "visitor",
        "session_id": "session",
        "timestamp": "2026-11-23T22:00:00Z",
        **fields,
    }
    return {name: value for name, value in made.items() if value is not None}


async def stored(ours: World) -> list[list[dict[str, Any]]]:
    """The entries of the stream, each a list of events."""
    return [json.loads(fields[b"events"]) for _, fields in await ours.client.xrange(STREAM)]
