"""Lua scripts, an operation each; every file opens with its KEYS, ARGV, reply and why it must be atomic."""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from redis.exceptions import NoScriptError

Value = str | bytes | int | float


class Script:
    """A script, called by its digest; a server that is new to it (restarted, failed over) is sent the text."""

    def __init__(self, source: str) -> None:
        self.source = source
        # Redis names scripts by SHA-1; nothing rests on its strength.
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, client: Any, keys: Sequence[str | bytes], args: Sequence[Value] = ()) -> Any:  # noqa: ANN401 - as untyped as the client's own replies
        """Run it on the node that holds `keys`; they must share a hash tag. Errors are the client's own."""
        try:
            return await client.execute_command("EVALSHA", self.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await client.execute_command("EVAL", self.source, len(keys), *keys, *args)


@cache
def script(name: str) -> Script:
    """The script in `<name>.lua` of this package, read once."""
    return Script(resources.files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8"))
