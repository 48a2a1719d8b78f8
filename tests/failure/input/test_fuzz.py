"""A short run of the fuzzer, Hypothesis on the same readers, and what either has found so far."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidedata.errors import UsageError
from sidedata.events.decode import Kind, decode_event
from sidedata.ingest.apply.entries import EntryDecoder
from sidedata.ingest.archive.lines import ArchiveError, open_archive, read_lines
from sidedata.schema.keys import partition_of
from sidedata.schema.records import KINDS
from sidedata.service.api.reports.query import from_body
from sidedata.service.http.problems import ProblemError
from sidedata.settings import read_settings
from tests.fuzz.inputs import GOOD
from tests.fuzz.run import run
from tests.fuzz.targets import ENTRY, TARGETS, check_event, plan_interval
from tests.support.constants import ORG
from tests.support.events import fields_of

PARTITION = partition_of(ORG, 16)
ZONES = st.sampled_from(
    ["UTC", "Pacific/Kiritimati", "America/St_Johns", "Australia/Lord_Howe", "Africa/Monrovia", "Etc/GMT+12"]
)
TEXT = st.text(st.characters(exclude_categories=[]), max_size=300)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON: st.SearchStrategy[Any] = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)
FIELDS = st.sampled_from(
    sorted({name for raw in GOOD for name in json.loads(raw)} | {"uuid", "name", "value", "currency", "other"})
)


def text_of(value: Any) -> bytes:  # noqa: ANN401 - whatever JSON holds
    """JSON text, lone surrogates as escapes."""
    return json.dumps(value).encode()


@pytest.mark.timeout(400)  # eight seconds of work take long where others work too
def test_a_short_run_of_the_fuzzer(request: pytest.FixtureRequest) -> None:
    """Every reader gets some thousand broken inputs and none breaks it."""
    results = run(request.config.option.hypothesis_seed, 30_000, 8.0)
    assert results.keys() == TARGETS.keys()
    assert all(count > 200 for count, _, _ in results.values()), results


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_long_run_of_the_fuzzer(request: pytest.FixtureRequest) -> None:
    """A million inputs and more."""
    results = run(request.config.option.hypothesis_seed, 1_200_000, 1_000.0)
    assert sum(count for count, _, _ in results.values()) >= 1_000_000, results


@pytest.mark.holds("2.3.5")
@given(st.binary(max_size=200) | JSON.map(text_of))
def test_any_bytes_are_an_event_or_a_fault(raw: bytes) -> None:
    """Decoding never raises."""
    check_event(raw, decode_event(raw))


@given(st.sampled_from(GOOD), st.dictionaries(FIELDS, JSON, min_size=1, max_size=3))
def test_any_field_may_hold_anything(good: bytes, changes: dict[str, Any]) -> None:
    """Wherever something else stands than should, the fault says so, and an unknown field is no fault."""
    raw = text_of({**json.loads(good), **changes})
    read = decode_event(raw)
    check_event(raw, read)
    if not changes.keys() & json.loads(good).keys() - {"id", "purchase"} and not changes.keys() & {
        *("id", "purchase", "workflow_id", "goal")
    }:
        assert fields_of(read) == fields_of(decode_event(good))


@pytest.mark.holds("2.1.6")
@given(st.lists(JSON.map(text_of) | st.sampled_from(GOOD), max_size=8))
def test_no_element_costs_its_neighbours(elements: list[bytes]) -> None:
    """In an array of any JSON values each is an event or a letter of its own, in its place."""
    decoder = EntryDecoder(PARTITION, 16)
    decoder.read(ENTRY, [b"events", b"[" + b",".join(elements) + b"]"])
    assert [one.raw for one in decoder.events] == [element for element in elements if element in GOOD]
    assert [one.event for one in decoder.dead_letters] == [element for element in elements if element not in GOOD]


@given(st.datetimes(), st.timedeltas(), ZONES, st.sampled_from(KINDS), st.booleans())
def test_any_interval_is_planned_or_refused(start: Any, span: Any, zone: str, kind: Kind, aware: bool) -> None:  # noqa: ANN401, FBT001
    """From the first day of the calendar to its last, in any zone."""
    try:
        end = start + span
    except OverflowError:
        return
    suffix = "Z" if aware else ""
    body = text_of({"interval": {"start": start.isoformat() + suffix, "end": end.isoformat() + suffix}})
    try:
        asked = from_body(body)
    except ProblemError as error:
        assert error.status == 400  # noqa: PT017 - it may be refused, and then so
        return
    plan_interval(zone, kind, asked.start, asked.end)


@pytest.mark.holds("2.1.6")
@pytest.mark.parametrize(
    "bad_event",
    [b"[" * 3000, b"[" * 3000 + b'"' + b"]" * 3000, b"[" * 3000 + b"]" * 3000 + b"] ["],
    ids=["never closed", "closed in a string", "closed too often"],
)
def test_brackets_that_do_not_pair_up_swallow_nothing(bad_event: bytes) -> None:
    """Found by reading: what followed too deep a nesting that never closed was neither applied nor a dead letter."""
    value = b"[" + GOOD[0] + b"," + bad_event + b"," + GOOD[0] + b"]"
    decoder = EntryDecoder(PARTITION, 16)
    decoder.read(ENTRY, [b"events", value])
    assert decoder.events == []
    assert [(letter.reason, letter.event) for letter in decoder.dead_letters] == [("invalid_json", value)]


def test_a_damaged_archive_is_said_to_be_damaged() -> None:
    """Found by the fuzzer: bytes that no deflate stream holds ended `push` with a stack trace."""
    packed = bytearray(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\xff" * 40)
    with pytest.raises(ArchiveError, match="can't be read on after line 0"):
        list(read_lines(open_archive(io.BytesIO(packed)), 16))


@pytest.mark.parametrize(
    "name", ["keep_day_days", "keep_hour_days", "keep_fine_hours", "keep_late_hours", "keep_ids_hours"]
)
def test_nothing_is_kept_from_before_the_calendar(name: str) -> None:
    """Found by the fuzzer: with days kept for three thousand years, every answer was a 500."""
    with pytest.raises(UsageError, match=f"SIDEDATA_{name.upper()}"):
        read_settings({name: "1000000"}, {})
