"""Intervals as clients write them: every form that Python reads, and faults named by where they are."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote, quote_plus

import pytest

from sidedata.service.api.reports.query import Interval, Window, from_body, from_live_query, from_query
from sidedata.service.http.problems import ProblemError

EAST = timezone(timedelta(hours=2))
ANY_END = "2026-12-01T00:00:00Z"


def body(start: str, end: str = ANY_END) -> bytes:
    """A question as JSON."""
    return b'{"interval": {"start": "%s", "end": "%s"}}' % (start.encode(), end.encode())


def pointers(error: ProblemError) -> list[str]:
    """Where the faults are."""
    return [fault.pointer for fault in error.errors]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-01T00:00:00+02:00", datetime(2026, 11, 1, tzinfo=EAST)),
        ("2026-11-01T00:00:00.123456Z", datetime(2026, 11, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("20261101T000000+0200", datetime(2026, 11, 1, tzinfo=EAST)),
        ("2026-11-01", datetime(2026, 11, 1)),  # noqa: DTZ001 - naive on purpose
        ("20261101", datetime(2026, 11, 1)),  # noqa: DTZ001
        ("2026-W44-7", datetime(2026, 11, 1)),  # noqa: DTZ001
        ("2026-11-01 02:00", datetime(2026, 11, 1, 2)),  # noqa: DTZ001
        ("2026-11-01T02", datetime(2026, 11, 1, 2)),  # noqa: DTZ001
    ],
)
def test_every_form_that_python_reads(text: str, instant: datetime) -> None:
    """A body and a query string take the same forms, percent-encoded there."""
    assert from_body(body(text)).start == instant
    assert from_query(f"start={quote(text)}&end={quote(ANY_END)}").start == instant
    assert from_query(f"start={quote_plus(text)}&end={quote_plus(ANY_END)}").start == instant


@pytest.mark.holds("3.1.6")
@pytest.mark.parametrize(
    ("sent", "instant"),
    [
        ("2026-11-01T00:00:00+02:00", datetime(2026, 11, 1, tzinfo=EAST)),
        ("2026-11-01T00:00:00%2002:00", datetime(2026, 11, 1, tzinfo=EAST)),
        ("2026-11-01T00:00+0200", datetime(2026, 11, 1, tzinfo=EAST)),
        ("2026-11-01T00+02", datetime(2026, 11, 1, tzinfo=EAST)),
        ("20261101T000000.5+02", datetime(2026, 11, 1, 0, 0, 0, 500000, tzinfo=EAST)),
        ("2026-11-01+00:00:00+02:00", datetime(2026, 11, 1, tzinfo=EAST)),
        ("2026-11-01+02:00", datetime(2026, 11, 1, 2)),  # noqa: DTZ001 - a date and a time, no offset
        ("2026-11-01T00:00:00-02:00", datetime(2026, 11, 1, tzinfo=timezone(-timedelta(hours=2)))),
    ],
)
def test_a_blank_before_the_offset_reads_as_plus(sent: str, instant: datetime) -> None:
    """A plus that was not encoded arrives as a blank; only the one before an offset is taken back."""
    read = from_query(f"start={sent}&end={ANY_END}").start
    assert (read, read.tzinfo is None) == (instant, instant.tzinfo is None)


@pytest.mark.holds("3.0.6", "6.2")
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", []),
        (b"{", []),
        (b"\xff", []),
        (b'{"interval": {"start": "\xff"}}', []),
        (b'{"interval": NaN}', []),
        (b'{"interval": 1e999}', []),
        (b"[" * 60_000, []),
        (b'{"a":' * 10_000, []),
        (b"9" * 5_000, []),
        (b'"\\ud800"', []),
        (b"[]", [""]),
        (b"null", [""]),
        (b"{}", ["/interval"]),
        (b'{"interval": 5}', ["/interval"]),
        (b'{"interval": {}}', ["/interval/start", "/interval/end"]),
        (b'{"interval": {"start": 5, "end": null}}', ["/interval/start", "/interval/end"]),
        (b'{"interval": {"start": "x", "end": ""}}', ["/interval/start", "/interval/end"]),
        (body("2026-11-01\u0661"), ["/interval/start"]),
        (body("0001-01-01T00:00:00+14:00"), ["/interval/start"]),
        (body("9999-12-31", "9999-12-31T23:59"), ["/interval/start", "/interval/end"]),
        (body(ANY_END), ["/interval/end"]),
        (body("2026-12-01T00:00:01Z"), ["/interval/end"]),
        (body("2025-10-27T00:00:00Z", "2026-12-01T00:00:00.000001Z"), ["/interval/end"]),
        (
            b'{"interval": {"start": "2026-11-01", "end": "2026-12-01", "zone": 1}, "a/b~": 2}',
            ["/a~1b~0", "/interval/zone"],
        ),
    ],
)
def test_faults_of_bodies(sent: bytes, expected: list[str]) -> None:
    """Whatever is sent, the answer is a 400 that names the fields at fault, and the unknown ones."""
    with pytest.raises(ProblemError) as caught:
        from_body(sent)
    assert (caught.value.status, pointers(caught.value)) == (400, expected)


@pytest.mark.holds("3.0.6", "6.2")
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("", ["/start", "/end"]),
        ("start=2026-11-01", ["/end"]),
        ("start=2026-11-01&end=2026-12-01&x=1", ["/x"]),
        ("start=2026-11-01&start=2026-11-01&end=2026-12-01", ["/start"]),
        ("start=&end=2026-12-01", ["/start"]),
        ("start=2026-11-01+&end=2026-12-01", ["/start"]),
        ("start=2026-11-01T00:00+x&end=2026-12-01", ["/start"]),
        ("start=%ff&end=2026-12-01", []),
        ("&".join(["a=1"] * 1000), []),
        ("window=PT1H", ["/window", "/start", "/end"]),
    ],
)
def test_faults_of_query_strings(sent: str, expected: list[str]) -> None:
    """Parameters that are missing, repeated or unknown are named."""
    with pytest.raises(ProblemError) as caught:
        from_query(sent)
    assert (caught.value.status, pointers(caught.value)) == (400, expected)


@pytest.mark.holds("3.0.4")
def test_400_days_are_not_too_long() -> None:
    """The longest span is 400 times 24 hours, exactly."""
    interval = from_body(body("2025-10-27T00:00:00Z"))
    assert interval.end - interval.start == timedelta(days=400)


@pytest.mark.holds("3.1.2")
@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("PT1H", timedelta(hours=1)),
        ("P1W", timedelta(weeks=1)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("P400D", timedelta(days=400)),
        ("PT1S", timedelta(seconds=1)),
    ],
)
def test_windows(text: str, span: timedelta) -> None:
    """A window is an ISO 8601 duration."""
    assert from_live_query(f"window={text}") == Window(span)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "1H",
        "PT0S",
        "P401D",
        "P9999999W",
        "P1Y",
        "P1M",
        "-PT1H",
        "PT1.5H",
        "pt1h",
        "P1DT",
        "PT1H ",
        "PT٣H",
    ],
)
def test_what_is_no_window(text: str) -> None:
    """Empty, endless and vague durations are refused; months and years have no fixed length."""
    with pytest.raises(ProblemError) as caught:
        from_live_query(f"window={quote(text)}")
    assert (caught.value.status, pointers(caught.value)) == (400, ["/window"])


def test_live_takes_an_interval_or_a_window() -> None:
    """One of the two, never both."""
    assert isinstance(from_live_query("start=2026-11-01&end=2026-12-01"), Interval)
    with pytest.raises(ProblemError):
        from_live_query("start=2026-11-01&end=2026-12-01&window=PT1H")
