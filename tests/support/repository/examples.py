"""Which pages have examples that are run, for which organization, and by which programs."""

import sys

ORGANIZATIONS = {
    "README.md": "0b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a21",
    "docs/PRODUCERS.md": "9c7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a22",
}
PROGRAMS = {"sh": ["bash", "-euo", "pipefail"], "python": [sys.executable, "-"], "js": ["node", "--input-type=module"]}
