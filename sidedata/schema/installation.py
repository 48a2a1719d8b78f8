"""The configuration of an installation, fixed when its first process starts: number of partitions, schema, secret. Pure.

`sd:config` holds it. A process that is configured otherwise must not run: with another number of partitions it would read and
write other streams, with another secret the same visitor would count twice.
"""

import hashlib
from typing import Final

from msgspec import Struct

from sidedata.schema import keys

SCHEMA: Final = 1
DEFAULT_PARTITIONS: Final = 16
MAX_PARTITIONS: Final = 16_384  # the number of cluster slots; more could not be spread any wider


class Configuration(Struct, frozen=True):
    """The fields of `sd:config`; None for a field that no process has written yet. `secret` is a fingerprint."""

    partitions: int | None = None
    schema: int | None = None
    secret: str | None = None


class Installation(Struct, frozen=True):
    """The facts that every process of an installation shares."""

    partitions: int

    def partition_of(self, organization_id: str) -> int:
        """The partition of an organization, given as 36 lowercase characters."""
        return keys.partition_of(organization_id, self.partitions)

    def keyspace_of(self, organization_id: str) -> keys.Keyspace:
        """The names of the keys of an organization's partition."""
        return keys.keyspace(self.partition_of(organization_id))


def fingerprint(secret: str) -> str:
    """Compute a text that differs between secrets and reveals nothing about them."""
    return hashlib.blake2b(
        b"sidedata fingerprint", key=hashlib.sha256(secret.encode()).digest(), digest_size=8
    ).hexdigest()
