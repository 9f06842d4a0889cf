"""What endpoints of background tasks answer."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, PlainSerializer
from pydantic_core import to_jsonable_python


def _plain(value: Any) -> Any:
    """Write what Celery's JSON can carry as JSON that any client reads: bytes in Base64, a Decimal as text."""
    return to_jsonable_python(value, bytes_mode="base64", inf_nan_mode="null")


Plain = Annotated[Any, PlainSerializer(_plain)]


class AcceptedTask(BaseModel):
    id: UUID


class TaskData(AcceptedTask):
    state: str = Field(
        description="PENDING (no worker has started it), STARTED, RETRY, SUCCESS, FAILURE, REVOKED, "
        "IGNORED (it was started with `ignore_result` and reports nothing) or one that the task sets itself"
    )
    result: Plain = Field(None, description="what the task returned, in state SUCCESS")
    meta: Plain = Field(None, description="what the task told with `update_state`")
