"""What is in a key, as a person would say it: a function for each kind of key.

Nothing of a visitor is shown: sketches hold none, ids are hashes, and of waiting events only their number and age are told.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from sidedata.calendar.zones import Zone
from sidedata.errors import StopError
from sidedata.redis.client import server_ms
from sidedata.schema import keys
from sidedata.schema.key_names import KeyName, parse

_SHOWN: Final = 8  # of what may be many
_MOST_FIELDS: Final = 5_000  # of a hash that is read whole
_UNIT: Final = 10_000

Row = tuple[str, str]


class Asked(msgspec.Struct, frozen=True):
    """What a value is read with."""

    client: Any
    parsed: KeyName
    name: str
    zone: Zone

    async def goal_name(self, goal: str) -> str:
        """What a goal is called, its id where nobody knows."""
        stored = await self.client.get(keys.goal(self.parsed.partition or 0, self.parsed.organization or "", goal))
        return stored.decode().partition(" ")[2] if stored else goal

    def at(self, us: float) -> str:
        """A time in microseconds, by the organization's clock."""
        return clock(self.zone, int(us) // 1_000_000)


def clock(reporting: Zone, second: int) -> str:
    """An instant by a zone's clock."""
    moment = reporting.moment(second)
    return f"{moment:%a} {moment.isoformat(' ')}"


async def _sketch(asked: Asked) -> list[Row]:
    what = "sessions" if asked.parsed.kind.endswith("sessions") else "visitors"
    rows = [(what, f"about {await asked.client.pfcount(asked.name):,} (±0.81 %)")]
    if asked.parsed.goal is not None:
        rows.append(("goal's name", await asked.goal_name(asked.parsed.goal)))
    return rows


async def _counts(asked: Asked) -> list[Row]:
    fields = await _fields(asked)
    rows: list[Row] = []
    sums: dict[str, int] = {}
    for field, value in sorted(fields.items()):
        what, _, rest = field.partition(":")
        if what == "purchases":
            currency, _, part = rest.partition(":")
            sums[currency] = sums.get(currency, 0) + int(value) * (10**9 if part == "high" else 1)
        elif what in ("triggered", "affected"):
            rows.append((f"goal {what}", f"{int(value):,} times {await asked.goal_name(rest)}"))
        elif field.startswith("visitors@"):
            rows.append((f"hour {field.partition('@')[2]}", f"{int(value):,} visitors"))
        else:
            rows.append((field, f"{int(value):,}"))
    rows += [(f"purchases {currency}", f"{units // _UNIT:,}.{units % _UNIT:04}") for currency, units in sums.items()]
    return rows


async def _fields(asked: Asked) -> dict[str, str]:
    if await asked.client.hlen(asked.name) > _MOST_FIELDS:
        raise StopError(f"{asked.name} has more than {_MOST_FIELDS} fields; HSCAN shows them")
    stored = await asked.client.hgetall(asked.name)
    return {field.decode(): value.decode(errors="replace") for field, value in stored.items()}


async def _stream(asked: Asked) -> list[Row]:
    rows = [("entries", f"{await asked.client.xlen(asked.name):,}")]
    for what, found in (
        ("oldest", await asked.client.xrange(asked.name, count=1)),
        ("newest", await asked.client.xrevrange(asked.name, count=1)),
    ):
        if found:
            entry = found[0][0].decode()
            rows.append((what, f"{entry}, arrived {asked.at(int(entry.partition('-')[0]) * 1000)}"))
    return rows


async def _cursor(asked: Asked) -> list[Row]:
    fields = await _fields(asked)
    words = {
        "entry": "the last entry that was applied",
        "fence": "of the last owner; each has a greater one",
        "revision": "the last commit's, a time in microseconds",
        "events": "applied so far",
        "records": "how often a record was changed from outside",
        "swap": "the rebuild that the next owner has to put in place",
    }
    rows = [(name, f"{fields[name]} ({text})") for name, text in words.items() if name in fields]
    remembered = sum(int(value) for name, value in fields.items() if name.startswith("ids:"))
    return [*rows, ("ids", f"{remembered:,} remembered")]


async def _text(asked: Asked) -> list[Row]:
    value = (await asked.client.get(asked.name) or b"").decode(errors="replace")
    return [({"lease": "owner", "rate": "requests"}[asked.parsed.kind], value)]


async def _goal(asked: Asked) -> list[Row]:
    at_us, _, name = (await asked.client.get(asked.name) or b"0 ").decode().partition(" ")
    return [("name", name), ("newest event", asked.at(int(at_us)))]


async def _organization(asked: Asked) -> list[Row]:
    fields = await _fields(asked)
    fixed = "fixed, it has events" if fields.get("has_events") == "1" else "may be set, it has no events"
    rows = [("time zone", f"{fields.get('timezone', 'UTC')} ({fixed})")]
    if "since" in fields:
        rows.append(("since", asked.at(int(fields["since"]) * 1000)))
    return rows


async def _workflow(asked: Asked) -> list[Row]:
    fields = await _fields(asked)
    rows = [("kind", fields.get("kind", "")), ("name", fields.get("name", ""))]
    if "revision" in fields:
        rows.append(("last change", f"{asked.at(int(fields['revision']))}, revision {fields['revision']}"))
    return rows


async def _by_time(asked: Asked) -> list[Row]:
    """A sorted set whose scores are microseconds, newest first."""
    found = await asked.client.zrevrange(asked.name, 0, _SHOWN - 1, withscores=True)
    rows = [("entries", f"{await asked.client.zcard(asked.name):,}, the newest:")]
    return rows + [
        ("", f"{member.decode()}  {asked.at(score) if score else 'no event yet'}") for member, score in found
    ]


async def _changes(asked: Asked) -> list[Row]:
    """As `_by_time`, with members such as `hour:1795474800` told by the organization's clock."""
    rows = await _by_time(asked)
    return [rows[0], *((text.partition(":")[0], _changed(asked, text.partition(":")[2])) for _, text in rows[1:])]


def _changed(asked: Asked, text: str) -> str:
    start, _, at = text.partition("  ")
    return f"{clock(asked.zone, int(start))}, changed {at}"


async def _workers(asked: Asked) -> list[Row]:
    now_ms = await server_ms(asked.client, asked.name)
    found = await asked.client.zrevrange(asked.name, 0, -1, withscores=True)
    return [("worker", f"{name.decode()}, heartbeat {(now_ms - score) / 1000:.1f} s ago") for name, score in found]


async def _config(asked: Asked) -> list[Row]:
    words = {"secret": " (a fingerprint, not the secret)"}
    return [(name, value + words.get(name, "")) for name, value in sorted((await _fields(asked)).items())]


async def _number(asked: Asked) -> list[Row]:
    count = asked.client.scard if asked.parsed.about.type == "set" else asked.client.hlen
    return [("entries", f"{await count(asked.name):,}")]


async def _visitor(asked: Asked) -> list[Row]:
    names = [field.decode() for field in await asked.client.hkeys(asked.name)]
    interactions = sum(name.startswith("interaction:") for name in names)
    return [
        ("interactions", f"with {interactions} workflows"),
        ("goals", f"{len(names) - interactions} wait for late interactions"),
    ]


async def _shadow(asked: Asked) -> list[Row]:
    """As the live key is told."""
    live = parse(asked.parsed.stands_for)
    rows = [("stands for", asked.parsed.stands_for)]
    return rows + await VALUES[live.kind](msgspec.structs.replace(asked, parsed=live)) if live else rows


async def _swap(asked: Asked) -> list[Row]:
    return [("steps", f"{await asked.client.llen(asked.name):,} are left")]


VALUES: Final[dict[str, Callable[[Asked], Awaitable[list[Row]]]]] = {
    "config": _config,
    "tokens": _number,
    "tokens used": _number,
    "workers": _workers,
    "rate": _text,
    "events": _stream,
    "dead": _stream,
    "dead anew": _stream,
    "cursor": _cursor,
    "lease": _text,
    "organization": _organization,
    "workflows": _by_time,
    "workflow": _workflow,
    "changes": _changes,
    "goal": _goal,
    "visitors": _sketch,
    "sessions": _sketch,
    "counts": _counts,
    "goal visitors": _sketch,
    "goal sessions": _sketch,
    "ids": _number,
    "visitor": _visitor,
    "shadow": _shadow,
    "swap": _swap,
}
