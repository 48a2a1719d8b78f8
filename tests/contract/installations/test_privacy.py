"""A copy of Redis reveals no visitor, and holds no key without a TTL but those that the contract lists."""

from datetime import timedelta

import pytest

from tests.support.events import bought, interaction, started, triggered, view
from tests.support.pipeline import Pipeline, pipeline


@pytest.mark.holds("2.1.7", "2.1.8", "7.8")
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
