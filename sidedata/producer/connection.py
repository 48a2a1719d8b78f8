"""The producer's way to Redis. Loaded when a producer is made: the client's import takes longer than all others together."""

from typing import Final
from urllib.parse import urlsplit

from sidedata.errors import SidedataError, StopError
from sidedata.producer.errors import ProducerError
from sidedata.producer.limits import Limits
from sidedata.producer.sender import Sender
from sidedata.reads.records import read_partition_count
from sidedata.redis.client import SCHEMES, connect
from sidedata.redis.gateway import Gateway

_TIMEOUT_SECONDS: Final = 10.0


class ProducerConnection:
    """A gateway, the sender on it, and the installation's number of partitions."""

    def __init__(self, gateway: Gateway, limits: Limits, partitions: int) -> None:
        self.sender = Sender(gateway, limits)
        self.partitions = partitions
        self._gateway = gateway

    async def close(self, timeout: float | None) -> None:  # noqa: ASYNC109 - None waits as long as it takes
        """Send what waits, then disconnect.

        Raises:
            DeliveryFailed: as `Sender.close`.
        """
        try:
            await self.sender.close(timeout)
        finally:
            await self._gateway.aclose()


def check_address(url: str) -> None:
    """Read an address of Redis without connecting.

    Raises:
        ProducerError: it can not be read, and the text does not repeat it, because it may hold a password; or redis-py is too old.
    """
    if not isinstance(url, str) or urlsplit(url).scheme not in SCHEMES:
        raise ProducerError(f"the address of Redis must begin with {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
    try:
        connect(url, timeout=_TIMEOUT_SECONDS)  # opens nothing
    except StopError as error:
        raise ProducerError(str(error)) from error
    except (SidedataError, ValueError) as error:
        raise ProducerError("the address of Redis can not be read") from error


async def open_connection(url: str, limits: Limits, partitions: int | None) -> ProducerConnection:
    """Connect, and read the number of partitions unless it is given.

    Raises:
        ProducerError: Redis is out of reach or refuses, or there is no installation in it.
    """
    gateway = connect(url, timeout=_TIMEOUT_SECONDS)
    try:
        return ProducerConnection(gateway, limits, partitions or await _require_partition_count(gateway))
    except BaseException:
        await gateway.aclose()
        raise


async def _require_partition_count(gateway: Gateway) -> int:
    try:
        partitions = await read_partition_count(gateway)
    except SidedataError as error:
        raise ProducerError(str(error)) from error
    if partitions is None:
        raise ProducerError("there is no installation in this Redis yet: its first worker or service makes one")
    return partitions
