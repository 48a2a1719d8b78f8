"""docs/LICENCES.md, read, and what the packages themselves say."""

import re
from importlib import metadata
from typing import Any

from tests.support.repository.pages import read

# Licences by which packages name theirs without an SPDX expression.
_WORDS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache": "Apache-2.0",
    "MIT style": "MIT",
    "ISC License": "ISC",
}
_ROW = re.compile(r"^\| ([a-z0-9][a-z0-9-]*) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def listed() -> dict[str, str]:
    """Licence by package, an SPDX expression each."""
    return {name: licence for name, licence, _ in _ROW.findall(read("docs/LICENCES.md")) if name != "package"}


def stated_licence(name: str) -> str | None:
    """The licence of an installed package, as an SPDX expression if possible; None if it is not installed or names none."""
    try:
        facts: Any = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    if expression := facts.get("License-Expression"):
        return str(expression)
    classified = [
        line.rpartition(" :: ")[2] for line in facts.get_all("Classifier") or [] if line.startswith("License ::")
    ]
    known = [_WORDS[word] for word in classified if word in _WORDS]
    if known:
        return " OR ".join(sorted(known, reverse=True))
    text = str(facts.get("License") or "").strip()
    return _WORDS.get(text, text) or None
