"""Readings of a reader that has cached something already."""

from datetime import timedelta
from typing import Any

import pytest

from sidedata.reads.workflow_parts import read
from sidedata.schema.bucket_fields import BucketField, Goals
from sidedata.sketches.hyperloglog import empty, estimates, merge, unpack
from tests.support.constants import ORG
from tests.support.events import GOAL, PAGES, POPUP, triggered, view
from tests.support.pipeline import pipeline


async def test_of_what_may_have_changed_only_what_did_is_sent(redis_url: str) -> None:
    """Two hours may have changed and one has: the other is not read again. If the log doesn't tell, both are."""
    async with pipeline(redis_url, partitions=1) as pipe:
        now = await pipe.now()
        before = now - timedelta(hours=1)
        await pipe.push(view(now, "ann"), view(before, "bob"))
        await pipe.drain()
        hours = [BucketField("hour", int(at.timestamp()) // 3600 * 3600, "visitors") for at in (before, now)]

        async def reading(revision: int | None) -> tuple[int, list[BucketField]]:
            found = await read(
                *(pipe.client, pipe.installation, ORG, PAGES),
                revision=revision,
                names=0,
                missing=[],
                open_fields=hours,
                goals=[],
            )
            assert all(found.data.values())
            return found.revision, list(found.data)

        known, sent = await reading(None)
        assert sent == hours
        assert await reading(known) == (known, [])
        await pipe.push(view(now, "eve"))
        await pipe.drain()
        newer, sent = await reading(known)
        assert newer > known
        assert sent == hours[1:]
        assert (await reading(1))[1] == hours


@pytest.mark.parametrize("ordinary", [False, True], ids=["line", "ordinary client"])
async def test_counts_and_sketches_are_of_one_revision(
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    ordinary: bool,  # noqa: FBT001 - a parameter
) -> None:
    """A commit between the two round trips of a reading makes it read again, as often as it happens."""
    async with pipeline(redis_url, partitions=1) as pipe:
        if ordinary:
            monkeypatch.setattr(pipe.client.gateway, "multiplexed", None)
        now = await pipe.now()
        hour = BucketField("hour", int(now.timestamp()) // 3600 * 3600, "goals")
        await pipe.apply(triggered(now, "v0"))
        poll, commits = pipe.client.gateway.poll, 0

        async def overtaken(*arguments: Any) -> Any:  # noqa: ANN401 - those of `poll`
            nonlocal commits
            if commits < 3:
                commits += 1
                await pipe.apply(triggered(now, f"v{commits}"))
            return await poll(*arguments)

        monkeypatch.setattr(pipe.client.gateway, "poll", overtaken)
        found = await read(
            *(pipe.client.gateway, pipe.installation, ORG, POPUP),
            revision=None,
            names=None,
            missing=[hour],
            open_fields=[],
            goals=[],
        )
        goals = found.data[hour]
        assert isinstance(goals, Goals)
        field = f"triggered:{GOAL}"
        rows = empty(1)
        merge(rows, unpack([[(0, goals.sketches[field][0] or b"")]]))
        assert commits == 3
        assert goals.counts[field] == 4
        assert estimates(rows) == [4]
        assert found.goals == {GOAL: "Goal"}
