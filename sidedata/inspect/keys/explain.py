"""A key in words: the parts of its name, its TTL, its size and its value."""

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from sidedata.calendar.levels import Level
from sidedata.calendar.reporting import reporting_zone as zone_of_record
from sidedata.calendar.zones import Zone, five_minutes, zone
from sidedata.errors import StopError
from sidedata.inspect.keys.subject import Row, Subject, clock
from sidedata.inspect.keys.values import VALUES
from sidedata.plural import counted
from sidedata.reads.keys.values import read_hash, read_key
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.schema.key_names import KeyName, parse
from sidedata.schema.keys import keyspace
from sidedata.schema.records import DEFAULT_ZONE
from sidedata.schema.values import FormerCut
from sidedata.settings import Settings

_LEVELS: Final[dict[Level, str]] = {"5min": "5 minutes", "hour": "local hour", "day": "local day"}
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
    reporting_zone, former = await _zones(gateway, parsed)
    rows = [("holds", parsed.row.holds), *_parts(installation, settings, parsed, reporting_zone)]
    if parsed.level is not None and parsed.start is not None:
        rows.append(("bucket", _bucket(reporting_zone, former, parsed.level, parsed.start)))
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


async def _zones(gateway: Gateway, parsed: KeyName) -> tuple[Zone, Zone | None]:
    """The zone of the key's organization by its table, and by the table before as long as days are written by that, too."""
    if parsed.organization is None or parsed.partition is None:
        return zone(DEFAULT_ZONE), None
    fields = await read_hash(gateway, keyspace(parsed.partition).organization(parsed.organization))
    name = fields.get("timezone", DEFAULT_ZONE)
    former = FormerCut.decode(fields["former"]).rules if fields.get("former") else None
    return zone_of_record(name, fields.get("rules")), None if former is None else zone_of_record(name, former)


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
    if parsed.generation is not None:
        hours = settings.keep_ids_hours
        start = datetime.fromtimestamp(parsed.generation * hours * 3600, UTC)
        rows.append(("generation", f"{parsed.generation}: applied in the {hours} hours from {start:%F %H:%M} UTC"))
        if parsed.layer is None:
            rows.append(("segment", str(parsed.number)))
        else:
            rows.append(("set", f"{parsed.number} of layer {parsed.layer}"))
    if parsed.visitor is not None:
        rows.append(("visitor", f"{parsed.visitor}, a hash of an id that is stored nowhere"))
    if parsed.token is not None and parsed.second is not None:
        rows.append(("token", f"{parsed.token}, in the second {datetime.fromtimestamp(parsed.second, UTC):%F %T} UTC"))
    return rows


def _bucket(reporting_zone: Zone, former: Zone | None, level: Level, start: int) -> str:
    """Describe a bucket's interval by the organization's clock, and say if no bucket of its zone begins there."""
    first, end = _span(reporting_zone, level, start)
    remark = ""
    if first != start and former is not None and _span(former, level, start)[0] == start:
        reporting_zone, end = former, _span(former, level, start)[1]
        remark = "; by the table before, for services of a version without tables: it expires within a day"
    elif first != start:
        remark = f"; in {reporting_zone.name} none begins then, so the zone was another one"
    return f"{_LEVELS[level]} from {clock(reporting_zone, start)} to {clock(reporting_zone, end)}{remark}"


def _span(reporting_zone: Zone, level: Level, at: int) -> tuple[int, int]:
    """The start and the end of the bucket around an instant, in seconds since the epoch."""
    hour = reporting_zone.hour(at)
    if level == "5min":
        return five_minutes(at, hour)
    if level == "hour":
        return hour.start, hour.end
    day = reporting_zone.day(at)
    return day.start, day.end


def _lifetime(parsed: KeyName, ttl_ms: int | None) -> str:
    if ttl_ms is None:
        if parsed.row.endless:
            return "none: the key stays"
        return f"none, but it should end ({parsed.row.ttl}): see `sidedata doctor`"
    days, seconds = divmod(ttl_ms // 1000, 86_400)
    hours, seconds = divmod(seconds, 3600)
    parts = [counted(days, "day")] * (days > 0) + [f"{hours} h"] * (hours > 0)
    return " ".join(parts or [f"{seconds // 60} min {seconds % 60} s"]) + " more, unless it is written again"
