"""The offsets of a time zone as a short table: a value that is stored with the organization. Pure.

Governments change clocks at short notice, and machines hold zone data of different releases. A bucket is keyed by the UTC start
of its local day or hour, so two processes with different offsets read and write different keys. The table makes the offsets part
of the data: every process cuts and reads by it, and by nothing else.

A table can hold the offsets of an older release up to a seam and those of a newer one after it. The seam looks like a clock change.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, date, datetime, tzinfo
from itertools import pairwise
from typing import NamedTuple, Self

UNKNOWN = "unknown"  # the release of data that name none

_DAY_SECONDS = 86400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
# Two clock changes within one step that cancel each other would be missed; in the data since 1970 none are that close.
_STEP_SECONDS = 6 * 3600
_RELEASE = re.compile(r"(\d{4})([a-z]{1,3})", re.ASCII)


class ZoneRules(NamedTuple):
    """The offsets of a zone, from `starts[0]` to `end`, in seconds since the epoch and seconds ahead of UTC.

    `offsets[i]` holds from `starts[i]` until `starts[i + 1]`, or `end`; neighbours differ. `since` is the local date of the newest
    seam: earlier days are cut by the offsets of an older release. None: the whole table is of one release.
    """

    name: str
    release: str
    starts: tuple[int, ...]
    offsets: tuple[int, ...]
    end: int
    since: date | None = None

    @property
    def start(self) -> int:
        """The first instant of the table."""
        return self.starts[0]

    def covers(self, instant: int) -> bool:
        """Tell if the table holds the offset of an instant."""
        return self.starts[0] <= instant < self.end

    def offset(self, instant: int) -> int:
        """The offset at an instant; beyond an end of the table the one at that end."""
        return self.offsets[max(bisect_right(self.starts, instant) - 1, 0)]

    def splice(self, later: "ZoneRules", seam: int) -> "ZoneRules":
        """These offsets before the seam, those of `later` from it on; release, end and `since` are those of `later`."""
        changes = [change for change in self.changes() if change[0] < seam]
        changes.append((seam, later.offset(seam)))
        changes += [change for change in later.changes() if change[0] > seam]
        return _with_changes(later, changes)

    def fitted(self, frame: "ZoneRules") -> "ZoneRules":
        """These offsets over the span of another table, which serves where this one has none; release and `since` stay."""
        inner = [change for change in self.changes() if frame.start <= change[0] < frame.end]
        first = max(self.start, frame.start)
        changes = [change for change in frame.changes() if change[0] < first]
        changes += [(first, self.offset(first)), *(change for change in inner if change[0] > first)]
        if self.end < frame.end:
            changes.append((self.end, frame.offset(self.end)))
            changes += [change for change in frame.changes() if change[0] > self.end]
        return _with_changes(self, changes)._replace(end=frame.end)

    def same_offsets(self, other: "ZoneRules") -> bool:
        """Tell if two tables hold the same offsets over the same span."""
        return (self.starts, self.offsets, self.end) == (other.starts, other.offsets, other.end)

    def differences(self, other: "ZoneRules") -> list[tuple[int, int]]:
        """The spans, in order and half-open, where two tables differ, within the span that both cover."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        edges = sorted({start, end, *(at for at in (*self.starts, *other.starts) if start < at < end)})
        spans: list[tuple[int, int]] = []
        for first, last in pairwise(edges):
            if self.offset(first) == other.offset(first):
                continue
            if spans and spans[-1][1] == first:
                spans[-1] = (spans[-1][0], last)
            else:
                spans.append((first, last))
        return spans

    def encode(self) -> str:
        """The table as it is stored, for example `2026f Europe/Helsinki; 2026-10-01 +03; 2026-10-25T01Z +02; 2027-01-01`.

        Release, name and seam, then each start with its offset, then the end. 37 to 240 characters with 400 days kept.
        """
        seam = f" since={self.since.isoformat()}" if self.since else ""
        rows = [f"{_instant_text(start)} {_offset_text(offset)}" for start, offset in self.changes()]
        return "; ".join([f"{self.release} {self.name}{seam}", *rows, _instant_text(self.end)])

    @classmethod
    def decode(cls, text: str) -> Self:
        """The table of a text that `encode` made; fields of the first part that are not known are skipped.

        Raises:
            ValueError: the text is no table.
        """
        head, *rows, last = text.split("; ")
        release, name, *fields = head.split(" ")
        stored = dict(field.split("=", 1) for field in fields)
        since = date.fromisoformat(stored["since"]) if "since" in stored else None
        pairs = [row.split(" ") for row in rows]
        starts = tuple(_instant(start) for start, _ in pairs)
        end = _instant(last)
        if not starts or any(first >= later for first, later in pairwise((*starts, end))):
            raise ValueError("the starts of a zone's table must ascend")
        return cls(name, release, starts, tuple(_offset(offset) for _, offset in pairs), end, since)

    def changes(self) -> list[tuple[int, int]]:
        """Each start with its offset."""
        return list(zip(self.starts, self.offsets, strict=True))


def _with_changes(rules: ZoneRules, changes: Iterable[tuple[int, int]]) -> ZoneRules:
    """The same table with other offsets; starts that change nothing are dropped."""
    pairs: list[tuple[int, int]] = []
    for start, offset in changes:
        if not pairs or pairs[-1][1] != offset:
            pairs.append((start, offset))
    return rules._replace(starts=tuple(start for start, _ in pairs), offsets=tuple(offset for _, offset in pairs))


def read_rules(name: str, release: str, source: tzinfo, start: int, end: int) -> ZoneRules:
    """The table of a source such as a `ZoneInfo`, each clock change found to the second by bisection."""
    starts, offsets = [start], [source_offset(source, start)]
    before = start
    for sample in (*range(start + _STEP_SECONDS, end - 1, _STEP_SECONDS), end - 1):
        while source_offset(source, sample) != offsets[-1]:
            after = sample
            while after - before > 1:
                middle = (before + after) // 2
                if source_offset(source, middle) == offsets[-1]:
                    before = middle
                else:
                    after = middle
            starts.append(after)
            offsets.append(source_offset(source, after))
            before = after
        before = sample
    return ZoneRules(name, release, tuple(starts), tuple(offsets), end)


def source_offset(source: tzinfo, instant: int) -> int:
    """Seconds that local time is ahead of UTC at an instant, by a `tzinfo` that knows the offset of every instant."""
    offset = datetime.fromtimestamp(instant, source).utcoffset()
    assert offset is not None  # noqa: S101 - a ZoneInfo always knows
    return offset.days * _DAY_SECONDS + offset.seconds


def seam_date(rules: ZoneRules, newer: ZoneRules, oldest: int) -> date | None:
    """The local date from which a table holds the offsets of newer rules; None: from the instant `oldest` on, or before."""
    ends = [end for _, end in rules.differences(newer) if end > oldest]
    return date.fromordinal((ends[-1] + rules.offset(ends[-1])) // _DAY_SECONDS + _EPOCH_ORDINAL) if ends else None


def table_span(day: int, now_day: int) -> tuple[int, int]:
    """The span of a new table, for the oldest day kept and the present day, both in days since the epoch.

    It begins three days before the oldest day and ends with the second year after this one. So tables that are made in the same
    year have the same end, and a table has to grow once a year only.
    """
    year = datetime.fromtimestamp(now_day * _DAY_SECONDS, UTC).year
    return (day - 3) * _DAY_SECONDS, int(datetime(year + 3, 1, 1, tzinfo=UTC).timestamp())


def release_order(release: str) -> tuple[int, int, str]:
    """The place of a release among others, for comparing; an unknown one precedes all. After 2026z comes 2026za."""
    match = _RELEASE.fullmatch(release)
    if match is None:
        return (0, 0, "")
    year, letters = match.groups()
    return (int(year), len(letters), letters)


def _instant_text(instant: int) -> str:
    """ISO 8601 in UTC without the parts that are zero."""
    moment = datetime.fromtimestamp(instant, UTC)
    if moment.second:
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    if moment.minute:
        return moment.strftime("%Y-%m-%dT%H:%MZ")
    return moment.strftime("%Y-%m-%dT%HZ" if moment.hour else "%Y-%m-%d")


def _instant(text: str) -> int:
    return int(datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC).timestamp())


def _offset_text(offset: int) -> str:
    minutes, seconds = divmod(abs(offset), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{'-' if offset < 0 else '+'}{hours:02}" + (
        f":{minutes:02}:{seconds:02}" if seconds else f":{minutes:02}" if minutes else ""
    )


def _offset(text: str) -> int:
    match = re.fullmatch(r"([+-])(\d\d)(?::(\d\d)(?::(\d\d))?)?", text, re.ASCII)
    if match is None:
        raise ValueError(f"no offset from UTC: {text!r}")
    sign, hours, minutes, seconds = match.groups()
    return (int(hours) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)) * (-1 if sign == "-" else 1)
