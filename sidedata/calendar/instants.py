"""Instants in requests, read alike on every Python: as `datetime.fromisoformat` of Python 3.14 reads them. Pure.

Older versions refuse `T24:00`, and read the fraction of an hour or a minute as one of a second: `T12.5` as 12:00:00.5.
"""

import re
from datetime import datetime, timedelta
from typing import Final

_TIME: Final = r"[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?|[0-9]{2}(?:[0-9]{2}(?:[.,][0-9]+)?)?)?"
_DATE: Final = r"[0-9]{4}(?:-[0-9]{2}-[0-9]{2}|[0-9]{4}|-W[0-9]{2}(?:-[0-9])?|W[0-9]{2}[0-9]?)"
# Any character may stand between date and time. Python itself checks the ranges of the numbers.
_INSTANT: Final = re.compile(rf"{_DATE}(?:.{_TIME}(?:Z|[+-]{_TIME})?)?", re.DOTALL)
# The form that dashboards poll with, which every Python reads alike; a third of the time of the pattern of all forms.
_COMMON: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?!24)[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_MIDNIGHT: Final = re.compile(rf"({_DATE}.)24((?::?00){{0,2}}(?:[.,]0+)?(?:Z|[+-]{_TIME})?)", re.DOTALL)


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 date or date-time; a date alone is its midnight, and `T24:00` the next day's.

    Raises:
        ValueError: the text is of another form, or beyond the calendar.
    """
    if _COMMON.fullmatch(text) is not None:
        return datetime.fromisoformat(text)
    if _INSTANT.fullmatch(text) is None:
        raise ValueError("not an ISO 8601 date or date-time")
    try:
        midnight = _MIDNIGHT.fullmatch(text)
        if midnight is None:
            return datetime.fromisoformat(text)
        return datetime.fromisoformat(f"{midnight[1]}00{midnight[2]}") + timedelta(days=1)
    except OverflowError as error:
        raise ValueError("beyond the calendar") from error
