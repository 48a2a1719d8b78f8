"""Workflows with busy old hours, their compaction, and all answers about them from a service that has no cache."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sidedata.ingest.compaction.compaction import Compaction, Pace
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.ownership import lease
from sidedata.schema import keys
from sidedata.writes.commit import Ownership
from sidedata.writes.tokens import create_token
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP, interaction, reached, triggered, view
from tests.support.pipeline import Pipeline
from tests.support.processes.service import application, ask_patiently, session
from tests.support.redis.client import Client
from tests.support.redis.users import as_user

BUSY = 2_300  # visitors of an hour whose sketches are dense
DENSE, SPARSE = b"dense", b"sparse"
BASE = f"/api/reporting/workflow/v1/orgs/{ORG}"


def busy_hour(at: datetime, first: int = 0, visitors: int = BUSY) -> list[bytes]:
    """Page views of many visitors, who also interact, trigger a goal and reach it."""
    numbers = range(first, first + visitors)
    return [view(at, f"v{number}", f"s{number}") for number in numbers] + [
        make(at, visitor=f"v{number}") for number in numbers for make in (interaction, triggered, reached)
    ]


async def apply(pipe: Pipeline, events: Sequence[bytes]) -> None:
    """Apply events in entries of a thousand."""
    await pipe.apply(*(events[first : first + 1_000] for first in range(0, len(events), 1_000)))


def hour(now: datetime, days: int) -> datetime:
    """An instant in the hour at noon, UTC, some days ago."""
    return now.replace(hour=12, minute=20, second=0, microsecond=0) - timedelta(days=days)


async def take(pipe: Pipeline, name: str = "compaction") -> Ownership:
    """Take the partition, as a command would."""
    taken = await lease.acquire(as_user("worker", pipe.client), pipe.settings, pipe.partition(ORG), name, force=True)
    assert taken is not None
    return taken.ownership


def compaction(pipe: Pipeline, ownership: Ownership, metrics: Metrics | None = None) -> Compaction:
    """The compaction of the partition, without a rest between its pieces."""
    client = as_user("worker", pipe.client)
    return Compaction(client, pipe.settings, ownership, metrics or Metrics(), Pace(rest=0))


async def run_pass(pipe: Pipeline, metrics: Metrics | None = None) -> None:
    """A whole pass over the partition, whenever the last one was."""
    ownership = await take(pipe)
    await pipe.client.hdel(ownership.keyspace.cursor, "compacted")
    await run_to_the_end(compaction(pipe, ownership, metrics), pipe)
    await lease.release(as_user("worker", pipe.client), ownership)


async def run_to_the_end(under_way: Compaction, pipe: Pipeline) -> None:
    """The pieces of a pass, to the record of its end."""
    cursor = keys.keyspace(pipe.partition(ORG)).cursor
    while not await pipe.client.hexists(cursor, "compacted"):
        await under_way.run_piece()


async def encodings(client: Client, level: str = "hour") -> dict[str, bytes]:
    """The encodings of all sketches of a level, by key."""
    found: dict[str, bytes] = {}
    async for key in client.scan_iter(match=f"sd:*:{level}:*s", count=1_000):
        if not key.endswith(b":counts"):
            found[key.decode()] = await client.execute_command("PFDEBUG", "ENCODING", key)
    return found


async def answers(pipe: Pipeline, now: datetime) -> list[tuple[int, str, str]]:
    """Status, entity tag and body of reports and timelines of both workflows, by a service that starts for them."""
    serving = as_user("service", pipe.client)
    token, _ = await create_token(as_user("operator", pipe.client), None, ["reports"])
    found: list[tuple[int, str, str]] = []
    async with session(application(serving, pipe.installation, pipe.settings), token) as http:
        for workflow in (PAGES, POPUP):
            path = f"{BASE}/workflows/{workflow}/sidedata/"
            for first, last in ((20, 0), (4, 1), (3, 3), (4, 3)):
                # Ends within the busy hour and beside it, so that hours are merged alone, with others, and with days.
                for start in (hour(now, first), hour(now, first) - timedelta(hours=1)):
                    interval = {"start": start.isoformat(), "end": (hour(now, last) + timedelta(hours=2)).isoformat()}
                    for granularity in ("", "hour", "day"):
                        name, more = ("timeline", {"granularity": granularity}) if granularity else ("", {})
                        heard = await ask_patiently(http, "POST", path + name, json={"interval": interval, **more})
                        found.append((heard.status, heard.headers.get("ETag", ""), heard.body.decode()))
    assert {status for status, _, _ in found} == {200}
    return found
