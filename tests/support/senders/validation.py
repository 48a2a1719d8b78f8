"""An event's way through the validation of HTTP ingest, without HTTP."""

from sidedata.service.api.ingest import validate
from sidedata.service.http.problems import ProblemError
from tests.support.constants import ORG


def entering(raw: bytes, organization: str = ORG) -> bytes | None:
    """An event as it enters the stream; None if it is refused, with a problem that can be sent."""
    # Of one event the validation waits for nothing, so no event loop is needed, which would take longer than all the rest.
    try:
        validate(iter((raw,)), organization).send(None)
    except StopIteration as done:
        ([valid], _) = done.value
        assert isinstance(valid, bytes)
        return valid
    except ProblemError as error:
        error.response()
        return None
    raise AssertionError("the validation waits for something")
