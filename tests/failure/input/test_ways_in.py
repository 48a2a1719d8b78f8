"""One broken text among good events, by every way in: the broken one is named alone, and its neighbours count."""

import io
import json
import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidedata import InvalidEvent
from sidedata.events.decode import Event, decode_event
from sidedata.events.rejection import Rejection
from sidedata.ingest.apply.entries import EntryDecoder
from sidedata.ingest.archive.lines import read_lines
from sidedata.producer.encode import encode
from sidedata.schema.keys import partition_of
from sidedata.service.api.ingest import _elements, _elements_leniently, _lines
from sidedata.writes.append import pack
from tests.fuzz.inputs import GOOD, NASTY, mutated
from tests.support.constants import ORG
from tests.support.events import fields_of
from tests.support.senders.validation import entering

PARTITION = partition_of(ORG, 16)
BOM = b"\xef\xbb\xbf"


def altered(old: bytes, new: bytes) -> bytes:
    """A good event with another text in one place."""
    assert old in GOOD[0]
    return GOOD[0].replace(old, new)


TAIL = b'"id": "e-1"'
# Texts that a producer of an older or newer make, another encoding or a broken pipe has sent; each on one line.
BROKEN = [
    altered(TAIL, b'"id": "e-1", "title": "Sale \xed\xa0\xbd\xed\xb8\x80"'),
    altered(TAIL, b'"id": "e-1", "title": "Jos\xe9"'),
    GOOD[0].decode().encode("utf-16").replace(b"\n", b""),
    GOOD[0].decode().encode("utf-16-le"),
    GOOD[0].decode().encode("utf-32"),
    altered(b'"v-1"', b'"\\ud83d"'),
    altered(b'"v-1"', b'"\\udc00\\ud83d"'),
    altered(TAIL, b'"id": NaN'),
    altered(TAIL, b'"id": "e-1",'),
    altered(TAIL, b'"id": "e-1", "x": [1,]'),
    altered(TAIL, b'"id": "e-1", "x": "\\q"'),
    altered(TAIL, b'"id": "e-1", "x": "\x01"'),
    altered(TAIL, b'"id": "e-1", "x": 01'),
    b'{"type": "page_view"',
    b'"text"',
    b"nope",
    b"[]",
    b"7",
    GOOD[0] + b"," + GOOD[0],
    GOOD[0][:-1],
    GOOD[0] + b"}",
    b"]",
    b'"',
]
# Texts with something unknown in them that changes nothing.
UNKNOWN = [
    altered(TAIL, b'"title": "Ale \\ud83d"'),
    altered(TAIL, b'"\\ud83d": "\\ude00 ]}"'),
    altered(TAIL, b'"x": {"y": [{"z": "\\ud83d"}, 1e999, -0, ' + b"9" * 5_000 + b"]}"),
    altered(TAIL, b'"x": ' + b"[" * 499 + b"]" * 499),
    altered(TAIL, b'"x": ' + b'{"\\ud83d":' * 250 + b"[" * 249 + b"]" * 249 + b"}" * 250),
    altered(TAIL, b'"id": null'),
    GOOD[4].replace(b'"EUR"', b'"EUR", "items": [{"name": "Lahjakortti \\ud83d"}]'),
    GOOD[4].replace(b'"EUR"', b'"EUR", "items": ' + b"[" * 498 + b"]" * 498),
    BOM + GOOD[0],
    b" " + BOM + b"\t" + GOOD[0] + b" ",
]


def through_the_stream(raws: list[bytes]) -> Iterator[bytes]:
    """The events that a worker applies of an entry that holds these texts."""
    for value in pack(raws):
        decoder = EntryDecoder(PARTITION, 16)
        decoder.read("1795471200000-0", [b"events", value])
        yield from (event.raw for event in decoder.events)


def pushed(raws: list[bytes], shift: int = 0, *, needs_time: bool = False) -> list[bytes]:
    """By `sidedata push`, with and without `--rebase`, and by rebuild: lines of a file."""
    lines = list(read_lines(io.BytesIO(b"\n".join(raws)), 16, shift, needs_time=needs_time))
    return list(through_the_stream([line.raw for line in lines if line.problem is None]))


def rebased(raws: list[bytes]) -> list[bytes]:
    """By `sidedata push --rebase`."""
    return pushed(raws, -7, needs_time=True)


def rebuilt(raws: list[bytes]) -> list[bytes]:
    """By `sidedata rebuild`, which takes the lines of its organization alone."""
    lines = list(read_lines(io.BytesIO(b"\n".join(raws)), 16, needs_time=True))
    return list(through_the_stream([line.raw for line in lines if line.problem is None and line.organization == ORG]))


def produced(raws: list[bytes]) -> list[bytes]:
    """By the producer, as bytes."""
    taken = []
    for raw in raws:
        try:
            taken.append(encode(raw).raw)
        except InvalidEvent:
            continue
    return list(through_the_stream(taken))


def mapped(raws: list[bytes]) -> list[bytes]:
    """By the producer, as mappings."""
    taken = []
    for raw in raws:
        try:
            taken.append(encode(json.loads(raw.decode())).raw)
        except ValueError:  # InvalidEvent is one; what is no JSON never becomes a mapping
            continue
    return list(through_the_stream(taken))


def posted(raws: list[bytes]) -> list[bytes]:
    """Over HTTP, as lines: what is refused is left out by its index, and the rest sent again."""
    return list(through_the_stream(accepted(list(_lines(b"\n".join(raws))))))


def posted_as_array(raws: list[bytes]) -> list[bytes]:
    """Over HTTP, as an array, where its brackets close."""
    body = b"[" + b",".join(raws) + b"]"
    return list(through_the_stream(accepted(list(_elements(body) or _elements_leniently(body)))))


def accepted(raws: list[bytes]) -> list[bytes]:
    """The texts that pass, as they enter the stream."""
    return [valid for raw in raws if (valid := entering(raw)) is not None]


LINES = [pushed, rebased, rebuilt, produced, posted]


def without_mark(raws: list[bytes]) -> list[bytes]:
    """By XADD of a packed array."""
    return list(through_the_stream(raws))


@pytest.mark.parametrize("way", LINES)
@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_text_costs_no_neighbour(way: Callable[[list[bytes]], list[bytes]], broken: bytes) -> None:
    """Whatever it is, it is left out or becomes a dead letter alone."""
    assert len(way([GOOD[1], broken, GOOD[2]])) == 2


@pytest.mark.parametrize("way", [*LINES, mapped, posted_as_array, without_mark])
@pytest.mark.parametrize("text", UNKNOWN, ids=range(len(UNKNOWN)))
def test_unknown_fields_change_nothing(way: Callable[[list[bytes]], list[bytes]], text: bytes) -> None:
    """At any depth, with any JSON, half of a surrogate pair included; a null and a byte order mark do no more."""
    if way is mapped and (BOM in text or b"9999" in text):
        return  # json.loads reads neither
    assert len(way([GOOD[1], text, GOOD[2]])) == 3


@pytest.mark.holds("2.1.5")
@pytest.mark.parametrize("way", [without_mark, posted_as_array])
@pytest.mark.parametrize("broken", BROKEN[:13], ids=range(13))
def test_an_element_is_a_dead_letter_alone(way: Callable[[list[bytes]], list[bytes]], broken: bytes) -> None:
    """Elements are separated by strings and brackets over the bytes."""
    if broken.startswith((b"\xff\xfe", b"{\x00")):
        broken = broken.removesuffix(b"\x00").replace(b"\x00", b"")[:-1] + b"\xe9}"
    assert len(way([GOOD[1], broken, GOOD[2]])) == 2


@given(st.integers(0, 2**64), st.sampled_from(LINES))
def test_any_broken_text_costs_no_neighbour(seed: int, way: Callable[[list[bytes]], list[bytes]]) -> None:
    """Mutations of good events and nasty texts, a few at once, between good events that carry ids of their own."""
    dice = random.Random(seed)
    raws: list[bytes] = []
    good = 0
    for number in range(6):
        if dice.random() < 0.5:
            raws.append(GOOD[0].replace(b'"e-1"', b'"good-%d"' % number))
            good += 1
        else:
            poison = dice.choice(NASTY) if dice.random() < 0.3 else mutated(dice, dice.choice(GOOD))
            raws.append(poison.replace(b"\n", b"").replace(b"\r", b""))
    assert sum(b"good-" in raw for raw in way(raws)) == good


@given(st.integers(0, 2**64))
def test_both_readers_of_an_event_agree(seed: int) -> None:
    """With an unknown field that only the slow reader gets past, an event is read as without it."""
    dice = random.Random(seed)
    raw = mutated(dice, dice.choice(GOOD))
    slow = raw.replace(b"{", b'{"note": "\\ud83d", ', 1)
    fast, lenient = decode_event(raw), decode_event(slow)
    if isinstance(fast, Event) and raw.startswith(b"{"):
        assert fields_of(lenient) == fields_of(fast)
    elif isinstance(fast, Rejection) and fast.reason == "invalid_event" and raw.startswith(b"{") and raw != b"{}":
        assert isinstance(lenient, Rejection), (fast, lenient)
        assert lenient.reason == "invalid_event"
