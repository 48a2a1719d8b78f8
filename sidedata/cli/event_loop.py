"""From a command, which is a plain function, into asynchronous code: on uvloop where there is one."""

import asyncio
import importlib.util
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run it to its end and return what it returns."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.run(coroutine)
    import uvloop  # noqa: PLC0415 - it exists for some systems only

    return uvloop.run(coroutine)
