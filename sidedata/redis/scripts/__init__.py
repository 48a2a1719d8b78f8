"""Lua scripts, an operation each; every file opens with its KEYS, ARGV, reply and why it must be atomic."""

import contextlib
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from redis.exceptions import NoScriptError

from sidedata.redis.cluster import Cluster
from sidedata.redis.multiplex import Refused, Single

Value = str | bytes | int | float


class Script:
    """A script, called by its digest; a server that is new to it (restarted, failed over) is sent the text.

    Most name all their keys. One that `reaches` for others of its slot must not follow a slot in the midst of its move: on the
    new node a key that has not come yet looks like one that never was. (On the old one, asking for a key that has left is an
    error.) It fails until the slot has moved.

    One that is `asked_often` goes over the client's line, where it has one. It only reads: it may run twice.
    """

    def __init__(self, source: str, *, reaches: bool = False, asked_often: bool = False) -> None:
        self.source = source
        self.reaches = reaches
        self.asked_often = asked_often
        # Redis names scripts by SHA-1; nothing rests on its strength.
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, client: Any, keys: Sequence[str | bytes], args: Sequence[Value] = ()) -> Any:  # noqa: ANN401 - as untyped as the client's own replies
        """Run it on the node that holds `keys`; they must share a hash tag. Errors are the client's own."""
        if self.asked_often and isinstance(client, Single) and client.line is not None:
            with contextlib.suppress(Refused):
                return await client.line.ask("EVALSHA", self.sha, len(keys), *keys, *args)
        options = {"follow_ask": False} if self.reaches and isinstance(client, Cluster) else {}
        try:
            return await client.execute_command("EVALSHA", self.sha, len(keys), *keys, *args, **options)
        except NoScriptError:
            return await client.execute_command("EVAL", self.source, len(keys), *keys, *args, **options)


@cache
def script(name: str, *, reaches: bool = False, asked_often: bool = False) -> Script:
    """The script in `<name>.lua` of this package, read once; see `Script`."""
    source = resources.files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return Script(source, reaches=reaches, asked_often=asked_often)
