"""Records in words: each field that the table of keys names, as far as it is stored."""

from collections.abc import Mapping
from typing import Final

from sidedata.calendar.zones import Zone
from sidedata.inspect.keys.subject import Row, Subject, clock
from sidedata.reads.keys.values import read_hash
from sidedata.schema.values import FormerCut, ShadowDays, id_positions

_CURSOR: Final = {
    "entry": "the last entry that was applied",
    "fence": "of the last owner; each has a greater one",
    "forced": "the newest fence that a command took, a purge or a rebuild",
    "revision": "the last commit's, a time in microseconds",
    "events": "applied so far",
    "records": "changes of records from outside",
    "zones": "the oldest release of all organizations' rules at their last comparison with zone data",
    "newest_zones": "the newest release of them",
    "compacted": "the start of the last pass over old hours, a time in milliseconds",
    "dead_seen": "the newest dead letter that was marked as seen",
    "listed": "the list of organizations is complete",
    "dead_indexed": "the newest dead letter with an index",
    "dead_unindexed": "the newest dead letter that may lack an index",
    "swap": "the rebuild, or the adoption of newer rules, that the next owner has to put in place",
}


async def cursor(subject: Subject) -> list[Row]:
    """Describe a partition's cursor."""
    fields = await read_hash(subject.gateway, subject.name)
    rows = [(name, f"{fields[name]} ({text})") for name, text in _CURSOR.items() if name in fields]
    if (until := fields.get("former_until")) is not None:
        rows.append(("former_until", _upgrade(subject.zone, int(until))))
    positions = id_positions(fields)
    rows += [
        (f"generation {generation}", f"{at.number:,} ids, at positions from {at.first:,} on")
        for generation, at in positions.items()
    ]
    return [*rows, ("ids", f"{sum(at.number for at in positions.values()):,} for deduplication")]


def _upgrade(zone: Zone, until: int) -> str:
    if until == 0:
        return "0 (no version without tables of offsets owned the partition)"
    return f"{clock(zone, until)} (until then new organizations are also cut by the table before, for old services)"


async def organization(subject: Subject) -> list[Row]:
    """Describe an organization's record."""
    fields = await read_hash(subject.gateway, subject.name)
    fixed = "fixed, it has events" if "has_events" in fields else "may be set, it has no events"
    rows = [("name", fields["name"])] if "name" in fields else []
    rows.append(("time zone", f"{fields.get('timezone', 'UTC')} ({fixed})"))
    if (rules := fields.get("rules")) is not None:
        rows.append(("rules", f"{_release(rules)}; `sidedata org show --json` has the offsets"))
    rows += _cuts(subject, fields)
    if "since" in fields:
        rows.append(("since", subject.at(int(fields["since"]) * 1000)))
    if "names" in fields:
        rows.append(("names", f"of a goal, or the rules, changed {subject.at(int(fields['names']))}"))
    return rows


def _cuts(subject: Subject, fields: Mapping[str, str]) -> list[Row]:
    """Describe the days that are read from a shadow, or written by the table before as well."""
    rows: list[Row] = []
    if recut := fields.get("recut"):
        days = ShadowDays.decode(recut)
        rows.append(("recut", f"days that are cut again: {len(days.starts)} are read from the shadow {days.run}"))
    if former := fields.get("former"):
        cut = FormerCut.decode(former)
        rows.append(
            ("former", f"{_release(cut.rules)}, for old services; written until {clock(subject.zone, cut.until)}")
        )
    return rows


def _release(rules: str) -> str:
    """The release of a stored table, which begins with it."""
    return rules.partition(" ")[0]


async def workflow(subject: Subject) -> list[Row]:
    """Describe a workflow's record."""
    fields = await read_hash(subject.gateway, subject.name)
    rows = [("kind", fields.get("kind") or "none"), ("name", fields.get("name") or "none")]
    if "revision" in fields:
        rows.append(("last change", f"{subject.at(int(fields['revision']))}, revision {fields['revision']}"))
    if "fence" in fields:
        rows.append(("fence", f"{fields['fence']} (of the owner that committed it)"))
    if "changes_from" in fields:
        rows.append(
            ("changes_from", f"{fields['changes_from']} (the log of changes is complete from that revision on)")
        )
    return rows
