"""A plain consumer, as a good engineer writes it in an afternoon: what ingest costs without zones, attribution, or exactly once.

`python -m bench.compare.plain_consumer URL STREAM ENTRIES` reads a consumer group, 500 entries at once. For each batch it asks
`SET NX` of all ids in one pipeline, and writes grouped additions in a second: visitors and sessions of hour and day, counts, goals.
It prints its own processor time in seconds.
"""

import sys
import time
from collections import defaultdict

import msgspec
from redis import Redis

_AT_ONCE = 500
_GROUP, _CONSUMER = "plain", "one"
_ID_SECONDS = 86_400
_Entry = tuple[bytes, dict[bytes, bytes]]


class _Goal(msgspec.Struct):
    uuid: str
    name: str


class _Event(msgspec.Struct):
    type: str
    organization_id: str
    visitor_id: str
    session_id: str
    timestamp: str
    id: str
    workflow_id: str = ""
    goal: _Goal | None = None


_DECODER = msgspec.json.Decoder(_Event)


def _consume(url: str, stream: str, entries: int) -> float:
    client = Redis.from_url(url)
    client.xgroup_create(stream, _GROUP, "0")
    seen = 0
    start = time.process_time()
    while seen < entries:
        reply: list[tuple[bytes, list[_Entry]]] = client.xreadgroup(  # type: ignore[assignment] # the stub covers both clients
            _GROUP, _CONSUMER, {stream: ">"}, count=_AT_ONCE, block=1000
        )
        read = reply[0][1]
        seen += len(read)
        _apply(client, stream, read)
    return time.process_time() - start


def _apply(client: "Redis", stream: str, read: list[_Entry]) -> None:
    events = [_DECODER.decode(fields[b"event"]) for _, fields in read]
    asked = client.pipeline(transaction=False)
    for event in events:
        asked.set(f"plain:id:{event.organization_id}:{event.id}", 1, nx=True, ex=_ID_SECONDS)
    sketches: dict[str, set[str]] = defaultdict(set)
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for event, is_new in zip(events, asked.execute(), strict=True):
        if is_new:
            for bucket in (event.timestamp[:13], event.timestamp[:10]):
                _count(f"plain:{event.organization_id}:{event.workflow_id}:{bucket}", event, sketches, counts)
    written = client.pipeline(transaction=False)
    for key, members in sketches.items():
        written.pfadd(key, *members)
    for key, fields in counts.items():
        for field, by in fields.items():
            written.hincrby(key, field, by)
    written.xack(stream, _GROUP, *(entry for entry, _ in read))
    written.execute()


def _count(prefix: str, event: _Event, sketches: dict[str, set[str]], counts: dict[str, dict[str, int]]) -> None:
    sketches[f"{prefix}:visitors"].add(event.visitor_id)
    if event.type == "page_view":
        sketches[f"{prefix}:sessions"].add(event.session_id)
    elif event.goal is not None:
        counts[f"{prefix}:counts"][event.goal.uuid] += 1
        sketches[f"{prefix}:{event.goal.uuid}:visitors"].add(event.visitor_id)
        sketches[f"{prefix}:{event.goal.uuid}:sessions"].add(event.session_id)
    else:
        counts[f"{prefix}:counts"][event.type] += 1


if __name__ == "__main__":
    print(_consume(sys.argv[1], sys.argv[2], int(sys.argv[3])))
