"""Keyed hashes: what stands for a visitor, a session or an event id outside of the ingest stream.

BLAKE2b with a key made from the installation's secret, 64 bits. Keyed, because Redis hashes HyperLogLog elements with a seed
that everybody knows: who could choose the elements could choose the registers. Each use has a prefix of its own, and the
organization is hashed along, so that equal ids of two organizations have nothing in common.
"""

import hashlib

HASH_BYTES = 8


class Hashes(dict[str, str]):
    """The hashes of one use in one organization, as 16 hexadecimal digits: looked up like `hashes["ann"]`, made when missing.

    A visitor's events come close together, so most look-ups find what an earlier one made.
    """

    def __init__(self, hasher: "Hasher", use: str, organization_id: str) -> None:
        super().__init__()
        self._hasher = hasher
        # Hashing the prefix once and copying the state is faster than hashing it for each id.
        self._copy = hasher.begun(use, organization_id).copy

    def __missing__(self, text: str) -> str:
        state = self._copy()
        state.update(text.encode())
        made = self[text] = state.hexdigest()
        self._hasher.kept += 1
        return made

    def number(self, text: str) -> int:
        """The hash as an integer of 64 bits; not kept."""
        state = self._copy()
        state.update(text.encode())
        return int.from_bytes(state.digest())


class Hasher:
    """The keyed hashes of one installation."""

    def __init__(self, secret: str) -> None:
        # BLAKE2b takes keys of 64 bytes at most; a secret may be longer.
        self._key = hashlib.blake2b(secret.encode()).digest()
        self.kept = 0  # hashes that all `Hashes` made from this keep; who clears those sets it back

    def begun(self, use: str, organization_id: str) -> hashlib.blake2b:
        """The state of a hash that has taken in all but the id."""
        return hashlib.blake2b(f"{use}\0{organization_id}\0".encode(), key=self._key, digest_size=HASH_BYTES)

    def of(self, use: str, organization_id: str) -> Hashes:
        """The hashes of ids of one use ("visitor", "session", "event") in one organization."""
        return Hashes(self, use, organization_id)
