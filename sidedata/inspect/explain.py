"""A key in words: what its name says, how long it lives, and what is in it."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from sidedata.calendar.zones import Zone, five_minutes, zone
from sidedata.errors import StopError
from sidedata.inspect.values import VALUES, Asked, Row, clock
from sidedata.redis.client import Client, translated
from sidedata.schema import keys
from sidedata.schema.installation import Installation
from sidedata.schema.key_names import KeyName, parse
from sidedata.settings import Settings

_LEVELS: Final = {"5min": "5 minutes", "hour": "local hour", "day": "local day"}


class Explanation(msgspec.Struct, frozen=True):
    """A key's name, whether it is there, and what there is to say: pairs of a heading and a text."""

    key: str
    exists: bool
    rows: list[Row]


async def explain(client: Client, installation: Installation, settings: Settings, name: str) -> Explanation:
    """What a key means and holds.

    Raises:
        StopError: no key of ours has such a name, or the key is of a type that ours aren't.
        StoreUnavailableError: Redis is out of reach.
    """
    parsed = parse(name)
    if parsed is None:
        raise StopError(
            f"{name!r} is no key of sidedata; ARCHITECTURE.md lists them, and a shell may need quotes around it"
        )
    reporting = await _zone(client, parsed)
    rows = [("holds", parsed.about.holds), *_places(installation, settings, parsed, reporting)]
    with translated():
        type_ = (await client.type(name)).decode()
        ttl = await client.pttl(name)
        size = await client.execute_command("MEMORY USAGE", name, "SAMPLES", 0)
    if type_ == "none":
        return Explanation(name, exists=False, rows=[*rows, ("stored", "nothing: " + _missing(parsed))])
    if parsed.about.type not in (type_, "any"):
        raise StopError(f"{name} is a {type_}, where sidedata keeps a {parsed.about.type}: something else wrote it")
    rows.append(("lives", _life(parsed, ttl)))
    rows.append(("memory", f"{size or 0:,} bytes"))
    with translated():
        rows += await VALUES[parsed.kind](Asked(client, parsed, name, reporting))
    return Explanation(name, exists=True, rows=rows)


async def _zone(client: Client, parsed: KeyName) -> Zone:
    if parsed.organization is None or parsed.partition is None:
        return zone("UTC")
    with translated():
        stored = await client.hget(keys.organization(parsed.partition, parsed.organization), "timezone")
    return zone(stored.decode() if stored else "UTC")


def _places(installation: Installation, settings: Settings, parsed: KeyName, reporting: Zone) -> list[Row]:
    rows: list[Row] = []
    if parsed.partition is not None:
        known = parsed.partition < installation.partitions
        rows.append(
            ("partition", f"{parsed.partition} of {installation.partitions}" + ("" if known else ": none of ours"))
        )
    if parsed.organization is not None:
        own = installation.partition_of(parsed.organization)
        stray = "" if own == parsed.partition else f"; it belongs to partition {own}, so nobody reads this key"
        rows.append(("organization", f"{parsed.organization} ({reporting.name}){stray}"))
    if parsed.workflow is not None:
        rows.append(("workflow", parsed.workflow))
    if parsed.goal is not None:
        rows.append(("goal", f"{parsed.goal}{f', {parsed.role} by the workflow' if parsed.role else ''}"))
    if parsed.level is not None and parsed.start is not None:
        rows.append(("bucket", _bucket(reporting, parsed.level, parsed.start)))
    if parsed.generation is not None:
        seconds = settings.keep_ids_hours * 3600
        start = datetime.fromtimestamp(parsed.generation * seconds, UTC)
        rows.append(
            (
                "generation",
                f"{parsed.generation}: applied in the {settings.keep_ids_hours} hours from {start:%F %H:%M} UTC",
            )
        )
        rows.append(("place", f"set {parsed.number} of layer {parsed.layer}"))
    if parsed.visitor is not None:
        rows.append(("visitor", f"{parsed.visitor}, a hash of an id that is stored nowhere"))
    if parsed.token is not None and parsed.second is not None:
        rows.append(("token", f"{parsed.token}, in the second {datetime.fromtimestamp(parsed.second, UTC):%F %T} UTC"))
    return rows


def _bucket(reporting: Zone, level: str, start: int) -> str:
    """When a bucket is, by the organization's clock, and whether it is cut as that zone has it."""
    hour = reporting.hour(start)
    spans = {"5min": five_minutes(start, hour), "hour": (hour.start, hour.end)}
    first, end = spans.get(level) or (reporting.day(start).start, reporting.day(start).end)
    cut = "" if first == start else f"; in {reporting.name} none begins then, so the zone was another one"
    return f"{_LEVELS[level]} from {clock(reporting, start)} to {clock(reporting, end)}{cut}"


def _missing(parsed: KeyName) -> str:
    if parsed.kind == "lease":
        return "no worker owns the partition"
    if parsed.kind == "events":
        return "every event is applied"
    if parsed.kind == "organization":
        return "its time zone is UTC, and it has no events"
    return "it has ended, or there never was anything to keep"


def _life(parsed: KeyName, ttl_ms: int) -> str:
    if ttl_ms >= 0:
        days, seconds = divmod(ttl_ms // 1000, 86_400)
        hours, seconds = divmod(seconds, 3600)
        parts = [f"{days} days"] * (days > 0) + [f"{hours} h"] * (hours > 0)
        return " ".join(parts or [f"{seconds // 60} min {seconds % 60} s"]) + " more, unless it is written again"
    return "for ever" if parsed.about.endless else "for ever, but it should end: see `sidedata doctor`"
