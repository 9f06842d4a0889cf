"""What endpoints of background tasks answer."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field


class AcceptedTask(BaseModel):
    id: UUID


class TaskData(AcceptedTask):
    state: Literal["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"] = Field(
        description="in Celery's words; PENDING: no worker has begun it yet"
    )
    result: Any = Field(None, description="what the task returned, in state SUCCESS")
