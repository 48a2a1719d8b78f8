"""Sketches taken apart, merged and counted outside of Redis, against Redis itself and against the format read step by step."""

import random

import numpy as np
import pytest

from sidedata.sketches.hyperloglog import REGISTERS, Stack, empty, estimates, merge, unpack
from tests.support.redis.client import Client

HEADER = b"HYLL\x01" + b"\0" * 11


async def test_merged_rows_count_what_redis_counts(client: Client) -> None:
    """Empty, sparse and dense sketches of several rows, merged in any chunks of rows, are estimated to PFCOUNT's number."""
    dice = random.Random(5)
    stacks: list[list[tuple[int, bytes]]] = [[] for _ in range(4)]
    for row in range(7):
        for number, stack in enumerate(stacks):
            size = dice.choice((0, 1, 30, 400, 3_000, 60_000))
            members = [str(dice.randrange(200_000)) for _ in range(size)]
            for first in range(0, size, 1_000):
                await client.pfadd(f"row:{row}:{number}", *members[first : first + 1_000])
            if size:
                stack.append((row, await client.get(f"row:{row}:{number}")))
    unpacked = unpack(stacks)
    for chunk in (7, 3, 1):
        found: list[int] = []
        for first in range(0, 7, chunk):
            rows = empty(min(chunk, 7 - first))
            merge(rows, unpacked, first)
            found += estimates(rows)
        counted = [await client.pfcount(*(f"row:{row}:{number}" for number in range(4))) for row in range(7)]
        assert found == counted


def test_sparse_sketches_are_read_as_the_format_says() -> None:
    """Any order of operations, second bytes that look like operations included, and many sketches at once."""
    dice = random.Random(6)
    for _ in range(200):
        payloads = [_payload(dice) for _ in range(dice.randrange(1, 6))]
        stacks = unpack([[(2 * row, HEADER + payload)] for row, payload in enumerate(payloads)])
        together = unpack([[(2 * row, HEADER + payload) for row, payload in enumerate(payloads)]])[0]
        for row, (payload, stack) in enumerate(zip(payloads, stacks, strict=True)):
            expected = _read(payload)
            for found, first in ((stack, 2 * row), (together, 2 * row)):
                registers = empty(1)
                merge(registers, [found], first)
                assert registers[0].tolist() == expected


def test_rare_large_registers_are_counted_too() -> None:
    """The estimate of registers beyond 31 is that of the plain way; both agree where both can."""
    rows = np.minimum(np.random.default_rng(7).geometric(0.5, (3, REGISTERS)), 31).astype(np.uint8)
    plain = estimates(rows)
    beyond = rows.copy()
    beyond[:, 5] = 40
    assert [abs(a - b) <= 20 for a, b in zip(estimates(beyond), plain, strict=True)] == [True] * 3
    with_large_neighbour = np.concatenate([rows, beyond[:1]])
    assert estimates(with_large_neighbour)[:3] == plain
    assert estimates(empty(2)) == [0, 0]


@pytest.mark.parametrize(
    "broken", [b"", b"HYLL", b"a string", HEADER, HEADER + b"\x3f", HEADER + b"\x7f", HEADER[:4] + b"\0" * 500]
)
def test_what_is_no_sketch_is_refused(broken: bytes) -> None:
    """A value of another kind, or one cut short, is an error and no number."""
    with pytest.raises(ValueError, match="not a HyperLogLog"):
        unpack([[(0, broken)]])


def test_an_empty_stack_changes_nothing() -> None:
    """A bucket without sketches is a stack like any other."""
    (stack,) = unpack([[]])
    rows = empty(1)
    merge(rows, [stack])
    assert not rows.any()
    assert stack.size > 0
    assert isinstance(stack, Stack)


def _payload(dice: random.Random) -> bytes:
    """Operations that cover all registers, of any kinds in any order."""
    out = bytearray()
    left = REGISTERS
    likely = dice.choice(((1, 1, 1), (1, 8, 1), (8, 1, 8)))
    while left:
        kind = dice.choices(("zero", "xzero", "val"), likely)[0]
        if kind == "zero":
            run = min(left, dice.randrange(1, 65))
            out.append(run - 1)
        elif kind == "xzero":
            # Often one whose second byte looks like the first of another.
            run = min(left, dice.choice((dice.randrange(1, 16_385), dice.randrange(3) * 256 + 0x41)))
            out += bytes((0x40 | (run - 1) >> 8, (run - 1) & 255))
        else:
            run = min(left, dice.randrange(1, 5))
            out.append(0x80 | dice.randrange(32) << 2 | (run - 1))
        left -= run
    return bytes(out)


def _read(payload: bytes) -> list[int]:
    registers: list[int] = []
    at = 0
    while at < len(payload):
        code = payload[at]
        if code & 0x80:
            registers += [(code >> 2 & 31) + 1] * ((code & 3) + 1)
        elif code & 0x40:
            at += 1
            registers += [0] * (((code & 0x3F) << 8 | payload[at]) + 1)
        else:
            registers += [0] * (code + 1)
        at += 1
    return registers
