"""What a reader that knows something already is sent."""

from datetime import timedelta

from store.read import Part, read
from tests.events import PAGES, view
from tests.support import ORG, pipeline


async def test_of_what_may_have_changed_only_what_did_is_sent(redis_url: str) -> None:
    """Two hours may have changed and one has: the other is not read again. If the log doesn't tell, both are."""
    async with pipeline(redis_url, partitions=1) as pipe:
        now = await pipe.now()
        before = now - timedelta(hours=1)
        await pipe.push(view(now, "ann"), view(before, "bob"))
        await pipe.drain()
        hours = [Part("hour", int(at.timestamp()) // 3600 * 3600, "visitors") for at in (before, now)]

        async def reading(revision: int | None) -> tuple[int, list[Part]]:
            found = await read(
                *(pipe.client, pipe.installation, ORG, PAGES),
                revision=revision,
                names=0,
                missing=[],
                open_parts=hours,
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
