"""RFC 3339 date-times are read right, whatever was read before, and those that producers write quickly."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidedata.events import timestamps
from sidedata.events.timestamps import microseconds

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMS = ("{0}.{1:06}Z", "{0}.{1:06}+00:00", "{0}.{2:03}Z", "{0}.{2:03}+00:00", "{0}Z", "{0}+00:00", "{0}-00:00")


@given(
    second=st.integers(-(10**10), 10**11),
    micros=st.integers(0, 999_999),
    forms=st.permutations(_FORMS),
    minutes=st.integers(-1439, 1439),
)
def test_every_form_of_an_instant_is_the_same_number(second: int, micros: int, forms: list[str], minutes: int) -> None:
    """In whichever order they come; with an offset too."""
    text = (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S").zfill(19)
    for form in forms:
        digits = micros if "{1" in form else micros // 1000 * 1000 if "{2" in form else 0
        assert microseconds(form.format(text, micros, micros // 1000)) == second * 1_000_000 + digits, form
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    assert microseconds(f"{text}{sign}{hours:02}:{rest:02}") == (second - minutes * 60) * 1_000_000


@pytest.mark.parametrize("first", _FORMS)
def test_an_hour_of_utc_is_taken_apart_once(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """Whichever form it came in first: isoformat() of Python ends in +00:00, other languages write Z."""
    hours: dict[str, int] = {}
    monkeypatch.setattr(timestamps, "_hours", hours)
    text = "2026-11-25T22:39:05"
    at_us = microseconds(first.format(text, 0, 0))
    # From now on the hour in the cache is another one, so whatever is taken apart again gives another time.
    hours["2026-11-25T22"] += 7
    at_us += 7
    for form in _FORMS[:-1]:  # no program writes -00:00
        digits = 123_456 if "{1" in form else 123_000 if "{2" in form else 0
        assert microseconds(form.format(text, 123_456, 123)) == at_us + digits
        assert microseconds(form.format("2026-11-25T22:59:59", 123_456, 123)) == at_us + 1_254_000_000 + digits


@pytest.mark.parametrize("tail", [":60:00", ":00:61", ":0:000", "-39-05", ":39.05", ":3a:05", " 39:05"])
def test_a_cached_hour_lets_no_broken_time_pass(tail: str) -> None:
    """Only times of that hour are read by it, in each of the forms that have a shortcut."""
    assert microseconds("2026-11-25T22:00:00Z")
    for end in ("Z", ".123Z", ".123456Z", "+00:00", ".123+00:00", ".123456+00:00"):
        with pytest.raises(ValueError, match=r"date|second|time"):
            microseconds(f"2026-11-25T22{tail}{end}")
