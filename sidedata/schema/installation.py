"""What is fixed for an installation when its first process starts: number of partitions, schema, secret.

`sd:config` holds them. A process that was configured otherwise must not run: with another number of partitions it would read
and write other streams, with another secret the same visitor would count twice.
"""

import hashlib

import msgspec

from sidedata.errors import StopError
from sidedata.redis.client import Client, translated
from sidedata.schema import keys
from sidedata.settings import Settings

SCHEMA = 1
DEFAULT_PARTITIONS = 16
MAX_PARTITIONS = 16_384  # the number of cluster slots; more could not be spread any wider


class Installation(msgspec.Struct, frozen=True):
    """The facts that every process of an installation shares."""

    partitions: int

    def partition_of(self, organization_id: str) -> int:
        """The partition of an organization, given as 36 lowercase characters."""
        return keys.partition_of(organization_id, self.partitions)


def fingerprint(secret: str) -> str:
    """Tells secrets apart without telling anything about them."""
    return hashlib.blake2b(
        b"sidedata fingerprint", key=hashlib.sha256(secret.encode()).digest(), digest_size=8
    ).hexdigest()


async def open_installation(client: Client, settings: Settings, *, secret_needed: bool = False) -> Installation:
    """Read the installation's facts, or fix them where there are none yet.

    Raises:
        StopError: this process was configured differently, or the store is of another schema.
        StoreUnavailableError: Redis is out of reach.
    """
    if secret_needed and not settings.secret:
        raise StopError("SIDEDATA_SECRET is not set; give every process of the installation the same long random text")
    if settings.partitions > MAX_PARTITIONS:
        raise StopError(f"SIDEDATA_PARTITIONS is {settings.partitions}; at most {MAX_PARTITIONS} make sense")
    with translated():
        # HSETNX: of two processes that start at once, one decides and both read what it decided.
        stored = await client.hgetall(keys.CONFIG)
        if b"schema" not in stored:
            await client.hsetnx(keys.CONFIG, "partitions", settings.partitions or DEFAULT_PARTITIONS)
            await client.hsetnx(keys.CONFIG, "schema", SCHEMA)
        if settings.secret and b"secret" not in stored:  # a worker must be able to start while Redis is full
            await client.hsetnx(keys.CONFIG, "secret", fingerprint(settings.secret))
        stored = await client.hgetall(keys.CONFIG)
    if int(stored[b"schema"]) != SCHEMA:
        raise StopError(
            f"the store has schema {int(stored[b'schema'])}, this program knows {SCHEMA}: run the matching version"
        )
    partitions = int(stored[b"partitions"])
    if settings.partitions not in (0, partitions):
        raise StopError(
            f"SIDEDATA_PARTITIONS is {settings.partitions}, but the installation was created with {partitions}"
        )
    if settings.secret and stored[b"secret"].decode() != fingerprint(settings.secret):
        raise StopError("SIDEDATA_SECRET is not the one that the installation was created with")
    return Installation(partitions)
