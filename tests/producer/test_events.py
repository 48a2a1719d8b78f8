"""Events as programs hold them: which values a producer accepts, and which events it refuses."""

import enum
import json
import pickle
import types
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from sidedata import InvalidEvent, ProducerError
from sidedata.events.decode import MAX_EVENT_BYTES, Event, decode_event
from sidedata.producer.encode import encode
from tests.support.constants import ORG
from tests.support.events import PAGES, PURCHASED

AT = datetime(2026, 11, 23, 12, 30, 15, 250_000, tzinfo=timezone(timedelta(hours=2)))
VIEW: dict[str, Any] = {
    "type": "page_view",
    "organization_id": ORG,
    "workflow_id": PAGES,
    "visitor_id": "ann",
    "session_id": "s-1",
    "timestamp": AT,
}


class Kind(enum.StrEnum):
    """A program's own names."""

    SEEN = "page_view"


class TemplateText(str):
    """Text as template engines have it."""

    __slots__ = ()


def read(event: Any) -> Event:  # noqa: ANN401 - any form of event
    """The event as a worker reads it."""
    found = decode_event(encode(event).raw)
    assert isinstance(found, Event)
    return found


def text(**fields: object) -> bytes:
    """The view as JSON, with other fields."""
    return json.dumps({**VIEW, "timestamp": AT.isoformat(), **fields}).encode()


def test_values_of_python_s_own_classes_are_accepted() -> None:
    """Dates, UUIDs, enumerations, subclasses of str, and mappings of any class arrive as the worker expects them."""
    fields = {
        **VIEW,
        "type": Kind.SEEN,
        "organization_id": uuid.UUID(ORG),
        "workflow_id": uuid.UUID(PAGES),
        "visitor_id": TemplateText("ann"),
        "note": types.MappingProxyType({"at": AT, "of": {1, 2}}),
    }
    found = read(types.MappingProxyType(fields))
    assert (found.type, found.organization_id, found.workflow_id, found.visitor_id) == ("page_view", ORG, PAGES, "ann")
    assert found.at_us == int(AT.astimezone(UTC).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("value", "units"),
    [
        (Decimal("19.90"), 199_000),
        (Decimal("1E+2"), 1_000_000),
        (Decimal("0.00010"), 1),
        (19.9, 199_000),
        (7, 70_000),
        ("0.1", 1_000),
    ],
)
def test_money_may_be_a_decimal(value: object, units: int) -> None:
    """It is written in plain digits, without loss."""
    goal = {"uuid": uuid.UUID(PAGES), "name": PURCHASED}
    bought = {**VIEW, "type": "goal_reached", "workflow_id": None, "goal": goal}
    assert read({**bought, "purchase": {"value": value, "currency": "EUR"}}).units == units


def test_an_id_is_given_once_and_kept_where_there_is_one() -> None:
    """A missing id and one that is null are the same; everything else in the bytes stays as it was."""
    for event in (VIEW, {**VIEW, "id": None}, text(), text(id=None)):
        given = read(event).id
        assert given is not None
        assert uuid.UUID(given).version == 7
    for event in ({**VIEW, "id": "mine"}, text(id="mine")):
        assert read(event).id == "mine"
    assert encode(text(id="mine", note=None)).raw == text(id="mine", note=None)
    assert encode(text(note=[1.50])).raw.startswith(text(note=[1.50])[:-1])


def test_a_byte_order_mark_and_blanks_around_the_object_are_skipped() -> None:
    """Files that an editor wrote begin with one."""
    assert encode(b"\xef\xbb\xbf " + text(id="mine") + b"\r\n").raw == text(id="mine")


def test_half_a_surrogate_pair_is_harmless_in_an_unknown_field_alone() -> None:
    """As the contract has it; both as a mapping and as bytes."""
    assert read({**VIEW, "note": "\ud800"}).visitor_id == "ann"
    assert read(text(note="\ud800")).visitor_id == "ann"
    assert read({**VIEW, "note": ["\ud800", float("nan"), {"x": float("inf")}]}).visitor_id == "ann"
    for event in ({**VIEW, "visitor_id": "\ud800"}, text(visitor_id="\ud800"), text(visitor_id="\ud800", note="x")):
        with pytest.raises(InvalidEvent):
            encode(event)


@pytest.mark.parametrize(
    ("event", "pointer"),
    [
        ({**VIEW, "organization_id": None}, "/organization_id"),
        ({**VIEW, "organization_id": 7}, "/organization_id"),
        ({**VIEW, "organization_id": "acme"}, "/organization_id"),
        ({**VIEW, "timestamp": AT.replace(tzinfo=None)}, "/timestamp"),
        ({**VIEW, "timestamp": "yesterday"}, "/timestamp"),
        ({**VIEW, "visitor_id": "x" * 257}, "/visitor_id"),
        ({**VIEW, "type": "click"}, "/type"),
        ({**VIEW, "note": object()}, ""),
        ({**VIEW, "note": "x" * MAX_EVENT_BYTES}, ""),
        ({**VIEW, "note": {("a", "b"): 1}}, ""),
        (text(note="x" * (MAX_EVENT_BYTES - len(text(note="")))), ""),
        (text()[:-1], ""),
        (text() + text(), ""),
        (b"[" + text() + b"]", ""),
        (b"\xff", ""),
        (text().replace(b"ann", b"\xff"), ""),
        (b"", ""),
        (text().decode(), ""),
        (None, ""),
        ([VIEW], ""),
    ],
)
def test_what_a_worker_would_refuse_is_refused_at_once(event: Any, pointer: str) -> None:  # noqa: ANN401 - nor events
    """With one line that names the field; it is a ValueError, and survives the way from one process to another."""
    with pytest.raises(InvalidEvent) as caught:
        encode(event)
    error = caught.value
    assert isinstance(error, ValueError)
    assert isinstance(error, ProducerError)
    assert error.pointer == pointer
    assert "\n" not in str(error)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - as task queues do with what a task raises
    assert (type(again), str(again), again.pointer) == (InvalidEvent, str(error), pointer)


def test_nesting_without_end_is_refused() -> None:
    """A value that contains itself."""
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(InvalidEvent, match="nested too deeply"):
        encode({**VIEW, "note": loop})


def test_a_value_without_a_form_in_json_is_named_by_its_type() -> None:
    """In a producer's words."""
    with pytest.raises(InvalidEvent, match="no form in JSON: it holds a value of type complex"):
        encode({**VIEW, "note": 1j})
