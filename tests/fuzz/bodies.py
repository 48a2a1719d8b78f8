"""Bodies of requests, gzipped and damaged, for the reader of bodies."""

import gzip
import random
import zlib

from sidedata.service.api.ingest import _elements, _elements_leniently, _lines
from sidedata.service.http.bodies import Gunzip
from sidedata.service.http.problems import ProblemError
from tests.fuzz.inputs import GOOD, mutated
from tests.support.senders.validation import entering

_BODY_LIMIT = 50_000


_BOMB = gzip.compress(b"0" * 5_000_000, 9)


def refused(error: ProblemError, *statuses: int) -> None:
    """A refusal is one of those that are meant, and can be sent."""
    assert error.status in statuses
    error.response()


def body(dice: random.Random) -> None:
    """An upload is taken in within its limit, or refused; and is then what was packed."""
    text = b"\n".join(mutated(dice, dice.choice(GOOD)) for _ in range(dice.randrange(4)))
    packed = gzip.compress(text, 1) if dice.random() < 0.9 else _BOMB
    packed = b"".join([packed] * dice.choice((1, 1, 1, 2, 3)))
    sent = damaged(dice, packed) if dice.random() < 0.6 else packed
    data = check_gzip(sent, dice.choice((1, 7, 100, 65_536)), whole=sent is packed and bool(packed))
    if data is None:
        return
    array = b"[" + data.replace(b"\n", b",") + b"]"
    try:
        for raw in _lines(data) if dice.random() < 0.5 else _elements(array) or _elements_leniently(array):
            entering(raw)
    except ProblemError as error:
        refused(error, 400, 413)


def check_gzip(sent: bytes, size: int, *, whole: bool = False) -> bytes | None:
    """Assert the properties of a compressed body in pieces of that size: its content or an error; `whole`: it is not damaged."""
    gunzip = Gunzip(_BODY_LIMIT)
    try:
        for first in range(0, len(sent), size):
            gunzip.feed(sent[first : first + size])
            assert gunzip.size <= _BODY_LIMIT
        data = gunzip.finish()
    except ProblemError as error:
        refused(error, *((413,) if whole else (400, 413)))
        return None
    try:
        assert data == gzip.decompress(sent)
    except (OSError, EOFError, zlib.error):
        assert not whole
    return data


def damaged(dice: random.Random, packed: bytes) -> bytes:
    """Change, drop or repeat a few bytes of packed data."""
    damage = bytearray(packed)
    for _ in range(dice.randrange(1, 4)):
        damage[dice.randrange(len(damage))] = dice.randrange(256)
    if dice.random() < 0.3:
        del damage[dice.randrange(len(damage)) :]
    return bytes(damage) + dice.choice((b"", b"", b"\0" * 10, b"rubbish", b"\x1f\x8b"))
