"""Section 2 of the contract by hand: which events are refused, for which reason, and what becomes of their neighbours."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from sidedata.schema import keys
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP, bought, event, interaction, reached, rfc3339, started, triggered, view
from tests.support.figures import EVER, NOON, starts
from tests.support.pipeline import Pipeline

GOOD = json.loads(started(NOON))
REQUIRED = GOOD.keys() - {"id", "timestamp"}
BAD = [
    ("invalid_json", b"{"),
    ("invalid_json", b""),
    ("invalid_json", b'{"type": "page_view", "visitor_id": NaN}'),
    ("invalid_json", started(NOON) + b"x"),
    ("invalid_json", started(NOON, visitor="@").replace(b"@", b"\xff")),
    ("invalid_json", started(NOON, newer="@").replace(b"@", b"\xc3\x28")),  # in an unknown field
    ("invalid_event", b"null"),
    ("invalid_event", b"[]"),
    ("invalid_event", b"7"),
    ("invalid_event", b"{}"),
    *(
        ("invalid_event", json.dumps({k: v for k, v in GOOD.items() if k != left_out}).encode())
        for left_out in REQUIRED
    ),
    *(("invalid_event", json.dumps(GOOD | {name: None}).encode()) for name in REQUIRED),
    ("invalid_event", event("session_ended", NOON, workflow=POPUP)),
    ("invalid_event", event("Page_View", NOON, workflow=POPUP)),
    ("invalid_event", started(NOON, visitor="")),
    ("invalid_event", started(NOON, visitor="v" * 257)),
    ("invalid_event", started(NOON, session_id="s" * 257)),
    ("invalid_event", started(NOON, session_id=7)),
    ("invalid_event", started(NOON, id="")),
    ("invalid_event", started(NOON, id="i" * 129)),
    ("invalid_event", started(NOON, id=7)),
    ("invalid_event", started(NOON, workflow="22222222-0000-4000-8000-00000000000")),
    ("invalid_event", started(NOON, workflow="22222222000040008000000000000000000b")),
    ("invalid_event", started(NOON, workflow="{2222222-0000-4000-8000-00000000000b")),
    ("invalid_event", started(NOON, organization_id="everybody")),
    ("invalid_event", reached(NOON, workflow=POPUP)),  # goal_reached belongs to no workflow
    ("invalid_event", triggered(NOON, name="")),
    ("invalid_event", triggered(NOON, name="n" * 201)),
    ("invalid_event", triggered(NOON, goal="none")),
    ("invalid_event", event("goal_triggered", NOON, workflow=POPUP)),
    ("invalid_event", reached(NOON, purchase={"value": "1"})),
    ("invalid_event", reached(NOON, purchase={"currency": "EUR"})),
    ("invalid_event", bought(NOON, "1", "eur")),
    ("invalid_event", bought(NOON, "1", "EURO")),
    ("invalid_event", bought(NOON, "1", "E\u0416R")),
    ("too_large", started(NOON, newer="x" * 16_384)),
]


@pytest.mark.holds("2.0.1", "2.0.2", "2.0.3", "2.0.4", "2.0.5", "2.0.6", "2.0.8", "2.0.9", "2.3.5", "2.3.6", "2.3.7")
@pytest.mark.parametrize(("reason", "raw"), BAD, ids=[f"{i}-{reason}" for i, (reason, _) in enumerate(BAD)])
async def test_bad_events_go_to_the_dead_letters_as_they_came(pipe: Pipeline, reason: str, raw: bytes) -> None:
    """A bad event between two good ones: a letter with its bytes, entry, reason, detail and time; the others count."""
    ids = await pipe.apply(started(NOON), raw, started(NOON))
    (letter,) = await pipe.letters()
    assert set(letter.fields) >= {"reason", "detail", "entry", "event", "at"}
    assert letter.reason == reason
    assert letter.fields["event"] == raw
    assert letter.fields["entry"].decode() == ids[1]
    assert letter.fields["detail"]
    written = datetime.fromisoformat(letter.fields["at"].decode())
    assert abs(written - await pipe.now()) < timedelta(minutes=1)
    assert await starts(pipe) == 2


@pytest.mark.holds("2.1.6", "2.3.7")
async def test_bad_elements_leave_their_neighbours_alone(pipe: Pipeline) -> None:
    """Of an array with good and bad elements, the good count and each bad one has a letter of its own bytes."""
    bad = [raw for reason, raw in BAD if reason == "invalid_event"]
    mixed = [raw for pair in zip(bad, [started(NOON)] * len(bad), strict=True) for raw in pair]
    (entry,) = await pipe.apply(mixed)
    letters = await pipe.letters()
    assert sorted(letter.fields["event"] for letter in letters) == sorted(bad)
    assert {letter.fields["entry"].decode() for letter in letters} == {entry}
    assert await starts(pipe) == len(bad)


@pytest.mark.holds("2.0.13")
async def test_unknown_fields_are_ignored(pipe: Pipeline) -> None:
    """Producers may be newer: fields that the contract doesn't name change nothing, whatever they hold."""
    odd = [
        started(NOON, newer={"deep": [1, 2.5e300, None]}),
        started(NOON, newer="@").replace(b'"@"', b"1" * 5000),
        started(NOON, newer="@").replace(b"@", b"\\ud800"),
        started(NOON, purchase="no purchase here", goal=7),
    ]
    await pipe.apply(*odd)
    assert await pipe.reasons() == []
    assert await starts(pipe) == len(odd)


@pytest.mark.holds("2.0.1")
async def test_size_limit_is_16_kib(pipe: Pipeline) -> None:
    """16,384 bytes are taken, one more is `too_large`."""
    frame = len(started(NOON, newer=""))
    await pipe.apply(started(NOON, newer="x" * (16_384 - frame)), started(NOON, newer="x" * (16_385 - frame)))
    assert await starts(pipe) == 1
    assert await pipe.reasons() == ["too_large"]


@pytest.mark.holds("2.0.1", "2.0.15")
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf \t"], ids=["", "mark", "mark and blanks"])
@pytest.mark.parametrize("behind", [b"", b"\r", b" \t"], ids=["", "CR", "blanks"])
async def test_only_the_object_counts_for_its_size(pipe: Pipeline, before: bytes, behind: bytes) -> None:
    """16,384 bytes are taken whatever may stand around them, in the stream, as a line, and alone in a body; one more is not."""
    frame = len(started(NOON, newer=""))
    whole, longer = (before + started(NOON, newer="x" * (size - frame)) + behind for size in (16_384, 16_385))
    await pipe.apply(whole, longer)
    url = f"/api/ingest/v1/orgs/{ORG}/events"
    bodies = [("application/x-ndjson", whole + b"\n" + whole), ("application/json", whole)]
    unnamed = {name: value for name, value in GOOD.items() if name != "organization_id"} | {"newer": ""}
    unnamed["newer"] = "x" * (16_384 - len(json.dumps(unnamed)))  # room for the organization is made
    for media_type, body in [*bodies, ("application/x-ndjson", before + json.dumps(unnamed).encode() + behind)]:
        async with pipe.http.post(url, data=body, headers={"Content-Type": media_type}) as response:
            assert response.status == 202, await response.text()
    for media_type, _ in bodies:
        async with pipe.http.post(url, data=longer, headers={"Content-Type": media_type}) as response:
            assert "too_large" in await response.text()
    await pipe.drain()
    assert await starts(pipe) == 5
    assert await pipe.reasons() == ["too_large"]


@pytest.mark.holds("1.0.3", "2.0.3", "2.0.6", "2.0.8")
async def test_lengths_at_their_limits_are_taken(pipe: Pipeline) -> None:
    """256 characters of visitor and session, 128 of an id, 200 of a name, in characters and not in bytes."""
    await pipe.apply(
        triggered(NOON, visitor="ä" * 256, name="ö" * 200, session="ü" * 256, id="é" * 128), started(NOON, visitor="v")
    )
    assert await pipe.reasons() == []
    assert await starts(pipe) == 1


@pytest.mark.holds("2.1.1", "2.3.6")
async def test_wrong_partition(pipe: Pipeline) -> None:
    """An event in another partition's stream is a letter there, and has no effect."""
    right = pipe.partition(ORG)
    wrong = (right + 1) % 4
    await pipe.push(started(NOON), partition=wrong)
    await pipe.push(started(NOON))
    await pipe.drain()
    assert await pipe.client.xlen(keys.keyspace(right).dead) == 0
    ((_, fields),) = await pipe.client.xrange(keys.keyspace(wrong).dead)
    assert (fields[b"reason"], fields[b"event"]) == (b"wrong_partition", started(NOON))
    assert await starts(pipe) == 1


@pytest.mark.holds("2.3.6", "5.6")
async def test_too_old(plain: Pipeline) -> None:
    """An event before the oldest local day kept is `too_old`; one two days younger is applied."""
    now = await plain.now()
    old, welcome = view(now - timedelta(days=402)), view(now - timedelta(days=399))
    await plain.apply([old, welcome])
    (letter,) = await plain.letters()
    assert (letter.reason, letter.fields["event"]) == ("too_old", old)
    reply = await plain.ask(PAGES, rfc3339(now - timedelta(days=399)), rfc3339(now - timedelta(days=398)))
    assert reply.json["unique_visitors_count"] == 1


@pytest.mark.holds("2.3.6")
async def test_in_future_is_measured_by_the_entry(pipe: Pipeline) -> None:
    """5 minutes ahead of the entry's own time are allowed, a microsecond more is not, whatever time it is now."""
    entry = NOON
    ahead = [timedelta(minutes=5), timedelta(minutes=5, microseconds=1), timedelta(days=300), -timedelta(days=3)]
    await pipe.push([started(entry + by) for by in ahead], entry_id=f"{int(entry.timestamp() * 1000)}-5")
    await pipe.drain()
    assert [letter.fields["event"] for letter in await pipe.letters()] == [started(entry + by) for by in ahead[1:3]]
    assert await pipe.reasons() == ["in_future", "in_future"]
    assert await starts(pipe) == 2


@pytest.mark.holds("1.0.2", "2.0.12")
async def test_kind_is_fixed_by_the_first_event(pipe: Pipeline) -> None:
    """The first event makes a workflow of its kind; those of the other kind are `workflow_kind_mismatch`."""
    others = [view(NOON, workflow=POPUP), view(NOON, workflow=POPUP)]
    await pipe.apply([started(NOON), others[0]])
    await pipe.apply([others[1], interaction(NOON), triggered(NOON)])
    assert await pipe.reasons() == ["workflow_kind_mismatch"] * 2
    assert await starts(pipe) == 1
    assert (await pipe.ask(POPUP, *EVER)).json["triggered_goals"][0]["metrics"]["events_count"] == 1


@pytest.mark.holds("1.0.2", "2.0.12")
async def test_kind_is_fixed_by_registration(pipe: Pipeline) -> None:
    """A registered workflow keeps its kind; an event of the other kind does not make it one, nor a workflow."""
    await pipe.workflow(PAGES, "page_navigation")
    await pipe.apply(started(NOON, workflow=PAGES), view(NOON))
    assert await pipe.reasons() == ["workflow_kind_mismatch"]
    assert (await pipe.ask(PAGES, *EVER)).json["unique_visitors_count"] == 1


@pytest.mark.holds("2.0.12")
async def test_a_dead_letter_fixes_no_kind(pipe: Pipeline) -> None:
    """An event that was refused leaves no trace: the workflow's kind is still open."""
    await pipe.apply(view(datetime.now(UTC) + timedelta(hours=1), workflow=POPUP), started(NOON))
    assert await pipe.reasons() == ["in_future"]
    assert await starts(pipe) == 1
