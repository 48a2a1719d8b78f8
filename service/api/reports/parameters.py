"""The fields of a JSON body and the parameters of a query string, with all errors in them. Pure."""

from typing import Any
from urllib.parse import parse_qsl

import msgspec

from sidedata.service.http.problems import FieldError, ProblemError, pointer_token

# No documented form has more than three parameters; a hundred thousand would only take time.
_MOST_PARAMETERS = 20

_DECODER = msgspec.json.Decoder()


def decode_body(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Decode a body.

    Raises:
        ProblemError: 400, it is not JSON.
    """
    try:
        return _DECODER.decode(body)
    except RecursionError as error:
        raise ProblemError(400, "the body is nested too deeply") from error
    except (ValueError, OverflowError) as error:  # msgspec's errors and bad UTF-8 are ValueErrors
        raise ProblemError(400, f"the body is not valid JSON: {error}") from error


def fields_of(
    value: Any,  # noqa: ANN401 - any JSON value
    pointer: str,
    names: tuple[str, ...],
    errors: list[FieldError],
    optional: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The fields of a JSON object that must have these, may have the optional ones, and no others."""
    if not isinstance(value, dict):
        errors.append(FieldError(pointer, "must be an object"))
        return {}
    unknown = (name for name in value if name not in (*names, *optional))
    errors += [FieldError(f"{pointer}/{_token_of(name)}", "unknown field") for name in unknown]
    errors += [FieldError(f"{pointer}/{name}", "missing") for name in names if name not in value]
    return {name: value[name] for name in (*names, *optional) if name in value}


def _token_of(name: str) -> str:
    """A name in a JSON pointer, only the first 100 characters of a longer one."""
    return pointer_token(name[:100])


def read_parameters(raw: str, names: tuple[str, ...], errors: list[FieldError]) -> dict[str, str]:
    """The query parameters, each at most once, none unknown."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError as error:  # too many of them, or invalid UTF-8
        raise ProblemError(400, "the query string can't be read") from error
    parameters: dict[str, str] = {}
    for name, value in pairs:
        pointer = f"/{_token_of(name)}"
        if name not in names:
            errors.append(FieldError(pointer, "unknown query parameter"))
        elif name in parameters:
            errors.append(FieldError(pointer, "present more than once"))
        else:
            parameters[name] = value
    return parameters
