"""RFC 3339 date-times, as events carry them, read to the microsecond. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_TIMESTAMP: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
# Microseconds of "000" to "999", by text: a look-up is quicker than reading digits.
_MILLISECONDS: Final = {f"{ms:03}": 1_000 * ms for ms in range(1000)}
_REMEMBERED_SECONDS: Final = 10_000  # some three hours of them
_seconds: dict[str, int] = {}  # "2026-11-23T22:39:05" in UTC: microseconds since the epoch
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 date-time; further digits are cut off.

    A leap second, 23:59:60 UTC, is taken as the last microsecond before it: it belongs to the day that it ends.

    Raises:
        ValueError: it is none; the text says why.
    """
    known_us = _known(text)
    if known_us is not None:
        return known_us
    match = _TIMESTAMP.fullmatch(text)
    if not match:
        raise ValueError("not an RFC 3339 date-time with an offset or Z")
    year, month, day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = match.groups()
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    offset = 0
    if sign:
        if offset_hours > "23" or offset_minutes > "59":
            raise ValueError("the offset is out of range")
        offset = (int(offset_hours) * 60 + int(offset_minutes)) * (-1 if sign == "-" else 1)
    leap = second == "60"
    local = datetime(int(year), int(month), int(day), int(hour), int(minute), 59 if leap else int(second), tzinfo=UTC)
    at_us = (local - _EPOCH) // _MICROSECOND - offset * 60_000_000
    if not leap:
        if not offset:
            if len(_seconds) >= _REMEMBERED_SECONDS:
                _seconds.clear()
            _seconds[text[:19]] = at_us
        return at_us + micros
    if (at_us // 60_000_000 + 1) % 1440:
        raise ValueError("second 60 is there at 23:59 UTC only")
    return at_us + 999_999


def _known(text: str) -> int | None:
    """The same of a date-time in UTC with milliseconds, microseconds or neither, if its second was read before.

    Events come in the order of their time, nearly, and mostly look like "2026-11-23T22:39:05.123Z" or, from Python, like
    "2026-11-23T22:39:05.123456+00:00".
    """
    if text[-1:] != "Z":
        if text[-6:] != "+00:00":
            return None
        text = f"{text[:-6]}Z"
    length = len(text)
    try:
        if length == 24 and text[19] == ".":
            return _seconds[text[:19]] + _MILLISECONDS[text[20:23]]
        if length == 27 and text[19] == ".":
            return _seconds[text[:19]] + _MILLISECONDS[text[20:23]] + _MILLISECONDS[text[23:26]] // 1_000
        return _seconds[text[:19]] if length == 20 else None
    except KeyError:
        return None  # a second that is new, a leap second, or no date-time
