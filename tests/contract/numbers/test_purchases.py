"""Purchases by hand: which values are read, and which sums the answers give."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.support.events import POPUP, PURCHASED, bought, interaction, reached
from tests.support.figures import EVER, NOON
from tests.support.pipeline import Pipeline


@pytest.mark.holds("4.9")
async def test_sums_are_decimal(pipe: Pipeline) -> None:
    """0.1 + 0.2 is 0.3 in the very text of the answer."""
    await pipe.apply([interaction(NOON), bought(NOON, "0.1"), bought(NOON, '"0.2"')])
    reply = await pipe.ask(POPUP, *EVER)
    assert re.search(r'"value":\s*0\.30*[,}]', reply.text), reply.text


@pytest.mark.holds("4.9", "4.11")
async def test_sums_grow_past_63_bits(pipe: Pipeline) -> None:
    """1,500 times 10^12 and once 0.0001 are 1.5 * 10^19 + 1 units of 0.0001; 2^63 is 9.2 * 10^18."""
    many = [bought(NOON, "1000000000000")] * 500
    await pipe.apply([interaction(NOON), *many], many)
    await pipe.apply([bought(NOON, "0.0001"), *many])
    reply = await pipe.ask(POPUP, *EVER)
    assert reply.json["visitor_purchase_sums"] == [{"value": Decimal("1500000000000000.0001"), "currency": "EUR"}]
    assert "1500000000000000.0001" in reply.text


@pytest.mark.holds("4.9")
async def test_sums_over_several_buckets(pipe: Pipeline) -> None:
    """Day, hours and 5 minutes each carry a part: 3 * 999999999999.9999 = 2999999999999.9997."""
    times = ["2024-06-05T12:00:00Z", "2024-06-06T01:00:00Z", "2024-06-06T02:04:00Z"]
    for text in times:
        await pipe.apply([interaction(text), bought(text, "999999999999.9999"), bought(text, "0.5", "JPY")])
    reply = await pipe.ask(POPUP, "2024-06-05", "2024-06-06T02:05")
    assert reply.json["visitor_purchase_sums"] == [
        {"value": Decimal("2999999999999.9997"), "currency": "EUR"},
        {"value": Decimal("1.5"), "currency": "JPY"},
    ]


@pytest.mark.holds("4.9")
async def test_only_purchases_that_name_their_goal_so(pipe: Pipeline) -> None:
    """The event itself must name its goal `System: Visitor purchased`; what the goal is called later doesn't matter."""
    value = {"value": "7", "currency": "EUR"}
    await pipe.apply(
        [
            interaction(NOON),
            bought(NOON, "1"),
            reached(NOON, name=PURCHASED.lower(), purchase=value),
            reached(NOON, name="Renamed", purchase=value),
            reached(NOON, name=PURCHASED),
            reached(NOON + timedelta(hours=25), name="Renamed", purchase=value),
            bought(NOON + timedelta(hours=25), "100"),  # an hour too late
        ]
    )
    reply = (await pipe.ask(POPUP, *EVER)).json
    assert reply["visitor_purchase_sums"] == [{"value": 1, "currency": "EUR"}]
    assert reply["affected_goals"][0]["metrics"]["events_count"] == 4


@pytest.mark.holds("4.9")
async def test_a_purchase_of_zero_has_a_sum(pipe: Pipeline) -> None:
    """A purchase of 0 is a purchase: its currency is there with 0."""
    await pipe.apply([interaction(NOON), bought(NOON, "0")])
    assert (await pipe.ask(POPUP, *EVER)).json["visitor_purchase_sums"] == [{"value": 0, "currency": "EUR"}]


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


@pytest.mark.holds("2.0.9", "2.0.10")
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


@pytest.mark.holds("2.0.10")
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x1", "1_0"])
async def test_purchase_values_that_are_no_json(pipe: Pipeline, text: str) -> None:
    """A value that JSON doesn't know spoils the whole text."""
    await pipe.apply(bought(NOON, text))
    assert await pipe.reasons() == ["invalid_json"]
