"""The purge of one organization beside another, and the search for its traces."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sidedata.ingest.purge.purge import Purge
from sidedata.writes.tokens import create_token
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import (
    POPUP,
    as_array,
    bought,
    interaction,
    reached,
    started,
    triggered,
    view,
)
from tests.support.pipeline import Pipeline
from tests.support.redis.client import Client
from tests.support.redis.servers import RedisServer
from tests.support.redis.users import as_user

# Ids that can be searched for.
VISITOR, SESSION = "visitor-of-the-purged", "session-of-the-purged"


NEIGHBOUR = "visitor-of-the-neighbour"


def purge(pipe: Pipeline, *, workflow: str | None = None, dry: bool = False, with_tokens: bool = False) -> Purge:
    """A purge of the one organization."""
    operator = as_user("operator", pipe.client)
    return Purge(operator, pipe.settings, pipe.installation, ORG, workflow, dry=dry, with_tokens=with_tokens)


def life(now: datetime, organization: str, visitor: str, session: str, workflow: str = POPUP) -> list[bytes]:
    """Events of all types and ages."""
    of: dict[str, Any] = {"organization_id": organization, "visitor": visitor, "session": session}
    raws: list[bytes] = []
    for age in (timedelta(minutes=6), timedelta(days=4), timedelta(days=100)):
        at = now - age
        raws += [view(at, **of), reached(at, **of), bought(at, "1.5", **of)]
        makers: list[Callable[..., bytes]] = [started, interaction, triggered]
        raws += [make(at, workflow=workflow, **of) for make in makers]
    return raws


def broken(now: datetime, organization: str, visitor: str) -> list[dict[str, bytes]]:
    """Entries that become dead letters, each of another kind and with the organization in another place."""
    good = view(now, visitor, visitor.replace("visitor", "session"), organization_id=organization)
    escaped = organization.replace("0", "\\u0030").encode()
    late = view(now - timedelta(days=900), visitor, organization_id=organization)
    return [
        {"event": late},
        {"event": good.replace(b'"page_view"', b'"page_viewed"')},
        {"event": late.replace(organization.encode(), escaped)},
        {"event": late.replace(organization.encode(), organization.upper().encode())},
        {"event": good[:-1]},
        {"event": b'{"wrapped": ' + good + b"}"},
        {"events": as_array([good] * 1001)},
        {"events": good},
        {"events": as_array([b"[" * 2000 + good + b"]" * 2000])},
        {"event": good, "events": as_array([good])},
        {"data": good},
    ]


async def everything(client: Client) -> dict[bytes, bytes]:
    """All keys with their values; cursors, which count what is done, and leases aside."""
    found: dict[bytes, bytes] = {}
    async for key in client.scan_iter(count=1000):
        if not key.endswith((b":cursor", b":lease")):
            # A hash's fields may change places in its dump without a write: Redis 7.4 makes tables smaller by and by.
            fields = sorted((await client.hgetall(key)).items()) if await client.type(key) == b"hash" else None
            found[key] = await client.dump(key) if fields is None else repr(fields).encode()
    return found


async def readable(client: Client) -> bytes:
    """All that Redis gives out, in one text."""
    found = b""
    async for key in client.scan_iter(count=1000):
        kind = await client.type(key)
        found += key + (repr(await client.xrange(key)).encode() if kind == b"stream" else await client.dump(key))
    return found


async def assert_nothing_left(server: RedisServer, client: Client, *traces: str) -> None:
    """Neither keys nor values nor the dump hold any of these, in any case."""
    await client.save()
    dump = (server.directory / "dump.rdb").read_bytes().lower()
    assert b"schema" in dump
    for trace in traces:
        assert trace.lower().encode() not in dump, trace


async def fill(pipe: Pipeline, now: datetime) -> int:
    """Two organizations with all that can be stored of them; the number of letters of the one."""
    stray = next(p for p in range(pipe.installation.partitions) if p != pipe.partition(ORG))
    await pipe.organization("Asia/Kathmandu")
    await pipe.workflow(POPUP, "interaction")
    for owner in (ORG, OTHER_ORG):
        await create_token(pipe.client, owner, ["reports"], name="of the two")
    mine, theirs = life(now, ORG, VISITOR, SESSION), life(now, OTHER_ORG, NEIGHBOUR, "s")
    bad, worse = broken(now, ORG, VISITOR), broken(now, OTHER_ORG, NEIGHBOUR)
    mixed = [raw for pair in zip(bad, worse, strict=True) for raw in pair]
    await pipe.push(*mine, mine, *mixed)
    await pipe.push(*theirs, *worse, organization=OTHER_ORG)
    await pipe.push(mine[0], [mine[0], theirs[0]], partition=stray)
    await pipe.drain()
    # Waiting: alone, among neighbours, in the wrong partition, in forms that only the worker would make letters of.
    await pipe.push(mine[0], [theirs[0], mine[0], b"[" * 2000 + b"]" * 2000], *mixed)
    await pipe.push(mine[0], [mine[0], theirs[0]], *bad, partition=stray)
    return len(bad) + 2
