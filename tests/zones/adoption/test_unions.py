"""Days that are built from hours in the sparse form."""

import pytest

from sidedata.sketches.sparse_form import sparse_form
from sidedata.writes.zones.recut import merge_sketches
from tests.support.redis.client import Client

DENSE, SPARSE = b"dense", b"sparse"


async def busy(client: Client, key: str, ids: int) -> None:
    """A sketch of that many ids, in the sparse form where it is dense otherwise."""
    for first in range(0, ids, 500):
        await client.pfadd(key, *(f"{key} {number}" for number in range(first, min(first + 500, ids))))
    form = sparse_form(await client.get(key)) if ids > 1_500 else None
    if form is not None:
        await client.set(key, form)


@pytest.mark.parametrize(("ids", "encoding"), [((3_000, 4_000, 5), DENSE), ((40, 300, 5), SPARSE), ((), SPARSE)])
async def test_a_union_counts_what_its_sketches_count(client: Client, ids: tuple[int, ...], encoding: bytes) -> None:
    """A union of long sketches is built in a dense one at once, and a small one stays small; both expire."""
    sources = [f"source {number}" for number in range(len(ids))]
    for key, number in zip(sources, ids, strict=True):
        await busy(client, key, number)
    assert {await client.execute_command("PFDEBUG", "ENCODING", key) for key in sources} <= {SPARSE}
    expiry = (await client.time())[0] + 1_000
    await merge_sketches(client, [("union", [*sources, "missing"]), ("other", ["missing"])], expiry)
    assert await client.pfcount("union") == (await client.pfcount(*sources) if sources else 0)
    assert await client.execute_command("PFDEBUG", "ENCODING", "union") == encoding
    assert await client.execute_command("PFDEBUG", "ENCODING", "other") == SPARSE
    assert 0 < await client.ttl("union") <= 1_000


@pytest.mark.parametrize(("ids", "begun"), [(3_000, 1), (300, 0)])
async def test_only_unions_of_long_sketches_begin_dense(client: Client, ids: int, begun: int) -> None:
    """Redis gets an empty dense sketch to merge into, which spares it thousands of sparse forms; a small union begins sparse."""
    await busy(client, "source", ids)
    await client.config_resetstat()
    await merge_sketches(client, [("union", ["missing", "source"])], (await client.time())[0] + 1_000)
    stats = await client.info("commandstats")
    assert stats.get("cmdstat_set", {}).get("calls", 0) == begun
    assert stats["cmdstat_pfmerge"]["calls"] == 1
