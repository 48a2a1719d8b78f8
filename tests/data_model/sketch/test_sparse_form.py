"""The sparse form of dense sketches: the same registers, for Redis in every command and for the service, at any length."""

import random
from collections.abc import Callable

import numpy as np
import pytest
import redis

from sidedata.sketches.hyperloglog import (
    DENSE_BYTES,
    REGISTERS,
    Registers,
    empty,
    estimates,
    merge,
    stored_estimate,
    unpack,
)
from sidedata.sketches.sparse_form import sparse_form
from sidedata.sketches.sparse_sketch import LONG, encode_sparse, registers_of
from tests.support.redis.client import Client
from tests.support.redis.servers import RedisServer

HEADER = b"HYLL\x01" + b"\0" * 11
SIZES = (2_100, 3_000, 5_000, 7_500)


def random_registers(dice: np.random.Generator) -> Registers:
    """Registers with runs of equal values and of zeros, of any length up to all of them."""
    share, longest = dice.choice([0.01, 0.3, 0.9]), int(dice.choice([2, 6, 300, 20_000]))
    registers: Registers = empty(1)[0]
    at = 0
    while at < REGISTERS:
        run = int(dice.integers(1, longest))
        registers[at : at + run] = int(dice.integers(1, 33)) if dice.random() < share else 0
        at += run
    return registers


def unpacked(sketch: bytes) -> Registers:
    """The registers as the service reads them."""
    rows = empty(1)
    merge(rows, unpack([[(0, sketch)]]))
    registers: Registers = rows[0]
    return registers


def test_encoded_registers_are_decoded_again() -> None:
    """Any runs of registers, read by the decoder of long sketches and by that of short ones."""
    dice = np.random.default_rng(3)
    for _ in range(300):
        registers = random_registers(dice)
        payload = encode_sparse(registers)
        assert payload is not None
        assert np.array_equal(registers_of(payload), registers)
        assert np.array_equal(unpacked(HEADER + payload), registers)


def test_a_register_beyond_32_has_no_sparse_form() -> None:
    """The form has five bits for a register."""
    registers = empty(1)[0]
    registers[7] = 32
    assert encode_sparse(registers) is not None
    registers[7] = 33
    assert encode_sparse(registers) is None


def test_a_long_sketch_is_merged_again_and_again() -> None:
    """The first merge puts its registers into the stack, whose size stays; later merges and other rows get the same."""
    registers = np.minimum(np.random.default_rng(4).geometric(0.5, REGISTERS), 32).astype(np.uint8)
    payload = encode_sparse(registers)
    assert payload is not None
    assert len(payload) > LONG
    (stack,) = unpack([[(2, HEADER + payload), (3, b"HYLL" + bytes(DENSE_BYTES - 4))]])
    size = stack.size
    for _ in range(2):
        rows = empty(2)
        merge(rows, [stack], 1)
        assert np.array_equal(rows[1], registers)
        assert not rows[0].any()
        assert stack.size == size


def test_a_long_sketch_that_is_broken_is_refused() -> None:
    """Its registers are no number when it is merged."""
    stacks = unpack([[(0, HEADER + b"\x80" * (LONG + 1))]])
    with pytest.raises(ValueError, match="not a HyperLogLog"):
        merge(empty(1), stacks)


async def dense_sketch(client: Client, key: str, size: int, *, counted: bool) -> bytes:
    """Store a dense sketch of random ids, with its estimate in the header or without; returns it."""
    dice = random.Random(size)
    for first in range(0, size, 500):
        await client.pfadd(key, *(f"{dice.getrandbits(128):032x}" for _ in range(min(500, size - first))))
    if counted:
        await client.pfcount(key)
    sketch: bytes = await client.get(key)
    assert len(sketch) == DENSE_BYTES
    assert (stored_estimate(sketch) is not None) == counted
    return sketch


async def registers_in_redis(client: Client, key: str) -> list[int]:
    """The registers as Redis reads them, from a copy, because the command makes a sketch dense."""
    await client.copy(key, f"copy of {key}", replace=True)
    found: list[int] = await client.execute_command("PFDEBUG", "GETREG", f"copy of {key}")
    return found


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("size", SIZES)
async def test_redis_takes_both_forms_for_the_same(client: Client, size: int, counted: bool) -> None:  # noqa: FBT001 - a parameter
    """PFDEBUG GETREG, PFCOUNT of one and of several, PFADD, PFMERGE from and into, DUMP and RESTORE."""
    dense = await dense_sketch(client, "dense", size, counted=counted)
    sparse = sparse_form(dense)
    assert sparse is not None
    assert len(sparse) <= 0.75 * DENSE_BYTES
    await client.set("sparse", sparse)
    assert await client.execute_command("PFDEBUG", "ENCODING", "sparse") == b"sparse"
    registers = await registers_in_redis(client, "dense")
    assert await registers_in_redis(client, "sparse") == registers
    assert unpacked(sparse).tolist() == registers
    # The estimate in the header is the one that Redis finds without it.
    await client.set("uncounted", sparse[:15] + b"\x80" + sparse[16:])
    assert await client.pfcount("uncounted") == await client.pfcount("sparse") == await client.pfcount("dense")
    assert await client.get("sparse") == sparse

    await client.pfadd("other", *(f"other {number}" for number in range(300)))
    assert await client.pfcount("sparse", "other") == await client.pfcount("dense", "other")
    for key in ("dense", "sparse"):
        await client.pfmerge(f"from {key}", key, "other")
        await client.copy(key, f"into {key}")
        await client.pfmerge(f"into {key}", "other")
    for way in ("from", "into"):
        assert await registers_in_redis(client, f"{way} sparse") == await registers_in_redis(client, f"{way} dense")
        assert await client.pfcount(f"{way} sparse") == await client.pfcount(f"{way} dense")

    await client.restore("restored", 0, await client.dump("sparse"))
    assert await client.get("restored") == sparse
    for number in range(200):
        assert await client.pfadd("sparse", f"late {number}") == await client.pfadd("dense", f"late {number}")
    assert await client.pfcount("sparse") == await client.pfcount("dense")
    assert await registers_in_redis(client, "sparse") == await registers_in_redis(client, "dense")


def test_it_survives_a_rewrite_and_a_restart(private_server: Callable[..., RedisServer]) -> None:
    """The append-only file holds it as it is, as a command and after a rewrite; then a late PFADD is right, too."""
    server = private_server("--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", "no")
    client = redis.Redis.from_url(server.url, protocol=2)
    client.pfadd("dense", *(f"id {number}" for number in range(4_000)))
    sketch = client.get("dense")
    assert isinstance(sketch, bytes)
    sparse = sparse_form(sketch)
    assert sparse is not None
    client.set("sparse", sparse)
    for _ in range(2):
        server.kill()
        server.start()
        assert client.get("sparse") == sparse
        assert client.pfcount("sparse") == client.pfcount("dense")
        client.bgrewriteaof()
        while client.info("persistence")["aof_rewrite_in_progress"]:
            pass
    assert client.pfadd("sparse", *(f"late {number}" for number in range(50))) == 1
    client.pfadd("dense", *(f"late {number}" for number in range(50)))
    assert client.pfcount("sparse") == client.pfcount("dense")
    client.close()


def test_a_crowded_sketch_stays_dense() -> None:
    """From some 7,700 ids on the sparse form saves less than a quarter."""
    sizes = {}
    for ids in (7_000, 8_500):
        dice = np.random.default_rng(ids)
        registers = empty(1)
        values = np.minimum(dice.geometric(0.5, ids), 32).astype(np.uint8)
        np.maximum.at(registers[0], dice.integers(0, REGISTERS, ids), values)
        bits = np.packbits(registers[0][:, None] >> np.arange(6, dtype=np.uint8) & 1, bitorder="little")
        dense = b"HYLL" + bytes(11) + b"\x80" + bits.tobytes()
        found = sparse_form(dense)
        sizes[ids] = None if found is None else stored_estimate(found)
        assert sizes[ids] in (None, *estimates(registers))
    assert sizes[7_000] is not None
    assert sizes[8_500] is None
