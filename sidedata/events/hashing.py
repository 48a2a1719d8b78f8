"""Keyed hashes, the stand-ins for visitors, sessions and event ids everywhere but in the ingest stream.

BLAKE2b with a key made from the installation's secret, 64 bits. Keyed, because Redis hashes HyperLogLog elements with a public
seed: a producer that could choose the elements could choose the registers. Each use has a prefix of its own, and the
organization is hashed along, so that equal ids of two organizations have nothing in common.
"""

import hashlib

HASH_BYTES = 8


class Hashes(dict[str, str]):
    """Cache of the hashes of one use in one organization, 16 hexadecimal digits each; `hashes["ann"]` computes a missing one.

    A visitor's events arrive close together, so most look-ups hit.
    """

    def __init__(self, hasher: "Hasher", use: str, organization_id: str) -> None:
        super().__init__()
        self._hasher = hasher
        # Hashing the prefix once and copying the state is faster than hashing it for each id.
        self._copy = hasher.prefix_state(use, organization_id).copy

    def __missing__(self, text: str) -> str:
        state = self._copy()
        state.update(text.encode())
        digest = self[text] = state.hexdigest()
        self._hasher.cached += 1
        return digest

    def number(self, text: str) -> int:
        """Hash an id to an integer of 64 bits, without caching it."""
        state = self._copy()
        state.update(text.encode())
        return int.from_bytes(state.digest())


class Hasher:
    """The keyed hashes of one installation."""

    def __init__(self, secret: str) -> None:
        # BLAKE2b takes keys of 64 bytes at most; a secret may be longer.
        self._key = hashlib.blake2b(secret.encode()).digest()
        self.cached = 0  # hashes in all `Hashes` of this hasher; code that clears them resets it

    def prefix_state(self, use: str, organization_id: str) -> hashlib.blake2b:
        """Start a hash: the state after all but the id."""
        return hashlib.blake2b(f"{use}\0{organization_id}\0".encode(), key=self._key, digest_size=HASH_BYTES)

    def of(self, use: str, organization_id: str) -> Hashes:
        """The hashes of ids of one use ("visitor", "session", "event") in one organization."""
        return Hashes(self, use, organization_id)
