"""The forms of `start` and `end`: one table for every Python, which is that of `datetime.fromisoformat` of Python 3.14."""

import json
import sys
from datetime import datetime

import pytest

from sidedata.calendar.instants import parse_instant
from sidedata.service.api.reports.query import from_body, from_query
from sidedata.service.http.problems import ProblemError

READ = {
    # dates alone
    "2026-11-04": "2026-11-04T00:00:00",
    "20261104": "2026-11-04T00:00:00",
    "2026-W45": "2026-11-02T00:00:00",
    "2026W45": "2026-11-02T00:00:00",
    "2026-W45-3": "2026-11-04T00:00:00",
    "2026W453": "2026-11-04T00:00:00",
    "2026-W53-7": "2027-01-03T00:00:00",
    "2024-02-29": "2024-02-29T00:00:00",
    # times
    "2026-11-04T05": "2026-11-04T05:00:00",
    "2026-11-04T05:06": "2026-11-04T05:06:00",
    "2026-11-04T0506": "2026-11-04T05:06:00",
    "2026-11-04T05:06:07": "2026-11-04T05:06:07",
    "2026-11-04T050607": "2026-11-04T05:06:07",
    "20261104T050607": "2026-11-04T05:06:07",
    "20261104T05:06:07": "2026-11-04T05:06:07",
    "2026-W45-3T05:06": "2026-11-04T05:06:00",
    "2026W453T0506": "2026-11-04T05:06:00",
    "2026W45T05": "2026-11-02T05:00:00",
    "2026-11-04 05:06": "2026-11-04T05:06:00",
    "2026-11-04t05:06": "2026-11-04T05:06:00",
    "2026-11-04_05:06": "2026-11-04T05:06:00",
    # fractions of a second
    "2026-11-04T05:06:07.8": "2026-11-04T05:06:07.800000",
    "2026-11-04T05:06:07,8": "2026-11-04T05:06:07.800000",
    "2026-11-04T050607.89": "2026-11-04T05:06:07.890000",
    "2026-11-04T05:06:07.123456": "2026-11-04T05:06:07.123456",
    "2026-11-04T05:06:07.123456999": "2026-11-04T05:06:07.123456",
    # offsets
    "2026-11-04T05:06Z": "2026-11-04T05:06:00+00:00",
    "2026-11-04T05Z": "2026-11-04T05:00:00+00:00",
    "2026-11-04T05:06:07.8Z": "2026-11-04T05:06:07.800000+00:00",
    "2026-11-04T05:06+02:00": "2026-11-04T05:06:00+02:00",
    "2026-11-04T05:06+0200": "2026-11-04T05:06:00+02:00",
    "2026-11-04T05:06-03": "2026-11-04T05:06:00-03:00",
    "2026-11-04T05:06+05:45": "2026-11-04T05:06:00+05:45",
    "2026-11-04T05:06-00:00": "2026-11-04T05:06:00+00:00",
    "2026-11-04T05:06+01:02:03": "2026-11-04T05:06:00+01:02:03",
    "2026-11-04T05:06+01:02:03.5": "2026-11-04T05:06:00+01:02:03.500000",
    "20261104T0506Z": "2026-11-04T05:06:00+00:00",
    # the end of a day
    "2026-11-04T24": "2026-11-05T00:00:00",
    "2026-11-04T24:00": "2026-11-05T00:00:00",
    "2026-11-04T2400": "2026-11-05T00:00:00",
    "2026-12-31T24:00:00": "2027-01-01T00:00:00",
    "2026-11-04T24:00:00.000": "2026-11-05T00:00:00",
    "20261104T240000Z": "2026-11-05T00:00:00+00:00",
    "2026-W45-3T24:00+02:00": "2026-11-05T00:00:00+02:00",
    "2024-02-28 24:00": "2024-02-29T00:00:00",
}
REFUSED = [
    # fractions of anything but a second
    "2026-11-04T05.5",
    "2026-11-04T05,5",
    "2026-11-04T05:06.5",
    "2026-11-04T0506,5",
    "2026-11-04T05.5Z",
    "2026-11-04T05:06+02.5",
    "2026-11-04T05:06:07:800",
    "2026-11-04T05:06:07.",
    "2026-11-04T05:06:07. 8",
    # beyond the end of a day
    "2026-11-04T24:01",
    "2026-11-04T24:00:01",
    "2026-11-04T24:00:00.001",
    "2026-11-04T25:00",
    "9999-12-31T24:00",
    "2026-11-31T24:00",
    # what ISO 8601 has and Python does not
    "2026-308",
    "2026-11",
    "2026",
    "--11-04",
    "+002026-11-04",
    "T05:06",
    # no dates, no times
    "",
    "now",
    "2026-11-04T",
    "2026-11-04T5:06",
    "2026-11-04T05:0607",
    "2026-11-04T0506:07",
    "2026-11-04T05:60",
    "2026-02-29",
    "2026-W54",
    "2026-11-04T05:06z",
    "2026-11-04T05:06 +02:00",
    "2026-11-04T05:06+24:00",
    "2026-11-04T05:06Z ",
    "2026-11-04T05:06ZZ",
    "\N{FULLWIDTH DIGIT TWO}026-11-04",
    "2026-11-04\N{BLACK SUN WITH RAYS}\N{BLACK SUN WITH RAYS}05:06",
]


@pytest.mark.holds("3.0.2")
@pytest.mark.parametrize(("text", "meaning"), READ.items())
def test_what_is_read(text: str, meaning: str) -> None:
    """The same instant on every Python, with fold 0 where there is no offset."""
    instant = parse_instant(text)
    assert (instant.isoformat(), instant.fold) == (meaning, 0)


@pytest.mark.holds("3.0.2")
@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused(text: str) -> None:
    """Every other form is a ValueError, on every Python."""
    with pytest.raises(ValueError):  # noqa: PT011 - Python's own sentences differ between versions
        parse_instant(text)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="the table is that of Python 3.14")
def test_the_table_is_that_of_python() -> None:
    """From 3.14 on the table says what `datetime.fromisoformat` does, but for what is no ISO 8601."""
    for text, meaning in READ.items():
        assert datetime.fromisoformat(text).isoformat() == meaning
    for text in REFUSED:
        if text == "2026-11-04T05:06 +02:00":
            continue  # CPython's C code skips any one character before an offset; its Python code refuses it
        with pytest.raises((ValueError, OverflowError)):
            datetime.fromisoformat(text)


@pytest.mark.holds("3.0.2")
def test_bodies_and_query_strings_read_them() -> None:
    """Both ways of asking use the one table."""
    question = json.dumps({"interval": {"start": "2026-W45-3T05", "end": "2026-11-04T24:00"}})
    expected = (datetime(2026, 11, 4, 5), datetime(2026, 11, 5))  # noqa: DTZ001 - naive as they were sent
    assert from_body(question.encode()) == expected
    assert from_query("start=2026-W45-3T05&end=2026-11-04T24:00") == expected
    with_offsets = json.dumps({"interval": {"start": "2026-11-04T05Z", "end": "2026-11-04T24:00+01:00"}})
    assert from_body(with_offsets.encode()).end.isoformat() == "2026-11-05T00:00:00+01:00"
    for text in ("2026-11-04T12.5", "2026-11-04T12:30.5Z"):
        with pytest.raises(ProblemError) as refused:
            from_body(json.dumps({"interval": {"start": "2026-11-04", "end": text}}).encode())
        assert [error.pointer for error in refused.value.errors] == ["/interval/end"]
