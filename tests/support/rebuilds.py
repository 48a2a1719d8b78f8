"""Rebuilds in tests: archives, an organization's life, its counters made wrong, and what may be left behind."""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sidedata.ingest.archive.lines import Line
from sidedata.ingest.rebuild.rebuild import Rebuild
from sidedata.schema import keys
from sidedata.settings import Settings
from tests.support.constants import ORG
from tests.support.events import GOAL_2, PAGES, POPUP, POPUP_2, bought, interaction, reached, started, triggered, view
from tests.support.pipeline import Pipeline, pipeline
from tests.support.redis.client import Client
from tests.support.redis.users import as_user


def lines(raws: Sequence[bytes]) -> Iterator[Line]:
    """An archive of these events."""
    return iter(Line(n, raw, organization=json.loads(raw)["organization_id"]) for n, raw in enumerate(raws))


def rebuild(
    pipe: Pipeline, raws: Sequence[bytes], *, dry: bool = False, timezone: str | None = None, **others: int
) -> Rebuild:
    """A rebuild of the one organization from these events."""
    values = {name: getattr(pipe.settings, name) for name in pipe.settings.__struct_fields__}
    chosen = Settings(**{**values, **others})
    return Rebuild(
        as_user("operator", pipe.client), chosen, pipe.installation, ORG, lines(raws), dry=dry, timezone=timezone
    )


def life(now: datetime, organization: str = ORG, *, size: int = 40) -> list[bytes]:
    """Events of all types and ages, of some visitors, with ids; seven for one of `size`."""
    raws: list[bytes] = []
    for n in range(size):
        of: dict[str, Any] = {"organization_id": organization, "visitor": f"v{n % 7}", "session": f"s{n % 11}"}
        at = now - timedelta(minutes=7 * n, days=(0, 3, 40, 200)[n % 4])
        raws += [
            view(at, **of, id=f"view {n}"),
            started(at, **of, id=f"started {n}"),
            interaction(at, **of, id=f"interaction {n}"),
            interaction(at, **of, workflow=POPUP_2, id=f"other interaction {n}"),
            triggered(at, **of, goal=GOAL_2, name=f"Goal {n % 3}", id=f"triggered {n}"),
            reached(at + timedelta(seconds=n), **of, id=f"reached {n}"),
            bought(at + timedelta(seconds=n), "19.99", **of, id=f"bought {n}"),
        ]
    return raws


async def answers(pipe: Pipeline, organization: str = ORG) -> list[str]:
    """All that is answered about an organization, over all and over the last hours."""
    now = await pipe.now()
    end = (now + timedelta(hours=1)).isoformat()
    found = []
    for workflow in (PAGES, POPUP, POPUP_2):
        for start in (now - timedelta(days=300), now - timedelta(days=2)):
            reply = await pipe.ask(workflow, start.isoformat(), end, organization)
            while reply.status == 503:  # the machine has other work
                reply = await pipe.ask(workflow, start.isoformat(), end, organization)
            found.append(reply.text)
    return found


async def read_anew(pipe: Pipeline) -> list[str]:
    """Read an answer from a service with an empty cache."""
    async with pipeline(pipe.settings.redis_url, partitions=2) as other:
        return await answers(other)


async def everything(client: Client, match: str = "*") -> dict[bytes, bytes]:
    """All keys with their values; cursors, which count what is done, leases and deduplication ids aside."""
    found = {}
    async for key in client.scan_iter(match=match, count=1000):
        if key.endswith((b":visitors", b":sessions")):
            sketch = await client.get(key)
            found[key] = sketch[:8] + sketch[16:]  # between them Redis keeps a count that was asked for
        elif not key.endswith((b":cursor", b":lease")) and b":ids:" not in key:
            found[key] = await client.dump(key)
    return found


async def spoil(pipe: Pipeline, organization: str = ORG) -> None:
    """Make counters of an organization wrong in every way: junk in them, some of them gone, names that are none."""
    dice = random.Random(1)
    partition = pipe.partition(organization)
    prefix = keys.keyspace(partition).prefix
    found = sorted([key async for key in pipe.client.scan_iter(match=f"{prefix}*:{organization}:*", count=1000)])
    for key in found:
        kind = key.decode().removeprefix(prefix).partition(":")[0]
        if kind in ("workflow", "changes", "visitor"):
            continue
        if dice.random() < 0.2:
            await pipe.client.delete(key)
        elif key.endswith(b":counts"):
            await pipe.client.hincrby(key, "started", 1000)
            await pipe.client.hincrby(key, f"affected:{POPUP}", 3)
        elif kind == "goal":
            await pipe.client.set(key, b"9999999999999999 Junk")
        else:
            await pipe.client.pfadd(key, *(f"junk {n}" for n in range(9)))
    new_year = 1_767_225_600  # 2026-01-01T00:00Z
    counts = f"{keys.keyspace(partition).bucket(organization, POPUP, 'day', new_year)}counts"
    await pipe.client.hset(counts, "started", 5)
    await pipe.client.expire(counts, 1000)
    visitor = keys.keyspace(partition).visitor(organization, "00ff")
    await pipe.client.hset(visitor, f"interaction:{POPUP}", "0 9999999999999999 9999999999999")
    await pipe.client.expire(visitor, 1000)


async def assert_no_shadow(client: Client) -> None:
    """Nothing is left of a rebuild but what it was for."""
    assert [key async for key in client.scan_iter(match="sd:*:rebuild:*")] == []
    assert [key async for key in client.scan_iter(match="sd:*:swap:*")] == []


async def assert_shadows_expire(client: Client) -> None:
    """Assert that all keys of a killed rebuild have a TTL."""
    for pattern in ("sd:*:rebuild:*", "sd:*:swap:*"):
        async for key in client.scan_iter(match=pattern):
            assert 0 < await client.ttl(key) <= 2 * 86_400 + 60, key
