"""RFC 3339 date-times, read to the microsecond and written to the millisecond. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

# `fromisoformat` reads more than RFC 3339 allows, so this pattern comes first. Two forms more than RFC 3339's are read, because
# producers send them: a time without seconds, and an offset without its colon.
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(\.[0-9]+)?)?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))"
)
# Microseconds of "000" to "999", by text: a look-up is quicker than reading digits.
_MILLISECONDS: Final = {f"{ms:03}": 1_000 * ms for ms in range(1000)}
# The same of the time in an hour, ":00:00" to ":59:59".
_IN_HOUR: Final = {f":{s // 60:02}:{s % 60:02}": 1_000_000 * s for s in range(3600)}
_MAX_HOURS: Final = 10_000  # more than a year of them: an archive goes through many, forwards and backwards
_hours: dict[str, int] = {}  # "2026-11-23T22" in UTC: microseconds since the epoch
_HOUR_US: Final = 3_600_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# The last millisecond that has a text: an id of a stream entry may lie beyond the year 9999.
LAST_MS: Final = 253_402_300_799_999


def microseconds(text: str) -> int:  # noqa: C901 - calls would cost what its two shortcuts save
    """Convert an RFC 3339 date-time to microseconds since the epoch; further digits are cut off.

    A leap second, 23:59:60 UTC, is taken as the last microsecond before it: it belongs to the day that it ends.

    Raises:
        ValueError: the text is no such date-time; the error's text says why.
    """
    # Most events look like this, so their look-up is not worth a call.
    if len(text) == 24 and text[23] == "Z" and text[19] == ".":
        try:
            return _hours[text[:13]] + _IN_HOUR[text[13:19]] + _MILLISECONDS[text[20:23]]
        except KeyError:
            pass  # an hour that is not cached, a leap second, or no date-time
    cached_us = _from_cache(text)
    if cached_us is not None:
        return cached_us
    match = _TIMESTAMP.fullmatch(text)
    if not match:
        raise ValueError("not a date-time with an offset or Z, such as 2026-11-28T10:00:00+02:00")
    day, minute, second, fraction, sign, hours, minutes = match.groups(default="")
    if sign and (hours > "23" or minutes > "59"):
        raise ValueError("the offset is out of range")
    if minute > "23:59":  # from Python 3.13 on, `fromisoformat` reads 24:00
        raise ValueError("the time of day is out of range")
    leap = second == "60"
    offset = f"{sign}{hours}:{minutes}" if sign else "+00:00"
    try:
        # From 3.11 on it cuts off what is finer than a microsecond.
        moment = datetime.fromisoformat(f"{day}T{minute}:{'59' if leap else second or '00'}{fraction}{offset}")
    except ValueError:
        raise ValueError("no such date or time of day") from None
    age = moment - _EPOCH  # its parts cost half a microsecond less than a division by a timedelta
    at_us = (age.days * 86_400 + age.seconds) * 1_000_000 + age.microseconds
    if not leap:
        if second and offset in ("+00:00", "-00:00"):
            if len(_hours) >= _MAX_HOURS:
                _hours.clear()
            _hours[text[:13]] = at_us - at_us % _HOUR_US
        return at_us
    if (at_us // 60_000_000 + 1) % 1440:
        raise ValueError("second 60 is there at 23:59 UTC only")
    return at_us // 1_000_000 * 1_000_000 + 999_999


def _from_cache(text: str) -> int | None:
    """Convert a date-time in UTC with milliseconds, microseconds or neither, if its hour is in the cache.

    Events arrive nearly in the order of their time, and mostly look like "2026-11-23T22:39:05.123Z" or, from Python, like
    "2026-11-23T22:39:05.123456+00:00".
    """
    if text[-1:] != "Z":
        if text[-6:] != "+00:00":
            return None
        text = f"{text[:-6]}Z"
    length = len(text)
    try:
        if length == 24 and text[19] == ".":  # from "+00:00"
            return _hours[text[:13]] + _IN_HOUR[text[13:19]] + _MILLISECONDS[text[20:23]]
        if length == 27 and text[19] == ".":
            return (
                _hours[text[:13]]
                + _IN_HOUR[text[13:19]]
                + _MILLISECONDS[text[20:23]]
                + _MILLISECONDS[text[23:26]] // 1_000
            )
        return _hours[text[:13]] + _IN_HOUR[text[13:19]] if length == 20 else None
    except KeyError:
        return None  # an hour that is not cached, a leap second, or no date-time


def from_microseconds(at_us: int) -> str:
    """Format microseconds since the epoch as an RFC 3339 date-time in UTC, with as many digits as needed."""
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat().replace("+00:00", "Z")


def from_milliseconds(ms: int) -> str:
    """Format milliseconds since the epoch, `LAST_MS` at most, as an RFC 3339 date-time in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
