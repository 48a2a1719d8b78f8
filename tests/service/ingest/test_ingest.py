"""Events over HTTP: what is taken, what is refused, and what then stands in the stream."""

import json
from typing import Any

import pytest

from sidedata.events.decode import MAX_EVENT_BYTES, Event, decode_event
from tests.support.constants import ORG, OTHER_ORG
from tests.support.events import fields_of
from tests.support.processes.service import EVENTS, world
from tests.support.senders.http_ingest import JSON, NDJSON, STREAM, event, stored


@pytest.mark.holds("2.2.1", "2.2.3")
async def test_an_array_goes_into_the_stream() -> None:
    """All events of a request are one entry while they fit in one."""
    sent = [event(visitor_id=f"v{number}") for number in range(3)]
    async with world() as ours:
        heard = await ours.ask("POST", EVENTS, json=sent)
        assert (heard.status, heard.body) == (202, b'{"accepted":3}')
        assert await stored(ours) == [sent]


@pytest.mark.holds("2.2.1", "2.2.3")
async def test_lines_go_into_the_stream() -> None:
    """NDJSON may have blank lines, carriage returns and no end to its last line."""
    lines = b"\n  \n" + json.dumps(event(id="a")).encode() + b"\r\n\r\n\t" + json.dumps(event(id="b")).encode()
    async with world() as ours:
        heard = await ours.ask("POST", EVENTS, data=lines, headers=NDJSON)
        assert (heard.status, heard.body) == (202, b'{"accepted":2}')
        assert await stored(ours) == [[event(id="a"), event(id="b")]]


@pytest.mark.parametrize(("body", "headers"), [(b"[]", JSON), (b" [ ] ", JSON), (b"", NDJSON), (b"\n\n", NDJSON)])
async def test_nothing_is_accepted_too(body: bytes, headers: dict[str, str]) -> None:
    """No events are no fault, and no entry."""
    async with world() as ours:
        heard = await ours.ask("POST", EVENTS, data=body, headers=headers)
        assert (heard.status, heard.body) == (202, b'{"accepted":0}')
        assert not await ours.client.exists(STREAM)


@pytest.mark.holds("2.2.2")
@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(event(organization_id=None)),
        json.dumps(event(organization_id=None), indent=1).replace("\n", " "),
        json.dumps({**event(organization_id=None), "extra": {"organization_id": OTHER_ORG}}),
    ],
)
async def test_an_organization_left_out_is_put_in(raw: str) -> None:
    """The worker reads the stream and not the path, so the organization has to stand in the event."""
    async with world() as ours:
        heard = await ours.ask("POST", EVENTS, data=f"[{raw}]".encode(), headers=JSON)
        assert heard.status == 202
        assert [entry[0]["organization_id"] for entry in await stored(ours)] == [ORG]


def of_size(size: int, **fields: Any) -> bytes:  # noqa: ANN401 - whatever JSON holds
    """An event without its organization, with an unknown field that makes it so long."""
    bare = len(json.dumps(event(organization_id=None, extra="", **fields)))
    return json.dumps(event(organization_id=None, extra="x" * (size - bare), **fields)).encode()


# Places for what is long and means nothing; "@" stands for it.
GOAL = {"uuid": ORG, "name": "Bought"}
PADDINGS = {
    "field": json.dumps(event(organization_id=None, extra="@")),
    "name": json.dumps(event(organization_id=None, **{"\ud800@": "\u00e9"})),
    "twice": json.dumps(event(organization_id=None)).replace('"visitor_id"', '"visitor_id": "@", "visitor_id"'),
    "field of another type": json.dumps(event(organization_id=None, goal="@")),
    "goal": json.dumps(event(organization_id=None, type="goal_triggered", goal={**GOAL, "extra": ["@", "\ud800"]})),
    "purchase": json.dumps(
        event(organization_id=None, workflow_id=None, type="goal_reached", goal=GOAL)
        | {"purchase": {"items": [{"sku": "@"}], "value": 19.90, "currency": "EUR"}}
    ),
}


@pytest.mark.holds("2.0.1", "2.0.13", "2.2.2")
@pytest.mark.parametrize("padding", ["x", " "])
@pytest.mark.parametrize("place", PADDINGS)
@pytest.mark.parametrize("size", [16 * 1024 - 58, 16 * 1024 - 57, 16 * 1024])
async def test_an_event_of_just_the_limit_is_taken(size: int, place: str, padding: str) -> None:
    """Found by a judge: with the organization put in it was too large. What goes in is within the limit of the worker."""
    text = PADDINGS[place] if padding == "x" else PADDINGS[place].replace('"@"', '@"x"')
    raw = text.replace("@", padding * (size - len(text) + 1)).encode()
    async with world() as ours:
        heard = await ours.ask("POST", EVENTS, data=b"[" + raw + b"]", headers=JSON)
        assert (heard.status, len(raw)) == (202, size), heard.body
        ((_, fields),) = await ours.client.xrange(STREAM)
    taken = fields[b"events"][1:-1]
    assert len(taken) <= MAX_EVENT_BYTES
    said = decode_event(raw, ORG)
    assert isinstance(said, Event)
    said.defaults = ()
    assert fields_of(decode_event(taken)) == fields_of(said)


@pytest.mark.holds("2.0.1")
@pytest.mark.parametrize(
    "raw",
    [
        of_size(16 * 1024 + 1),
        json.dumps(
            {**event(organization_id=None, workflow_id=None), "type": "goal_reached"}
            | {"goal": {"uuid": ORG, "name": "x"}, "purchase": {"currency": "EUR", "value": "1." + "0" * 16_130}}
        ).encode(),
    ],
    ids=["a byte more", "a number without end"],
)
async def test_an_event_beyond_the_limit_is_named(raw: bytes) -> None:
    """One byte more is refused with its index, before anything is in the stream; so is what can't be made to fit."""
    async with world() as ours:
        heard = await ours.ask("POST", EVENTS, data=b"[" + raw + b"]", headers=JSON)
        assert heard.status == 400
        (error,) = json.loads(heard.body)["errors"]
        assert error["pointer"] == "/0"
        assert error["detail"].startswith("too_large")
        assert not await ours.client.exists(STREAM)


@pytest.mark.holds("2.2.3")
@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (json.dumps(event(organization_id=OTHER_ORG)), "/1/organization_id"),
        (
            json.dumps(event(organization_id=OTHER_ORG)).replace("organization_id", r"organization\u005fid"),
            "/1/organization_id",
        ),
        (json.dumps(event(organization_id=5)), "/1/organization_id"),
        (json.dumps(event(visitor_id="")), "/1/visitor_id"),
        (json.dumps(event(timestamp="yesterday")), "/1/timestamp"),
        (json.dumps(event(type="page_left")), "/1/type"),
        (json.dumps(event(visitor_id="v" * 300)), "/1/visitor_id"),
        (json.dumps(event(extra="x" * 20_000)), "/1"),
        (json.dumps(event(organization_id=None, extra="x" * 16_300)), "/1"),
        (json.dumps(event(visitor_id="\ud83d")), "/1/visitor_id"),
        (json.dumps(event(visitor_id=None)), "/1/visitor_id"),
        ('{"extra": ' + "[" * 3000 + "]" * 3000 + "}", "/1"),
        ("5", "/1"),
        ("{}", "/1"),
    ],
)
async def test_one_bad_event_keeps_all_out(raw: str, pointer: str) -> None:
    """The answer names the index and the fault, and nothing is in the stream."""
    good = json.dumps(event())
    async with world() as ours:
        heard = await ours.ask("POST", EVENTS, data=f"[{good},{raw},{good}]".encode(), headers=JSON)
        assert heard.status == 400
        problem = json.loads(heard.body)
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
        assert problem["detail"] == "1 of 3 events is invalid; none was accepted"
        assert not await ours.client.exists(STREAM)


@pytest.mark.holds("2.2.3")
async def test_the_first_20_faults_are_named() -> None:
    """And how many there were."""
    async with world() as ours:
        heard = await ours.ask("POST", EVENTS, json=[{}] * 30)
    problem = json.loads(heard.body)
    assert [error["pointer"] for error in problem["errors"]] == [f"/{index}" for index in range(20)]
    assert "30 of 30" in problem["detail"]


@pytest.mark.holds("2.0.13")
async def test_half_a_character_in_an_unknown_field_costs_nothing() -> None:
    """Found by fuzzing: where text was cut in the middle of an emoji, the whole array was refused as no JSON."""
    sent = [
        event(id="1"),
        event(id="2", title="caf\u00e9 \ud83d"),
        event(id="3", organization_id=None, x={"\udc00": 1}),
    ]
    async with world() as ours:
        heard = await ours.ask("POST", EVENTS, data=json.dumps(sent).encode(), headers=JSON)
        assert (heard.status, heard.body) == (202, b'{"accepted":3}')
        assert await stored(ours) == [[sent[0], sent[1], {**sent[2], "organization_id": ORG}]]


@pytest.mark.holds("6.10")
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", JSON),
        (b"[", JSON),
        (b"[{},]", JSON),
        (b'{"events": []}', JSON),
        (b"[" * 100_000, JSON),
        (b'["\xff"]', JSON),
        (b"[NaN]", JSON),
        (b"\xff\xfe", NDJSON),
        (b"[]", NDJSON),
        (b"\x0b", NDJSON),
        (b"\xc2\xa0", NDJSON),
        (b"{" * 100_000, NDJSON),
    ],
)
async def test_whatever_is_sent_is_a_400_at_worst(body: bytes, headers: dict[str, str]) -> None:
    """No body makes a 500."""
    async with world() as ours:
        heard = await ours.ask("POST", EVENTS, data=body, headers=headers)
    assert heard.status == 400, heard.body
