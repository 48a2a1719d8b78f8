"""A key in words: the parts of its name, its TTL, its size and its value."""

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from sidedata.calendar.reporting import reporting_zone as zone_of_record
from sidedata.calendar.zones import Zone, five_minutes, zone
from sidedata.errors import StopError
from sidedata.inspect.values import VALUES, Row, Subject, clock
from sidedata.reads.keys.values import read_key
from sidedata.reads.records import read_organization
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.schema.key_names import KeyName, parse
from sidedata.schema.keys import keyspace
from sidedata.schema.records import DEFAULT_ZONE
from sidedata.settings import Settings

_LEVELS: Final = {"5min": "5 minutes", "hour": "local hour", "day": "local day"}
# The meaning of a missing key, by kind.
_MISSING: Final = {
    "lease": "no worker owns the partition",
    "events": "every event is applied",
    "organization": "its time zone is UTC, and it has no events",
}


class Explanation(Struct, frozen=True):
    """The explanation of a key, in pairs of a heading and a text."""

    key: str
    exists: bool
    rows: list[Row]


async def explain(gateway: Gateway, installation: Installation, settings: Settings, name: str) -> Explanation:
    """Explain a key.

    Raises:
        StopError: the name fits no row of the table of keys, or the key is of another type than its row.
        StoreUnavailableError: Redis is out of reach.
    """
    parsed = parse(name)
    if parsed is None:
        raise StopError(
            f"{name!r} is no key of sidedata; ARCHITECTURE.md lists them, and a shell may need quotes around it"
        )
    reporting_zone = await _zone(gateway, parsed)
    rows = [("holds", parsed.row.holds), *_parts(installation, settings, parsed, reporting_zone)]
    state, size = await read_key(gateway, name)
    if state is None:
        missing = _MISSING.get(parsed.kind, "it has expired, or was never written")
        return Explanation(name, exists=False, rows=[*rows, ("stored", f"nothing: {missing}")])
    if parsed.stored_type not in (state.type, "any"):
        raise StopError(
            f"{name} is a {state.type}, where sidedata keeps a {parsed.stored_type}: something else wrote it"
        )
    rows += [("TTL", _lifetime(parsed, state.ttl_ms)), ("memory", f"{size:,} bytes")]
    rows += await VALUES[parsed.kind](Subject(gateway, parsed, name, reporting_zone))
    return Explanation(name, exists=True, rows=rows)


async def _zone(gateway: Gateway, parsed: KeyName) -> Zone:
    if parsed.organization is None or parsed.partition is None:
        return zone(DEFAULT_ZONE)
    record = await read_organization(gateway, keyspace(parsed.partition), parsed.organization)
    return zone(DEFAULT_ZONE) if record is None else zone_of_record(record.timezone, record.zone_rules)


def _parts(installation: Installation, settings: Settings, parsed: KeyName, reporting_zone: Zone) -> list[Row]:
    rows: list[Row] = []
    if parsed.partition is not None:
        foreign = "" if parsed.partition < installation.partitions else ": it does not exist"
        rows.append(("partition", f"{parsed.partition} of {installation.partitions}{foreign}"))
    if parsed.organization is not None:
        home = installation.partition_of(parsed.organization)
        foreign = "" if home == parsed.partition else f"; it belongs to partition {home}, so this key is never read"
        rows.append(("organization", f"{parsed.organization} ({reporting_zone.name}){foreign}"))
    if parsed.workflow is not None:
        rows.append(("workflow", parsed.workflow))
    if parsed.goal is not None:
        rows.append(("goal", f"{parsed.goal}{f', {parsed.role} by the workflow' if parsed.role else ''}"))
    if parsed.level is not None and parsed.start is not None:
        rows.append(("bucket", _bucket(reporting_zone, parsed.level, parsed.start)))
    if parsed.generation is not None:
        hours = settings.keep_ids_hours
        start = datetime.fromtimestamp(parsed.generation * hours * 3600, UTC)
        rows.append(("generation", f"{parsed.generation}: applied in the {hours} hours from {start:%F %H:%M} UTC"))
        rows.append(("set", f"{parsed.number} of layer {parsed.layer}"))
    if parsed.visitor is not None:
        rows.append(("visitor", f"{parsed.visitor}, a hash of an id that is stored nowhere"))
    if parsed.token is not None and parsed.second is not None:
        rows.append(("token", f"{parsed.token}, in the second {datetime.fromtimestamp(parsed.second, UTC):%F %T} UTC"))
    return rows


def _bucket(reporting_zone: Zone, level: str, start: int) -> str:
    """Describe a bucket's interval by the organization's clock, and say if no bucket of its zone begins there."""
    hour = reporting_zone.hour(start)
    spans = {"5min": five_minutes(start, hour), "hour": (hour.start, hour.end)}
    first, end = spans.get(level) or (reporting_zone.day(start).start, reporting_zone.day(start).end)
    mismatch = "" if first == start else f"; in {reporting_zone.name} none begins then, so the zone was another one"
    return f"{_LEVELS[level]} from {clock(reporting_zone, start)} to {clock(reporting_zone, end)}{mismatch}"


def _lifetime(parsed: KeyName, ttl_ms: int | None) -> str:
    if ttl_ms is None:
        if parsed.row.endless:
            return "without TTL"
        return f"without TTL, but it should have one ({parsed.row.ttl}), so it should end: see `sidedata doctor`"
    days, seconds = divmod(ttl_ms // 1000, 86_400)
    hours, seconds = divmod(seconds, 3600)
    parts = [f"{days} days"] * (days > 0) + [f"{hours} h"] * (hours > 0)
    return " ".join(parts or [f"{seconds // 60} min {seconds % 60} s"]) + " more, unless it is written again"
