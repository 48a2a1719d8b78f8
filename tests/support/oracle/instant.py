"""A partition as one node holds it, all of one instant; and whether its parts agree on what was applied."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sidedata.events.hashing import Hasher
from sidedata.schema import keys
from sidedata.schema.values import id_positions
from tests.support.constants import SECRET
from tests.support.events import POPUP
from tests.support.oracle.oracle import Oracle

# Redis runs a script alone, so nothing is written in between. It names no keys: they all are in the partition's slot.
_INSTANT = """
local tag = 'sd:{' .. ARGV[1] .. '}:'
local ids, days = {}, {}
for _, key in ipairs(redis.call('KEYS', tag .. 'ids:*')) do
  for _, id in ipairs(redis.call('SMEMBERS', key)) do ids[#ids + 1] = id end
end
for _, key in ipairs(redis.call('KEYS', tag .. 'day:' .. ARGV[2] .. ':*:counts')) do
  days[#days + 1] = redis.call('HGETALL', key)
end
local oldest = redis.call('XRANGE', tag .. 'events', '-', '+', 'COUNT', 1)
return {redis.call('HGETALL', tag .. 'cursor'), redis.call('HGET', tag .. 'organization:' .. ARGV[2], 'since'),
  oldest[1] and oldest[1][1] or '', ids, days}
"""


def held(admin: Any, partition: int, organization: str, events: Sequence[bytes]) -> list[bytes]:  # noqa: ANN401 - a client
    """Those of `events` that count, by the ids that the node remembers.

    Cursor, counter of ids and counters of the workflow must say that it was these and that each counted once, and the stream
    must go on where the cursor ends. The events are all of one organization, the partition's only one, and have ids.
    """
    flat, since, oldest, ids, days = admin.eval(_INSTANT, 0, partition, organization)
    cursor: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
    hashed = Hasher(SECRET).of(f"event {int(since or 0)}", organization)
    stored_ids = {int(value) for value in ids}
    found = [raw for raw in events if hashed.number(json.loads(raw)["id"]) >> 1 in stored_ids]
    assert len(ids) == len(stored_ids) == len(found), "an id that is no event's, or in two sets"
    assert int(cursor.get(b"events", 0)) == len(found)
    fields = {name.decode(): value.decode() for name, value in cursor.items()}
    assert sum(positions.number for positions in id_positions(fields).values()) == len(found)
    assert not oldest or _position(oldest) > _position(cursor.get(b"entry", b"0-0")), "an entry that was applied"
    counts: dict[str, int] = {}
    for day in days:
        for name, count in zip(day[::2], day[1::2], strict=True):
            counts[name.decode()] = counts.get(name.decode(), 0) + int(count)
    expected = _expected(organization, found)
    assert counts.get("started", 0) == expected["started_workflows_count"]
    for role in ("triggered", "affected"):
        for goal in expected[f"{role}_goals"]:
            assert counts.pop(f"{role}:{goal['uuid']}") == goal["metrics"]["events_count"]
    assert not [name for name in counts if name.startswith(("triggered", "affected"))]
    return found


def _position(entry: bytes) -> tuple[int, int]:
    ms, _, sequence = entry.partition(b"-")
    return int(ms), int(sequence)


def _expected(organization: str, events: Sequence[bytes]) -> dict[str, Any]:
    """The whole answer to these events; one that has none is all zeros."""
    oracle = Oracle(kinds={(organization, POPUP): "interaction"})
    now = datetime.now(UTC)
    partition, entry_ms = keys.partition_of(organization, oracle.partitions), int(now.timestamp() * 1000)
    for number, raw in enumerate(events):
        oracle.arrive(raw, partition=partition, entry_ms=entry_ms, entry=str(number), now=now)
    assert oracle.dead == []
    answer, _ = oracle.answer(organization, POPUP, now - timedelta(days=2), now + timedelta(minutes=5), now)
    return answer
