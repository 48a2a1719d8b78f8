"""The interval of a request, read from a JSON body or a query string. Pure.

Checks only what does not depend on the organization's time zone. The report checks the rest: the length between naive times, and
the retention.
"""

import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from sidedata.calendar.instants import parse_instant
from sidedata.service.api.reports.parameters import decode_body, fields_of, read_parameters
from sidedata.service.http.problems import FieldError, ProblemError

LONGEST = timedelta(hours=400 * 24)
# An instant this near to the calendar's first or last day can't be moved to another zone or widened to its day.
_CALENDAR_MARGIN = timedelta(days=3)

_OFFSET = re.compile(r"[0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}(?:\.[0-9]{1,6})?)?)?")
_DURATION = re.compile(
    r"P(?=.)(?:([0-9]{1,7})W)?(?:([0-9]{1,7})D)?(?:T(?=.)(?:([0-9]{1,7})H)?(?:([0-9]{1,7})M)?(?:([0-9]{1,9})S)?)?"
)


class Interval(NamedTuple):
    """A half-open interval; naive times are in the organization's reporting time zone."""

    start: datetime
    end: datetime


class Window(NamedTuple):
    """An interval of that length that ends at the current time, whenever it is evaluated."""

    span: timedelta


class IntervalText(msgspec.Struct, forbid_unknown_fields=True):
    """An interval as a JSON body has it."""

    start: str
    end: str

    def read(self) -> Interval | None:
        """Read it; None means that it needs the full check.

        Raises:
            ValueError: one of the texts is no date-time.
        """
        interval = Interval(parse_instant(self.start), parse_instant(self.end))
        return interval if _is_valid(interval) else None


class _Query(msgspec.Struct, forbid_unknown_fields=True):
    interval: IntervalText


_QUERY_DECODER = msgspec.json.Decoder(_Query)


def from_body(body: bytes) -> Interval:
    """Read `{"interval": {"start": …, "end": …}}`.

    Raises:
        ProblemError: 400 with all errors of the body.
    """
    # Nearly all bodies are valid: they are decoded in one step. An invalid one is decoded again, to find all of its errors.
    try:
        interval = _QUERY_DECODER.decode(body).interval.read()
        if interval is not None:
            return interval
    except (ValueError, OverflowError, RecursionError):
        pass
    return _read_body(body)


def _is_valid(interval: Interval) -> bool:
    """Tell if an interval is surely valid; False means that it needs the full check."""
    start, end = interval
    return (
        start.tzinfo is not None
        and end.tzinfo is not None
        and 2 <= start.year <= end.year <= 9998
        and start < end
        and end - start <= LONGEST
    )


def _read_body(body: bytes) -> Interval:
    query = decode_body(body)
    errors: list[FieldError] = []
    outer = fields_of(query, "", ("interval",), errors)
    return interval_of(outer, errors)


def interval_of(outer: Mapping[str, Any], errors: list[FieldError]) -> Interval:
    """The interval of a body.

    Raises:
        ProblemError: 400 with the errors so far and here.
    """
    inner = fields_of(outer["interval"], "/interval", ("start", "end"), errors) if "interval" in outer else {}
    return read_interval(inner, "/interval", errors, "the body is incomplete or wrong")


@lru_cache(maxsize=1024)  # dashboards repeat their queries; errors are not cached
def from_query(raw: str) -> Interval:
    """Read `start=…&end=…`.

    Raises:
        ProblemError: 400 with all errors of the query string.
    """
    errors: list[FieldError] = []
    parameters = read_parameters(raw, ("start", "end"), errors)
    errors += [FieldError(f"/{name}", "missing") for name in ("start", "end") if name not in parameters]
    return read_interval(parameters, "", errors, "the query string is incomplete or wrong")


def from_live_query(raw: str) -> Interval | Window:
    """Read `start=…&end=…` or `window=PT1H`.

    Raises:
        ProblemError: 400 with all errors of the query string.
    """
    errors: list[FieldError] = []
    # Some EventSource packages repeat the last event's id in the query string when they connect again. The stream begins with
    # the newest numbers in any case, so the id is ignored.
    parameters = read_parameters(raw, ("start", "end", "window", "lastEventId"), errors)
    if "window" not in parameters:
        errors += [FieldError(f"/{name}", "missing") for name in ("start", "end") if name not in parameters]
        return read_interval(parameters, "", errors, "the query string is incomplete or wrong")
    errors += [FieldError(f"/{name}", "not together with window") for name in ("start", "end") if name in parameters]
    span = _duration(parameters["window"], errors)
    if errors or span is None:
        raise ProblemError(400, "the query string is wrong", errors)
    return Window(span)


def read_interval(fields: Mapping[str, Any], pointer: str, errors: list[FieldError], detail: str) -> Interval:
    """The interval, or a 400 with the errors so far and here. In a query string (no pointer) a plus may have become a blank."""
    lenient = not pointer
    start = _instant(fields["start"], f"{pointer}/start", errors, blank_is_plus=lenient) if "start" in fields else None
    end = _instant(fields["end"], f"{pointer}/end", errors, blank_is_plus=lenient) if "end" in fields else None
    if start is not None and start == end and not errors:
        errors.append(FieldError(f"{pointer}/end", _empty(fields["end"], end)))
    if start is not None and end is not None and not errors and start.tzinfo is not None and end.tzinfo is not None:
        if end < start:
            errors.append(FieldError(f"{pointer}/end", "must be after start"))
        elif end - start > LONGEST:
            errors.append(FieldError(f"{pointer}/end", "more than 400 days after start"))
    if errors or start is None or end is None:
        raise ProblemError(400, detail, errors)
    return Interval(start, end)


def _empty(text: str, end: datetime) -> str:
    """The error of an interval whose ends are equal; of a date it says what asks for that whole day."""
    if "T" in text or ":" in text or end.time() != time.min:
        return "must be after start: the end is exclusive, so this interval is empty"
    day, following = end.date(), end.date() + timedelta(days=1)
    return f"must be after start: the end is exclusive. For the whole of {day} write {following} as the end"


def _instant(text: Any, pointer: str, errors: list[FieldError], *, blank_is_plus: bool) -> datetime | None:  # noqa: ANN401 - any JSON value
    """A date or date-time in any form that `parse_instant` reads."""
    if not isinstance(text, str):
        errors.append(FieldError(pointer, "must be a string"))
        return None
    instant = _parse(text)
    if instant is None and blank_is_plus:
        # Tried second, because a blank may also separate date and time.
        before, blank, offset = text.rpartition(" ")
        if blank and _OFFSET.fullmatch(offset):
            instant = _parse(f"{before}+{offset}")
    if instant is None:
        errors.append(FieldError(pointer, "not an ISO 8601 date or date-time"))
        return None
    try:
        _ = instant - _CALENDAR_MARGIN, instant + _CALENDAR_MARGIN
    except OverflowError:
        errors.append(FieldError(pointer, "too near to the end of the calendar"))
        return None
    return instant


def _parse(text: str) -> datetime | None:
    try:
        return parse_instant(text)
    except ValueError:
        return None


def _duration(text: str, errors: list[FieldError]) -> timedelta | None:
    """An ISO 8601 duration of weeks, days, hours, minutes and seconds; months and years have no fixed length."""
    match = _DURATION.fullmatch(text)
    if match is None:
        errors.append(FieldError("/window", "not an ISO 8601 duration such as PT1H or P7D"))
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    span = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not timedelta(0) < span <= LONGEST:
        errors.append(FieldError("/window", "must be positive and at most 400 days"))
        return None
    return span
