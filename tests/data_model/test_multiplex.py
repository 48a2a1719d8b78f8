"""The connection that carries many questions at a time: order, errors, and what becomes of it when Redis goes."""

import asyncio
from collections.abc import Callable

import pytest
import redis.exceptions as redis_errors

from sidedata.errors import CommandRefusedError
from sidedata.redis.multiplex import MultiplexedConnection, ReplyError
from sidedata.redis.replies import Reply, Word
from sidedata.redis.scripts import Script
from sidedata.redis.standalone import StandaloneGateway
from tests.support.redis.client import Client, connect
from tests.support.redis.servers import RedisServer
from tests.support.waiting import eventually


def multiplexed(client: Client) -> MultiplexedConnection:
    """The client's multiplexed connection."""
    assert isinstance(client.gateway, StandaloneGateway)
    assert client.gateway.multiplexed is not None
    return client.gateway.multiplexed


async def command(connection: MultiplexedConnection, *words: Word) -> Reply:
    """Send one command and return its reply."""
    return (await connection.exchange([words]))[0]


async def test_replies_come_to_those_who_asked(client: Client) -> None:
    """A thousand questions at once over one connection, each with its own answer; an error reply reaches its asker alone."""
    before = (await client.info("clients"))["connected_clients"]
    questions = [command(multiplexed(client), "ECHO", str(number)) for number in range(1_000)]
    *replies, refused = await asyncio.gather(
        *questions, command(multiplexed(client), "NO", "SUCH", "COMMAND"), return_exceptions=True
    )
    assert replies == [str(number).encode() for number in range(1_000)]
    assert isinstance(refused, ReplyError)
    assert (await client.info("clients"))["connected_clients"] == before + 1


async def test_a_script_that_redis_does_not_know_is_sent(client: Client) -> None:
    """A restarted server has forgotten all scripts; the ordinary way sends the text, and the next call finds it."""
    echo = Script.of("return {KEYS[1], ARGV[1]}", read_only=True)
    await client.script_flush()
    assert await client.call(echo, ["key"], ["1"]) == [b"key", b"1"]
    assert await client.call(echo, ["key"], ["2"]) == [b"key", b"2"]


async def test_an_error_of_a_script_is_the_clients_own(client: Client) -> None:
    """An error has the same class on the multiplexed and on the ordinary way."""
    wrong = Script.of("return redis.call('GET', KEYS[1], 'too many')", read_only=True)
    with pytest.raises(CommandRefusedError):
        await client.call(wrong, ["key"])


async def test_a_lost_connection_is_opened_anew(client: Client) -> None:
    """Commands under way fail when it breaks; the next one finds another connection."""
    connection = multiplexed(client)
    waiting = asyncio.create_task(command(connection, "BLPOP", "nothing comes here", 0))

    async def blocked() -> bool:
        return bool((await client.info("clients"))["blocked_clients"])

    await eventually(blocked)
    await client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(redis_errors.ConnectionError):
        await waiting
    assert await command(connection, "PING") == b"PONG"


async def test_who_gives_up_leaves_no_reply_for_another(client: Client) -> None:
    """The late reply to a cancelled command is never taken for that of the next one."""
    connection = multiplexed(client)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await command(connection, "BLPOP", "nothing comes here", 0)
    assert await command(connection, "ECHO", "mine") == b"mine"


@pytest.mark.undeployed("it logs in as Redis's default user, which is off there")
async def test_it_logs_in_and_chooses_its_database(private_server: Callable[..., RedisServer]) -> None:
    """Password and database of the address hold for the line, too; without the password it is refused."""
    server = private_server()
    admin = connect(server.url, timeout=5)
    await admin.config_set("requirepass", "a password")
    await admin.aclose()
    right = connect(f"{server.url}?db=3&password=a%20password", timeout=5)
    wrong = connect(server.url, timeout=5)
    try:
        await right.set("key", "value")
        assert await command(multiplexed(right), "GET", "key") == b"value"
        with pytest.raises(ReplyError):
            await command(multiplexed(wrong), "GET", "key")
    finally:
        await right.aclose()
        await wrong.aclose()


async def test_without_a_server_there_is_no_connection(tmp_path: object) -> None:
    """An address without a server is a connection error, as in the ordinary way."""
    absent = connect(f"unix://{tmp_path}/nobody", timeout=5)
    with pytest.raises(redis_errors.ConnectionError):
        await command(multiplexed(absent), "PING")
    await absent.aclose()
