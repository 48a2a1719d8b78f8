"""Section 2 of the contract by hand: which events count, which don't, and what becomes of those."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import pytest_asyncio

from store import keys
from tests.support.constants import KEEP_ALL, ORG, OTHER_ORG
from tests.support.events import PAGES, POPUP, POPUP_2, bought, event, interaction, reached, started, triggered, view
from tests.support.pipeline import Pipeline, as_array, pipeline, rfc3339

NOON = datetime(2024, 6, 5, 12, tzinfo=UTC)
DAY = ("2024-06-05", "2024-06-06")
EVER = ("2024-01-01", "2024-12-31")


@pytest_asyncio.fixture
async def pipe(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation that keeps buckets of all levels for a hundred years."""
    async with pipeline(redis_url, partitions=4, **KEEP_ALL) as opened:
        yield opened


@pytest_asyncio.fixture
async def plain(redis_url: str) -> AsyncIterator[Pipeline]:
    """An installation with the default retention."""
    async with pipeline(redis_url, partitions=4) as opened:
        yield opened


async def starts(pipe: Pipeline, workflow: str = POPUP, interval: tuple[str, str] = EVER) -> int:
    """The exact count that an interaction workflow answers with: its `workflow_started` events."""
    count: int = (await pipe.ask(workflow, *interval)).json["started_workflows_count"]
    return count


# --- dead letters ---

GOOD = json.loads(started(NOON))
BAD = [
    ("invalid_json", b"{"),
    ("invalid_json", b""),
    ("invalid_json", b'{"type": "page_view", "visitor_id": NaN}'),
    ("invalid_json", started(NOON) + b"x"),
    ("invalid_json", started(NOON, visitor="@").replace(b"@", b"\xff")),
    ("invalid_json", started(NOON, newer="@").replace(b"@", b"\xc3\x28")),  # in a field that nobody reads
    ("invalid_event", b"null"),
    ("invalid_event", b"[]"),
    ("invalid_event", b"7"),
    ("invalid_event", b"{}"),
    *(("invalid_event", json.dumps({k: v for k, v in GOOD.items() if k != left_out}).encode()) for left_out in GOOD),
    *(("invalid_event", json.dumps(GOOD | {name: None}).encode()) for name in GOOD),
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


async def test_bad_elements_leave_their_neighbours_alone(pipe: Pipeline) -> None:
    """Of an array with good and bad elements, the good count and each bad one has a letter of its own bytes."""
    bad = [raw for reason, raw in BAD if reason == "invalid_event"]
    mixed = [raw for pair in zip(bad, [started(NOON)] * len(bad), strict=True) for raw in pair]
    (entry,) = await pipe.apply(mixed)
    letters = await pipe.letters()
    assert sorted(letter.fields["event"] for letter in letters) == sorted(bad)
    assert {letter.fields["entry"].decode() for letter in letters} == {entry}
    assert await starts(pipe) == len(bad)


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


async def test_size_limit_is_16_kib(pipe: Pipeline) -> None:
    """16,384 bytes are taken, one more is `too_large`."""
    frame = len(started(NOON, newer=""))
    await pipe.apply(started(NOON, newer="x" * (16_384 - frame)), started(NOON, newer="x" * (16_385 - frame)))
    assert await starts(pipe) == 1
    assert await pipe.reasons() == ["too_large"]


async def test_lengths_at_their_limits_are_taken(pipe: Pipeline) -> None:
    """256 characters of visitor and session, 128 of an id, 200 of a name, in characters and not in bytes."""
    await pipe.apply(
        triggered(NOON, visitor="ä" * 256, name="ö" * 200, session="ü" * 256, id="é" * 128), started(NOON, visitor="v")
    )
    assert await pipe.reasons() == []
    assert await starts(pipe) == 1


async def test_wrong_partition(pipe: Pipeline) -> None:
    """An event in another partition's stream is a letter there, and has no effect."""
    right = pipe.partition(ORG)
    wrong = (right + 1) % 4
    await pipe.push(started(NOON), partition=wrong)
    await pipe.push(started(NOON))
    await pipe.drain()
    assert await pipe.client.xlen(keys.dead(right)) == 0
    ((_, fields),) = await pipe.client.xrange(keys.dead(wrong))
    assert (fields[b"reason"], fields[b"event"]) == (b"wrong_partition", started(NOON))
    assert await starts(pipe) == 1


async def test_too_old(plain: Pipeline) -> None:
    """What lies before the oldest local day kept is `too_old`; two days younger is welcome."""
    now = await plain.now()
    old, welcome = view(now - timedelta(days=402)), view(now - timedelta(days=399))
    await plain.apply([old, welcome])
    (letter,) = await plain.letters()
    assert (letter.reason, letter.fields["event"]) == ("too_old", old)
    reply = await plain.ask(PAGES, rfc3339(now - timedelta(days=399)), rfc3339(now - timedelta(days=398)))
    assert reply.json["unique_visitors_count"] == 1


async def test_in_future_is_measured_by_the_entry(pipe: Pipeline) -> None:
    """5 minutes ahead of the entry's own time are allowed, a microsecond more is not, whatever time it is now."""
    entry = NOON
    ahead = [timedelta(minutes=5), timedelta(minutes=5, microseconds=1), timedelta(days=300), -timedelta(days=3)]
    await pipe.push([started(entry + by) for by in ahead], entry_id=f"{int(entry.timestamp() * 1000)}-5")
    await pipe.drain()
    assert [letter.fields["event"] for letter in await pipe.letters()] == [started(entry + by) for by in ahead[1:3]]
    assert await pipe.reasons() == ["in_future", "in_future"]
    assert await starts(pipe) == 2


async def test_kind_is_fixed_by_the_first_event(pipe: Pipeline) -> None:
    """The first event makes a workflow of its kind; those of the other kind are `workflow_kind_mismatch`."""
    others = [view(NOON, workflow=POPUP), view(NOON, workflow=POPUP)]
    await pipe.apply([started(NOON), others[0]])
    await pipe.apply([others[1], interaction(NOON), triggered(NOON)])
    assert await pipe.reasons() == ["workflow_kind_mismatch"] * 2
    assert await starts(pipe) == 1
    assert (await pipe.ask(POPUP, *EVER)).json["triggered_goals"][0]["metrics"]["events_count"] == 1


async def test_kind_is_fixed_by_registration(pipe: Pipeline) -> None:
    """A registered workflow keeps its kind; an event of the other kind does not make it one, nor a workflow."""
    await pipe.workflow(PAGES, "page_navigation")
    await pipe.apply(started(NOON, workflow=PAGES), view(NOON))
    assert await pipe.reasons() == ["workflow_kind_mismatch"]
    assert (await pipe.ask(PAGES, *EVER)).json["unique_visitors_count"] == 1


async def test_a_dead_letter_fixes_no_kind(pipe: Pipeline) -> None:
    """An event that was refused leaves no trace: the workflow's kind is still open."""
    await pipe.apply(view(datetime.now(UTC) + timedelta(hours=1), workflow=POPUP), started(NOON))
    assert await pipe.reasons() == ["in_future"]
    assert await starts(pipe) == 1


# --- stream entries ---


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
    ("invalid_json", {"events": b'["\xff"]'}),
]


@pytest.mark.parametrize(("reason", "fields"), WHOLE, ids=range(len(WHOLE)))
async def test_bad_arrays_are_one_letter(pipe: Pipeline, reason: str, fields: dict[str, bytes]) -> None:
    """An array that is none, too long or no JSON is one letter holding the value as it came; nothing counts."""
    await pipe.apply(fields, started(NOON))
    (letter,) = await pipe.letters()
    assert (letter.reason, letter.fields["event"]) == (reason, fields["events"])
    assert await starts(pipe) == 1


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


@pytest.mark.parametrize("field", ["event", "events"])
async def test_one_field_twice(pipe: Pipeline, field: str) -> None:
    """Redis lets an entry hold a field twice; nobody can tell which was meant, so it is one letter that holds both values."""
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
    """An empty array is no fault; fields beside `event` are no concern of ours."""
    await pipe.apply([], {"event": started(NOON), "trace": b"abc"})
    assert await pipe.reasons() == []
    assert await starts(pipe) == 1


async def test_upper_case_uuids_are_the_same(pipe: Pipeline) -> None:
    """UUIDs are taken in any case and are the same in lower case."""
    await pipe.apply(started(NOON, organization_id=ORG.upper(), workflow=POPUP.upper()), started(NOON))
    assert await starts(pipe) == 2


# --- ids ---


async def test_an_id_counts_once(pipe: Pipeline) -> None:
    """Sent again within an entry, across entries of a batch and across batches: once. The first one wins."""
    first, again = started(NOON, id="a"), started(NOON, id="a", workflow=POPUP_2)
    await pipe.workflow(POPUP_2, "interaction")
    await pipe.apply([first, first], first, [again, started(NOON, id="b")])
    await pipe.apply(first, again)
    await pipe.apply([again])
    assert await starts(pipe) == 2
    assert await starts(pipe, POPUP_2) == 0
    assert await pipe.reasons() == []


async def test_ids_are_an_organizations_own(pipe: Pipeline) -> None:
    """The same id in another organization is another event."""
    await pipe.apply(started(NOON, id="a"))
    await pipe.apply(started(NOON, id="a", organization_id=OTHER_ORG), organization=OTHER_ORG)
    assert await starts(pipe) == 1
    assert (await pipe.ask(POPUP, *EVER, organization=OTHER_ORG)).json["started_workflows_count"] == 1


async def test_ids_differ_in_every_character(pipe: Pipeline) -> None:
    """Ids are compared as they are: case, blanks and escapes make no two alike that are not."""
    await pipe.apply([started(NOON, id=text) for text in ("a", "A", " a", "a ", "ä", "a\u0308", "a\u0000")])
    await pipe.apply(started(NOON, id="@").replace(b"@", b"\\u0061"))  # "a" in another spelling
    assert await starts(pipe) == 7


async def test_a_refused_event_may_be_sent_again(pipe: Pipeline) -> None:
    """A dead-lettered event's id is free, in the same batch already."""
    await pipe.apply([started("yesterday", id="a"), started(NOON, id="a"), started(NOON, id="a")])
    await pipe.apply(started(datetime.now(UTC) + timedelta(hours=1), id="b"))
    await pipe.apply(started(NOON, id="b"))
    assert await pipe.reasons() == ["invalid_event", "in_future"]
    assert await starts(pipe) == 2


async def test_without_ids_events_are_all_different(pipe: Pipeline) -> None:
    """The entry's id and the position stand in, so equal bytes are different events."""
    await pipe.apply([started(NOON)] * 3, started(NOON), started(NOON))
    await pipe.apply(started(NOON), [started(NOON)])
    assert await starts(pipe) == 7


async def test_stand_in_ids_never_clash_with_given_ones(pipe: Pipeline) -> None:
    """An id that looks like a stand-in is another one, in whatever spelling."""
    (single, array) = await pipe.apply(started(NOON), [started(NOON), started(NOON)])
    looks = [
        f"{entry}{mark}{n}" for entry in (single, array) for mark in ("-", "/", ":", ".", "#", " ") for n in (0, 1)
    ]
    looks += [single, array, f"{single}-0-0", f"entry:{single}", f"e{single}", f"\u0000{single}", f"{single}\u00000"]
    await pipe.apply([started(NOON, id=text) for text in looks])
    assert await starts(pipe) == 3 + len(looks)


# --- purchases ---

AMOUNTS: list[tuple[str, str | None]] = [
    ("0", "0"),
    ("1.50000", "1.5"),
    ('"1.50000"', "1.5"),
    ("0.0001", "0.0001"),
    ('"0.0001"', "0.0001"),
    ("1000000000000", "1000000000000"),
    ('"1000000000000.0000"', "1000000000000"),
    ('"007"', "7"),  # plain digits, as a string may have them
    ("0.30000000000000000000000000000", "0.3"),
    ('"1' + "." + "0" * 5000 + '"', "1"),
    ("123456789012.3456", "123456789012.3456"),  # a float would have 123456789012.34560 or so
    ("1000000000000.0001", None),
    ("10000000000000", None),
    ("9" * 5000, None),
    ("0.00001", None),
    ('"1.00001"', None),
    ("1e3", None),
    ("1E3", None),
    ("1e-1", None),
    ('"1e3"', None),
    ("-1", None),
    ("-0", None),
    ('"-1"', None),
    ('"+1"', None),
    ('"1_0"', None),
    ('" 1"', None),
    ('"1 "', None),
    ('"1\\n"', None),
    ('""', None),
    ('"."', None),
    ('"1."', None),
    ('".5"', None),
    ('"1,5"', None),
    ('"NaN"', None),
    ('"Infinity"', None),
    ('"0x10"', None),
    ('"\u0661"', None),  # an Arabic digit one
    ("null", None),
    ("true", None),
    ("[1]", None),
    ("{}", None),
]


def currency(index: int) -> str:
    """A currency for each case."""
    return "A" + chr(65 + index // 26) + chr(65 + index % 26)


async def test_purchase_values_are_read_from_their_text(pipe: Pipeline) -> None:
    """Plain digits with an optional fraction, 0 to 10^12, a multiple of 0.0001; each case has a currency of its own."""
    purchases = [bought(NOON, text, currency(index)) for index, (text, _) in enumerate(AMOUNTS)]
    await pipe.apply(interaction(NOON), purchases)
    sums = {
        row["currency"]: Decimal(row["value"]) for row in (await pipe.ask(POPUP, *EVER)).json["visitor_purchase_sums"]
    }
    expected = {currency(i): Decimal(value) for i, (_, value) in enumerate(AMOUNTS) if value is not None}
    assert sums == expected
    assert list(sums) == sorted(sums)
    dead = {letter.fields["event"] for letter in await pipe.letters()}
    assert dead == {purchases[i] for i, (_, value) in enumerate(AMOUNTS) if value is None}
    assert set(await pipe.reasons()) == {"invalid_event"}


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x1", "1_0"])
async def test_purchase_values_that_are_no_json(pipe: Pipeline, text: str) -> None:
    """A value that JSON doesn't know spoils the whole text."""
    await pipe.apply(bought(NOON, text))
    assert await pipe.reasons() == ["invalid_json"]


# --- timestamps ---

TIMES: list[tuple[str, str | None]] = [
    ("2024-06-05T10:00:00Z", "10:00"),
    ("2024-06-05t10:00:00z", "10:00"),
    ("2024-06-05T12:00:00+02:00", "10:00"),
    ("2024-06-05T15:45:00+05:45", "10:00"),
    ("2024-06-05T06:30:00.5-03:30", "10:00"),
    ("2024-06-06T09:59:00+23:59", "10:00"),
    ("2024-06-05T10:00:00-00:00", "10:00"),
    ("2024-06-05T10:04:59.999999Z", "10:00"),
    ("2024-06-05T10:04:59.9999999Z", "10:00"),  # cut, not rounded up to 10:05
    ("2024-06-05T10:04:59." + "9" * 300 + "Z", "10:00"),
    ("2024-06-05T10:05:00.000000Z", "10:05"),
    ("2024-06-05T10:00:00", None),
    ("2024-06-05T10:00Z", None),
    ("2024-06-05", None),
    ("2024-06-05T10:00:00+0200", None),
    ("2024-06-05T10:00:00+02", None),
    ("20240605T100000Z", None),
    ("2024-06-05T10:00:00,5Z", None),
    ("2024-06-05T10:00:00.Z", None),
    ("2024-06-05T24:00:00Z", None),
    ("2024-06-05T10:60:00Z", None),
    ("2024-06-31T10:00:00Z", None),
    ("2023-02-29T10:00:00Z", None),
    ("2024-13-01T10:00:00Z", None),
    ("2024-06-05T10:00:00+24:00", None),
    ("2024-06-05T10:00:00+02:60", None),
    (" 2024-06-05T10:00:00Z", None),
    ("2024-06-05T10:00:00Z\n", None),
    ("٢٠٢٤-06-05T10:00:00Z", None),
    ("1717581600", None),
    ("", None),
]


async def test_timestamps(pipe: Pipeline) -> None:
    """RFC 3339 with an offset or Z; digits beyond microseconds are cut off. Each lands in its 5 minutes."""
    await pipe.apply([started(text) for text, _ in TIMES])
    for slot, until in (("10:00", "10:05"), ("10:05", "10:10")):
        expected = sum(place == slot for _, place in TIMES)
        assert await starts(pipe, interval=(f"2024-06-05T{slot}", f"2024-06-05T{until}")) == expected
    assert await starts(pipe) == sum(place is not None for _, place in TIMES)
    dead = [letter.fields["event"] for letter in await pipe.letters()]
    assert sorted(dead) == sorted(started(text) for text, place in TIMES if place is None)


async def test_events_from_the_edge_of_time_are_no_crash(plain: Pipeline) -> None:
    """Years 1 and 9999 with offsets that lead out of the calendar are letters like any other."""
    texts = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
    await plain.apply([started(text) for text in texts], started(await plain.now()))
    assert len(await plain.reasons()) == 4
    assert set(await plain.reasons()) <= {"too_old", "in_future", "invalid_event"}


async def test_keys_name_nobody_and_expire(redis_url: str) -> None:
    """Visitor and session ids stand nowhere but in streams; nothing but what the contract lists lives without a TTL."""
    async with pipeline(redis_url, partitions=4) as pipe:
        now = await pipe.now()
        await pipe.organization("Asia/Kathmandu")
        at = now - timedelta(minutes=10)
        await pipe.apply(
            [
                view(at, "needle-visitor", "needle-session"),
                *(make(at, "needle-visitor", session="needle-session", id="i") for make in (started, interaction)),
                triggered(at, "needle-visitor", session="needle-session"),
                interaction(at, "needle-visitor", session="needle-session"),
                bought(at, "1", visitor="needle-visitor", session="needle-session"),
                view(at - timedelta(days=20), "needle-visitor", "needle-session"),
                b'"needle in the dead letters"',
            ],
            b"{",
        )
        assert await pipe.reasons() == ["invalid_event", "invalid_json"]
        permitted = (
            "sd:config",
            "sd:tokens",
            ":cursor",
            ":events",
            ":dead",
            ":organization:",
            ":workflow:",
            ":workflows:",
        )
        seen = 0
        async for raw in pipe.client.scan_iter():
            key = raw.decode()
            kind = (await pipe.client.type(key)).decode()
            assert key.startswith("sd:")
            assert "needle" not in key
            if kind == "stream":
                continue
            seen += 1
            assert b"needle" not in await content(pipe, key, kind), key
            if await pipe.client.ttl(key) == -1:
                assert any(part in key for part in permitted), f"{key} has no TTL"
        assert seen > 20


async def content(pipe: Pipeline, key: str, kind: str) -> bytes:
    """Everything that a key holds."""
    read = {
        "string": lambda: pipe.client.get(key),
        "hash": lambda: pipe.client.hgetall(key),
        "set": lambda: pipe.client.smembers(key),
        "zset": lambda: pipe.client.zrange(key, 0, -1, withscores=True),
        "list": lambda: pipe.client.lrange(key, 0, -1),
    }
    return repr(await read[kind]()).encode()
