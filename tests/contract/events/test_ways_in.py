"""Three inputs that lost their neighbours once, by the command line, the producer and HTTP; and events as producers send them."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sidedata import InvalidEvent, Producer
from sidedata.cli.main import cli
from tests.support.constants import ORG
from tests.support.events import GOAL, PAGES, POPUP, PURCHASED
from tests.support.figures import EVER, NOON, affected, starts
from tests.support.pipeline import Pipeline

EVENTS = f"/api/ingest/v1/orgs/{ORG}/events"


def view(visitor: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON holds
    """A page view as a producer holds it; None leaves a field out."""
    made = {
        "type": "page_view",
        "organization_id": ORG,
        "workflow_id": PAGES,
        "visitor_id": visitor,
        "session_id": visitor,
        "timestamp": NOON.isoformat(),
        **fields,
    }
    return {name: value for name, value in made.items() if value is not None}


async def visitors(pipe: Pipeline) -> int:
    """Unique visitors of the page-navigation workflow in 2024."""
    return int((await pipe.ask(PAGES, *EVER)).json["unique_visitors_count"])


async def push(pipe: Pipeline, text: bytes, *arguments: str) -> Result:
    """Run `sidedata push`, then a worker."""
    environment = {"SIDEDATA_REDIS_URL": pipe.settings.redis_url, "SIDEDATA_SECRET": None}
    run = CliRunner().invoke
    done = await asyncio.to_thread(run, cli, ["push", *arguments, "-"], input=text, env=environment)
    await pipe.drain()
    return done


async def test_a_line_that_is_no_utf8_costs_no_neighbour(pipe: Pipeline) -> None:
    """Halves of a surrogate pair, each as three bytes of its own, are no UTF-8: one line is named, two visitors count."""
    lines = [json.dumps(view(visitor)).encode() for visitor in ("ann", "bob", "cy")]
    lines[1] = lines[1][:-1] + b', "title": "Sale \xed\xa0\xbd\xed\xb8\x80"}'
    done = await push(pipe, b"\xef\xbb\xbf" + b"\n\xef\xbb\xbf".join(lines))
    assert (done.exit_code, await visitors(pipe), await pipe.reasons()) == (1, 2, [])
    assert done.stderr.startswith("line 2: not a JSON object: the text is not UTF-8")


async def test_bytes_that_are_no_utf8_are_refused_at_once(pipe: Pipeline) -> None:
    """The producer names the third event, and the two before it count."""
    async with Producer(pipe.settings.redis_url) as producer:
        for visitor in ("ann", "bob"):
            producer.send_nowait(json.dumps(view(visitor)).encode())
        with pytest.raises(InvalidEvent, match="not UTF-8"):
            producer.send_nowait(json.dumps(view("cy", title="Jos@")).encode().replace(b"@", b"\xe9"))
    await pipe.drain()
    assert (await visitors(pipe), await pipe.reasons()) == (2, [])


async def test_unknown_fields_inside_a_purchase_are_ignored(pipe: Pipeline) -> None:
    """Half of a surrogate pair in a name of goods doesn't cost the purchase."""
    goal = {"uuid": GOAL, "name": PURCHASED}
    interaction = view("v", type="interaction", workflow_id=POPUP, organization_id=None)
    bought = view("v", type="goal_reached", workflow_id=None, organization_id=None, goal=goal, id="o-1")
    bought["purchase"] = {"value": 19.9, "currency": "EUR", "items": [{"name": "Lahjakortti \ud83d", "price": 19.9}]}
    async with pipe.http.post(EVENTS, json=[interaction, bought]) as response:
        assert (response.status, await response.json()) == (202, {"accepted": 2})
    await pipe.drain()
    assert await affected(pipe) == {GOAL: 1}
    assert '"value":19.9' in (await pipe.ask(POPUP, *EVER)).text


async def test_a_single_object_is_an_array_of_one(pipe: Pipeline) -> None:
    """With a byte order mark in front, too."""
    async with pipe.http.post(
        EVENTS, data=b"\xef\xbb\xbf" + json.dumps(view("ann")).encode(), headers={"Content-Type": "application/json"}
    ) as response:
        assert (response.status, await response.json()) == (202, {"accepted": 1})
    await pipe.drain()
    assert await visitors(pipe) == 1


@pytest.mark.parametrize("timestamp", [{}, {"timestamp": None}])
@pytest.mark.holds("2.0.7", "2.0.14")
async def test_an_event_without_a_timestamp_counts_when_it_entered(pipe: Pipeline, timestamp: dict[str, None]) -> None:
    """The entry's id has the milliseconds."""
    event = view("ann", type="workflow_started", workflow_id=POPUP, timestamp=None) | timestamp
    moment = int(NOON.timestamp() * 1000)
    await pipe.push(json.dumps(event).encode(), entry_id=f"{moment}-1")
    await pipe.drain()
    interval = (NOON.isoformat(), (NOON + timedelta(minutes=5)).isoformat())
    assert await starts(pipe, interval=interval) == 1


@pytest.mark.holds("2.0.7")
async def test_rebasing_leaves_lines_without_a_timestamp_out(pipe: Pipeline) -> None:
    """They are named, because an archive doesn't tell when they arrived."""
    lines = [view("ann"), view("bob", timestamp=None), view("cy")]
    done = await push(pipe, b"\n".join(json.dumps(line).encode() for line in lines), "--rebase")
    assert done.exit_code == 1
    assert "line 2: no timestamp" in done.stderr
    assert "2 events sent, 1 line unreadable" in done.stderr
    moment = (await pipe.now()) - timedelta(days=8)
    reply = await pipe.ask(PAGES, moment.isoformat(), (moment + timedelta(days=8)).isoformat())
    assert (reply.json["unique_visitors_count"], await pipe.reasons()) == (2, [])


@pytest.mark.holds("2.0.15")
async def test_one_byte_order_mark_is_skipped(pipe: Pipeline) -> None:
    """At the start of a body and of each line; a second one is no JSON, in every way in."""
    mark = b"\xef\xbb\xbf"
    event = json.dumps(view("ann")).encode()
    for text, right in ((mark + event, True), (mark + mark + event, False)):
        for media in ("application/json", "application/x-ndjson"):
            async with pipe.http.post(EVENTS, data=text, headers={"Content-Type": media}) as response:
                assert (response.status == 202) == right, await response.text()
        assert ((await push(pipe, text)).exit_code == 0) == right
        await pipe.apply(text, [event, text])
    assert await pipe.reasons() == ["invalid_json"] * 2
    async with pipe.http.post(
        EVENTS, data=mark + b"\n" + mark + b"\r\n" + event, headers={"Content-Type": "application/x-ndjson"}
    ) as response:
        assert await response.json() == {"accepted": 1}


@pytest.mark.holds("2.0.11")
async def test_the_noise_of_a_float_is_rounded_away(pipe: Pipeline) -> None:
    """Only less than 10^-8 from a multiple of 0.0001, and only of a number."""
    goal = {"uuid": GOAL, "name": PURCHASED}
    amounts: list[tuple[str, bool]] = [
        ("59.800000000000004", True),
        ("0.09999999999999999", True),
        ("1000000000000.000000001", True),
        ("0.99999999999", True),
        ("0.00001", False),
        ("0.00000001", False),
        ("0.99999999", False),
        ('"59.800000000000004"', False),
        ("1e2", False),
        ("-0.000000000001", False),
        ("1000000000000.00009999999", False),
    ]
    events = [json.dumps(view("v", type="interaction", workflow_id=POPUP)).encode()]
    for number, (amount, _) in enumerate(amounts):
        event = view("v", type="goal_reached", workflow_id=None, id=f"o-{number}", goal=goal)
        text = json.dumps({**event, "purchase": {"value": "@", "currency": "EUR"}})
        events.append(text.replace('"@"', amount).encode())
    await pipe.apply(events)
    assert len(await pipe.reasons()) == sum(not right for _, right in amounts)
    assert '"value":1000000000060.9' in (await pipe.ask(POPUP, *EVER)).text


def purchase(value: object, currency: str = "EUR") -> dict[str, Any]:
    """The fields of an outer goal with a purchase."""
    goal = {"uuid": GOAL, "name": PURCHASED}
    bought = {"value": value, "currency": currency}
    return {"type": "goal_reached", "workflow_id": None, "goal": goal, "purchase": bought}


@pytest.mark.parametrize(
    ("fields", "pointer", "words"),
    [
        ({"type": "pageview"}, "/0/type", "page_view, workflow_started, interaction, goal_triggered, goal_reached"),
        ({"visitor_id": None, "session_id": None}, "/0", "missing: visitor_id, session_id"),
        ({"visitor_id": None}, "/0/visitor_id", "missing"),
        ({"visitor_id": 7}, "/0/visitor_id", "must be a string, not a number"),
        ({"visitor_id": ""}, "/0/visitor_id", "1 to 256 characters"),
        ({"workflow_id": "w-1"}, "/0/workflow_id", "not a UUID"),
        ({"timestamp": 1795471200}, "/0/timestamp", "must be a string, not a number"),
        ({"timestamp": "2026-11-28 10:00"}, "/0/timestamp", "an offset or Z"),
        (purchase(None), "/0/purchase/value", "missing"),
        (purchase(True), "/0/purchase/value", "must be a number or a decimal string, not true"),
        (purchase([1]), "/0/purchase/value", "must be a number or a decimal string, not an array"),
        (purchase("1e3"), "/0/purchase/value", "plain digits"),
        (purchase(1, "eur"), "/0/purchase/currency", "three letters A to Z"),
        ({"type": "goal_triggered", "goal": {"name": "x"}}, "/0/goal/uuid", "missing"),
        ({"type": "goal_triggered", "goal": "x"}, "/0/goal", "must be an object, not a string"),
        ({"type": "goal_reached", "workflow_id": None}, "/0/goal", "missing"),
    ],
)
async def test_a_refusal_is_in_a_producer_s_words(
    pipe: Pipeline, fields: dict[str, Any], pointer: str, words: str
) -> None:
    """The allowed values, every missing field, the right pointer; never the decoder's text."""
    async with pipe.http.post(EVENTS, json=view("ann", **fields)) as response:
        assert response.status == 400
        (error,) = (await response.json())["errors"]
    assert error["pointer"] == pointer
    assert words in error["detail"]
    assert "`" not in error["detail"]
