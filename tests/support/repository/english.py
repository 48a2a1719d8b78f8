"""The rules of prose that a search can hold: openings of docstrings, and words with a plainer or more exact term."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.support.repository.syntax import tree

# A docstring opens with a verb and its object, or with a noun phrase that names the thing.
OPENING = re.compile(r"(?:what|who|whom|whose|whether|how)\b", re.IGNORECASE)

# Between two words of a sentence: white space, and the marks of a comment or a quotation that goes on.
_GAP = r"(?:\s|#|--|//|>)+"
_WORDS = (
    r"told|anew|whoever|whomever|nobody",
    rf"(?:come|comes|came|coming){_GAP}to(?!{_GAP}(?:an?|the){_GAP}(?:end|stop|halt))",
    rf"of{_GAP}ours",
    rf"so{_GAP}many",
    rf"for{_GAP}ever",
    rf"(?:let|lets|letting){_GAP}(?:\w+{_GAP})?through",
)
# "A visitor who interacted" names its subject; a "who" at the start of a sentence or behind one of these words does not.
_BEFORE_WHO = (
    "and|ask|asks|but|by|find|for|found|from|if|know|knows|learn|list|of|or|say|says|see|show|shows|than|to|with"
)
WORDS = re.compile(
    rf"\b(?i:{'|'.join(_WORDS)})\b|\bWho\b|\b(?:{_BEFORE_WHO}){_GAP}who\b|(?:[:;(—] |^\| )who\b", re.MULTILINE
)

# The words are allowed in names that are stored in Redis, in quoted code and in addresses.
_QUOTED = re.compile(r"sd:\S*|`[^`\n]*`|https?://\S+")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def banned_words(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and the text of every banned word."""
    plain = _QUOTED.sub(lambda match: "x" * len(match[0]), text)
    for match in WORDS.finditer(plain):
        yield plain.count("\n", 0, match.start()) + 1, " ".join(match[0].split())


def comments_and_docstrings(path: Path) -> str:
    """The text of a Python file without its code, on the same lines."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    kept: dict[int, int] = {}  # the column from which a line is kept, by its number
    for node in ast.walk(tree(path)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
            kept.update(dict.fromkeys(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1), 0))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            kept[token.start[0]] = token.start[1]
    return "\n".join(line[kept[number] :] if number in kept else "" for number, line in enumerate(lines, 1))


def banned_openings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line number and the first line of every docstring that opens with a question word."""
    for node in ast.walk(tree(path)):
        if isinstance(node, _DOCUMENTED):
            docstring = ast.get_docstring(node)
            if docstring is not None and OPENING.match(docstring):
                yield getattr(node, "lineno", 1), docstring.splitlines()[0]
