"""The readers as atheris feeds them: one function for each, from bytes; what must hold is said in `tests.fuzz.targets`."""

import gzip as packed

from sidedata.events.decode import decode_event
from sidedata.service.api.ingest import _lines
from sidedata.service.api.reports.query import Interval, from_body, from_query
from sidedata.service.http.problems import ProblemError
from tests.fuzz.bodies import check_gzip, refused
from tests.fuzz.inputs import GOOD
from tests.fuzz.targets import check_archive, check_entry, check_event, check_lines, plan_interval
from tests.support.senders.validation import entering

_ZONES = ("UTC", "Europe/Helsinki", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Etc/GMT+12")


def _zone(data: bytes) -> str:
    return _ZONES[len(data) % len(_ZONES)]


def event(data: bytes) -> None:
    """One event, from the stream and over HTTP."""
    check_event(data, decode_event(data))
    entering(data)


def entry(data: bytes) -> None:
    """An array with the bytes between two good events."""
    check_entry(data, GOOD[len(data) % len(GOOD)])


def body_of_a_question(data: bytes) -> None:
    """Read the body of a report, and plan it in some zone."""
    try:
        asked = from_body(data)
    except ProblemError as error:
        refused(error, 400)
    else:
        plan_interval(_zone(data), "page_navigation", asked.start, asked.end)


def query_string(data: bytes) -> None:
    """Read a query string, and plan it in some zone."""
    try:
        asked = from_query(data.decode("latin-1"))
    except ProblemError as error:
        refused(error, 400)
    else:
        assert isinstance(asked, Interval)
        plan_interval(_zone(data), "interaction", asked.start, asked.end)


def lines(data: bytes) -> None:
    """NDJSON with the bytes as a line between two good ones, in a file; and as a body."""
    check_lines(data.replace(b"\n", b"").replace(b"\r", b""), GOOD[len(data) % len(GOOD)], 7 * (len(data) % 3 - 1))
    for raw in _lines(data):
        entering(raw)


def archive(data: bytes) -> None:
    """A whole file of these bytes, and one that says it is gzip."""
    check_archive(data)
    check_archive(packed.compress(data)[:10] + data)


def gzip(data: bytes) -> None:
    """A compressed body: the bytes as they are, and behind a head that is right."""
    check_gzip(data, 1 + len(data) % 97)
    check_gzip(packed.compress(b"")[:10] + data, 1 + len(data) % 97)
