"""Section 2.1 of the contract by hand: entries with one event, with many, with neither and with both."""

import json

import pytest

from tests.support.constants import ORG
from tests.support.events import POPUP, as_array, started
from tests.support.figures import NOON, starts
from tests.support.pipeline import Pipeline


@pytest.mark.holds("2.1.3", "2.1.4")
async def test_both_forms_count_the_same(pipe: Pipeline) -> None:
    """One object in `event`, or up to 1,000 in `events`."""
    await pipe.apply(started(NOON), [started(NOON)], [started(NOON)] * 1000)
    assert await starts(pipe) == 1002
    assert await pipe.reasons() == []


WHOLE = [
    ("invalid_event", {"events": as_array([started(NOON)] * 1001)}),
    ("invalid_event", {"events": started(NOON)}),
    ("invalid_event", {"events": b'"text"'}),
    ("invalid_event", {"events": b"null"}),
    ("invalid_json", {"events": b"["}),
    ("invalid_json", {"events": b""}),
    ("invalid_json", {"events": as_array([started(NOON), b"{"])}),
    ("invalid_json", {"events": b'["\xff]'}),
    ("invalid_json", {"events": as_array([started(NOON)]).decode().encode("utf-16")}),
]


@pytest.mark.holds("2.1.5")
@pytest.mark.parametrize(("reason", "fields"), WHOLE, ids=range(len(WHOLE)))
async def test_bad_arrays_are_one_letter(pipe: Pipeline, reason: str, fields: dict[str, bytes]) -> None:
    """An array that is none, too long or no JSON is one letter holding the value as it came; nothing counts."""
    await pipe.apply(fields, started(NOON))
    (letter,) = await pipe.letters()
    assert (letter.reason, letter.fields["event"]) == (reason, fields["events"])
    assert await starts(pipe) == 1


@pytest.mark.holds("2.1.5")
@pytest.mark.parametrize("fields", [{"other": b"1"}, {"event": started(NOON), "events": as_array([started(NOON)])}])
async def test_neither_or_both_fields(pipe: Pipeline, fields: dict[str, bytes]) -> None:
    """An entry with neither field or both is one `invalid_event`, which loses nothing of what came."""
    await pipe.apply(fields, started(NOON))
    (letter,) = await pipe.letters()
    assert letter.reason == "invalid_event"
    held = b" ".join(letter.fields.values())
    for value in fields.values():
        # What came stands in the letter, be it as it is or quoted within JSON.
        assert value in held or json.dumps(value.decode()).encode() in held
    assert await starts(pipe) == 1


@pytest.mark.holds("2.1.5")
@pytest.mark.parametrize("field", ["event", "events"])
async def test_one_field_twice(pipe: Pipeline, field: str) -> None:
    """Redis lets an entry hold a field twice; the right one is unknown, so it is one dead letter that holds both values."""
    values = [started(NOON, visitor="one"), started(NOON, visitor="two")]
    if field == "events":
        values = [as_array([value]) for value in values]
    stream = f"sd:{{{pipe.partition(ORG)}}}:events"
    await pipe.client.execute_command("XADD", stream, "*", field, values[0], "trace", "abc", field, values[1])
    await pipe.apply(started(NOON))
    (letter,) = await pipe.letters()
    assert letter.reason == "invalid_event"
    assert letter.fields["event"] == values[0]
    assert letter.fields[f"field:{field}"] == values[1]
    assert letter.fields["field:trace"] == b"abc"
    assert await starts(pipe) == 1


async def test_empty_array_and_further_fields(pipe: Pipeline) -> None:
    """An empty array is no mistake; fields beside `event` are ignored."""
    await pipe.apply([], {"event": started(NOON), "trace": b"abc"})
    assert await pipe.reasons() == []
    assert await starts(pipe) == 1


NUMBER = 2**64 - 1  # the greatest of both parts of an id


@pytest.mark.holds("2.1.4", "2.3.5")
@pytest.mark.parametrize("entry", ["0-1", f"0-{NUMBER}", f"{NUMBER}-0", f"{NUMBER}-{NUMBER - 1}", f"{NUMBER}-{NUMBER}"])
async def test_every_id_of_an_entry_is_taken(pipe: Pipeline, entry: str) -> None:
    """A producer may choose the id: the event counts or is a letter, and leaves the stream, be it the last id that there is."""
    await pipe.workflow(POPUP, "interaction")
    await pipe.push(started(NOON), entry_id=entry)
    await pipe.drain()
    letters = ["in_future"] if entry.startswith("0-") else []
    assert await pipe.reasons() == letters
    assert await starts(pipe) == 1 - len(letters)
