"""Lua scripts, an operation each, in a folder for each subject.

Every file opens with its KEYS, ARGV, reply and the reason why it must be atomic.
"""

import hashlib
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from msgspec import Struct


class Script(Struct, frozen=True):
    """A script and the SHA-1 that Redis knows it by; nothing rests on that digest's strength.

    Most scripts name all their keys. A script with `undeclared_keys` also builds names of other keys of its slot. It must not
    follow a slot in the midst of its migration: on the new node, a key that has not arrived looks like a missing one. (On the old
    node, a read of a key that has left is an error.) So it fails until the slot has moved.

    A `read_only` script may run twice, and travels over the multiplexed connection where there is one.
    """

    source: str
    sha: str
    undeclared_keys: bool = False
    read_only: bool = False

    @classmethod
    def of(cls, source: str, *, undeclared_keys: bool = False, read_only: bool = False) -> "Script":
        """Make a script from its text."""
        sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        return cls(source, sha, undeclared_keys, read_only)


@cache
def script(name: str, *, undeclared_keys: bool = False, read_only: bool = False) -> Script:
    """Load the script in `<name>.lua`, once; see `Script`. No two folders hold the same name."""
    source = files()[name].read_text(encoding="utf-8")
    return Script.of(source, undeclared_keys=undeclared_keys, read_only=read_only)


@cache
def files() -> dict[str, Traversable]:
    """Find the scripts' files by their names, without `.lua`."""
    return {
        file.name.removesuffix(".lua"): file
        for folder in resources.files(__name__).iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if file.name.endswith(".lua")
    }
