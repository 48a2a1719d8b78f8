"""Keyed hashes: what stands for a visitor, a session or an event id outside of the ingest stream.

BLAKE2b with a key made from the installation's secret, 64 bits. Keyed, because Redis hashes HyperLogLog elements with a seed
that everybody knows: who could choose the elements could choose the registers. Each use has a prefix of its own, and the
organization is hashed along, so that equal ids of two organizations have nothing in common.
"""

import hashlib
from collections.abc import Callable

HASH_BYTES = 8


class Hasher:
    """The keyed hashes of one installation."""

    def __init__(self, secret: str) -> None:
        # BLAKE2b takes keys of 64 bytes at most; a secret may be longer.
        self._key = hashlib.blake2b(secret.encode()).digest()

    def of(self, use: str, organization_id: str) -> Callable[[str], str]:
        """The hash of ids of one use ("visitor", "session", "event") in one organization, as 16 hexadecimal digits."""
        # Hashing the prefix once and copying the state is faster than hashing it for each id.
        base = hashlib.blake2b(f"{use}\0{organization_id}\0".encode(), key=self._key, digest_size=HASH_BYTES)
        copy = base.copy

        def digest(text: str) -> str:
            state = copy()
            state.update(text.encode())
            return state.hexdigest()

        return digest
