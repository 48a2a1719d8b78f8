"""What a client asks for: the interval, from a JSON body or from a query string. Pure.

Only what can be judged without the organization's time zone is judged here; the rest (a span of naive times, what is
kept) is the report's.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from sidedata.service.http.problems import FieldFault, ProblemError

LONGEST = timedelta(hours=400 * 24)
# An instant this near to the calendar's first or last day can't be moved to another zone or widened to its day.
_RIM = timedelta(days=3)
# No form that is documented has more than two parameters; a hundred thousand would only cost time.
_MOST_PARAMETERS = 20

_DECODER = msgspec.json.Decoder()
_OFFSET = re.compile(r"[0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}(?:\.[0-9]{1,6})?)?)?")
_DURATION = re.compile(
    r"P(?=.)(?:([0-9]{1,7})W)?(?:([0-9]{1,7})D)?(?:T(?=.)(?:([0-9]{1,7})H)?(?:([0-9]{1,7})M)?(?:([0-9]{1,9})S)?)?"
)


class Interval(NamedTuple):
    """Half-open; naive times are in the organization's reporting time zone."""

    start: datetime
    end: datetime


class _Texts(msgspec.Struct, forbid_unknown_fields=True):
    start: str
    end: str


class _Question(msgspec.Struct, forbid_unknown_fields=True):
    interval: _Texts


class Window(NamedTuple):
    """An interval that ends now, whenever now is."""

    span: timedelta


_QUESTION_DECODER = msgspec.json.Decoder(_Question)


def from_body(body: bytes) -> Interval:
    """Read `{"interval": {"start": …, "end": …}}`.

    Raises:
        ProblemError: 400, naming everything that is wrong with it.
    """
    # Nearly all questions are right: those are read in one go, the others once more to name all that is wrong.
    try:
        asked = _QUESTION_DECODER.decode(body).interval
        interval = Interval(datetime.fromisoformat(asked.start), datetime.fromisoformat(asked.end))
        if _plainly_right(interval):
            return interval
    except (ValueError, OverflowError, RecursionError):
        pass
    return _read_body(body)


def _plainly_right(interval: Interval) -> bool:
    start, end = interval
    return (
        start.tzinfo is not None
        and end.tzinfo is not None
        and 2 <= start.year <= end.year <= 9998
        and start < end
        and end - start <= LONGEST
    )


def _read_body(body: bytes) -> Interval:
    try:
        query = _DECODER.decode(body)
    except RecursionError as error:
        raise ProblemError(400, "the body is nested too deeply") from error
    except (ValueError, OverflowError) as error:  # msgspec's errors and bad UTF-8 are ValueErrors
        raise ProblemError(400, f"the body is not valid JSON: {error}") from error
    faults: list[FieldFault] = []
    outer = _fields(query, "", ("interval",), faults)
    inner = _fields(outer["interval"], "/interval", ("start", "end"), faults) if "interval" in outer else {}
    return _interval(inner, "/interval", faults, "the interval is missing or wrong")


@lru_cache(maxsize=1024)  # dashboards repeat themselves; faults are raised anew each time
def from_query(raw: str) -> Interval:
    """Read `start=…&end=…`.

    Raises:
        ProblemError: 400, naming everything that is wrong with it.
    """
    faults: list[FieldFault] = []
    given = _parameters(raw, ("start", "end"), faults)
    faults += [FieldFault(f"/{name}", "missing") for name in ("start", "end") if name not in given]
    return _interval(given, "", faults, "the query string is missing something or wrong")


def from_live_query(raw: str) -> Interval | Window:
    """Read `start=…&end=…` or `window=PT1H`.

    Raises:
        ProblemError: 400, naming everything that is wrong with it.
    """
    faults: list[FieldFault] = []
    given = _parameters(raw, ("start", "end", "window"), faults)
    if "window" not in given:
        faults += [FieldFault(f"/{name}", "missing") for name in ("start", "end") if name not in given]
        return _interval(given, "", faults, "the query string is missing something or wrong")
    faults += [FieldFault(f"/{name}", "not together with window") for name in ("start", "end") if name in given]
    span = _duration(given["window"], faults)
    if faults or span is None:
        raise ProblemError(400, "the query string is wrong", faults)
    return Window(span)


def _fields(value: Any, pointer: str, names: tuple[str, ...], faults: list[FieldFault]) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON holds
    """The fields of a JSON object that has exactly these."""
    if not isinstance(value, dict):
        faults.append(FieldFault(pointer, "must be an object"))
        return {}
    unknown = (name for name in value if name not in names)
    faults += [FieldFault(f"{pointer}/{_escaped(name)}", "unknown field") for name in unknown]
    faults += [FieldFault(f"{pointer}/{name}", "missing") for name in names if name not in value]
    return {name: value[name] for name in names if name in value}


def _escaped(name: str) -> str:
    """A name inside a pointer, where "~" and "/" mean something; one of any length is shown by its beginning."""
    return name[:100].replace("~", "~0").replace("/", "~1")


def _parameters(raw: str, names: tuple[str, ...], faults: list[FieldFault]) -> dict[str, str]:
    """The query parameters, each at most once, none unknown."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError as error:  # too many of them, or no UTF-8
        raise ProblemError(400, "the query string can't be read") from error
    given: dict[str, str] = {}
    for name, value in pairs:
        pointer = f"/{_escaped(name)}"
        if name not in names:
            faults.append(FieldFault(pointer, "unknown query parameter"))
        elif name in given:
            faults.append(FieldFault(pointer, "given more than once"))
        else:
            given[name] = value
    return given


def _interval(given: Mapping[str, Any], pointer: str, faults: list[FieldFault], detail: str) -> Interval:
    """The interval, or a 400 for all faults found so far and here; only query strings have lost a plus."""
    start = _instant(given["start"], f"{pointer}/start", faults, plus_lost=not pointer) if "start" in given else None
    end = _instant(given["end"], f"{pointer}/end", faults, plus_lost=not pointer) if "end" in given else None
    if start is not None and end is not None and not faults and start.tzinfo is not None and end.tzinfo is not None:
        if end <= start:
            faults.append(FieldFault(f"{pointer}/end", "must be after start"))
        elif end - start > LONGEST:
            faults.append(FieldFault(f"{pointer}/end", "more than 400 days after start"))
    if faults or start is None or end is None:
        raise ProblemError(400, detail, faults)
    return Interval(start, end)


def _instant(text: Any, pointer: str, faults: list[FieldFault], *, plus_lost: bool) -> datetime | None:  # noqa: ANN401 - whatever JSON holds
    """A date-time in any form that Python reads."""
    if not isinstance(text, str):
        faults.append(FieldFault(pointer, "must be a string"))
        return None
    instant = _read(text)
    if instant is None and plus_lost:
        # As it stands it is none; a blank may also divide date and time, so this comes second.
        before, blank, offset = text.rpartition(" ")
        if blank and _OFFSET.fullmatch(offset):
            instant = _read(f"{before}+{offset}")
    if instant is None:
        faults.append(FieldFault(pointer, "not an ISO 8601 date or date-time"))
        return None
    try:
        _ = instant - _RIM, instant + _RIM
    except OverflowError:
        faults.append(FieldFault(pointer, "too near to the end of the calendar"))
        return None
    return instant


def _read(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None


def _duration(text: str, faults: list[FieldFault]) -> timedelta | None:
    """An ISO 8601 duration of weeks, days, hours, minutes and seconds; months and years have no fixed length."""
    match = _DURATION.fullmatch(text)
    if match is None:
        faults.append(FieldFault("/window", "not an ISO 8601 duration such as PT1H or P7D"))
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    span = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not timedelta(0) < span <= LONGEST:
        faults.append(FieldFault("/window", "must be longer than nothing and at most 400 days"))
        return None
    return span
