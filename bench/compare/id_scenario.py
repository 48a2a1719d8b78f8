"""The scenario of a large history of ids: Redis's time of a look-up after millions of events with ids.

The build applies two days of history itself: after the first one its generation of ids is renamed to the one before. Events that
are applied one by one after the second are measured.
"""

from datetime import UTC, datetime

from bench.compare.scenario import Row, Scenario
from bench.figures import short
from bench.redis_time import RedisTime
from bench.servers import BenchWorld
from bench.wire import Names, Stream, packed
from sidedata.schema import keys

_HISTORY = 1_200_000  # of a day; three layers, if a generation begins with the first one
_MEASURED = 100_000
_CHUNK = 50_000
_LIMIT_SECONDS = 600.0
_MOST_ENTRIES = 100_000  # of the log of slow commands
# The log gets the look-ups of whole batches. Commands inside of scripts, which would be counted twice, are shorter.
_SLOW_US = 50


def _lines(names: Names, first: int, count: int) -> list[bytes]:
    """Events of one workflow: starts, whose only look-up is that of their ids."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    head = (
        f'{{"type":"workflow_started","organization_id":"{names.organization}","workflow_id":"{names.workflows[0]}",'
        '"visitor_id":"v'
    )
    return [
        f'{head}{n % 1000}","session_id":"s","timestamp":"{at}","id":"{n}"}}'.encode()
        for n in range(first, first + count)
    ]


def _apply(world: BenchWorld, first: int, count: int, *, size: int) -> None:
    """Append events in entries of that size, 1 for single events, and let a worker apply them."""
    stream = Stream(world.url)
    for at in range(first, first + count, _CHUNK):
        lines = _lines(world.names(0), at, min(_CHUNK, first + count - at))
        if size == 1:
            stream.add(0, "event", lines)
        else:
            stream.add(0, "events", packed(lines, size))
    stream.close()
    worker = world.sidedata("worker")
    world.wait_applied(first + count, seconds=_LIMIT_SECONDS)
    world.stop(worker)


def _end_generation(world: BenchWorld) -> None:
    """Rename the ids of the current generation to those of the one before."""
    prefix = keys.keyspace(0).prefix + "ids:"
    cursor = keys.keyspace(0).cursor
    fields = {name.decode(): value for name, value in world.redis.hgetall(cursor).items() if name.startswith(b"ids:")}
    generation = fields.popitem()[0].split(":")[1] if len(fields) == 1 else max(name.split(":")[1] for name in fields)
    before = str(int(generation) - 1)
    for key in list(world.redis.scan_iter(f"{prefix}{generation}:*", count=10_000)):
        world.redis.rename(key, key.decode().replace(f":ids:{generation}:", f":ids:{before}:"))
    for name, value in world.redis.hgetall(cursor).items():
        if name.endswith(f":{generation}".encode()):
            world.redis.hset(cursor, name.decode().replace(generation, before), value)
            world.redis.hdel(cursor, name)


def _look_ups_us(world: BenchWorld) -> float:
    """Sum the time of the look-ups: scripts that name the cursor alone, and commands that read filters of ids."""
    cursor, ids = keys.keyspace(0).cursor, f"{keys.keyspace(0).prefix}ids:"
    total = 0.0
    for entry in world.redis.slowlog_get(_MOST_ENTRIES):
        words = entry["command"].decode(errors="replace").split()
        by_script = words[0].startswith("EVALSHA") and words[2:4] == ["1", cursor]
        if by_script or (words[0] == "GET" and words[1].startswith(ids)):
            total += entry["duration"]
    return total


def _ids(world: BenchWorld, seed: int, quick: bool) -> dict[str, float]:  # noqa: ARG001, FBT001 - a measure's signature
    history, measured = (50_000, 20_000) if quick else (_HISTORY, _MEASURED)
    _apply(world, 0, history, size=1_000)
    _end_generation(world)
    _apply(world, history, history, size=1_000)
    world.redis.config_set("slowlog-max-len", _MOST_ENTRIES)
    world.redis.config_set("slowlog-log-slower-than", _SLOW_US)
    world.redis.slowlog_reset()
    time = RedisTime(world.redis)
    _apply(world, 2 * history, measured, size=1)
    asked = sum(time.calls(name) for name in ("smismember", "sismember"))
    figures = {
        "look-up µs": _look_ups_us(world) / measured,
        "commands": asked / measured,
        "redis µs": time.cpu_us() / measured,
    }
    world.redis.config_set("slowlog-log-slower-than", -1)
    return figures


SCENARIO = Scenario(
    _ids,
    [
        Row(
            "look-up µs",
            f"{short(_HISTORY)} ids of today and as many of yesterday: look-up of an id, Redis's time, µs",
            0.2,
        ),
        Row("commands", "the same, commands of a look-up"),
        Row("redis µs", "the same, Redis's processor time of an event, the look-up and the commit among it, µs"),
    ],
)
