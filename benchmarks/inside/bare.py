"""A bare FastAPI application: the baseline for every comparison."""

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Answer(BaseModel):
    detail: str


@app.get("/health")
@app.get("/signed-in")
async def answer() -> Answer:
    return Answer(detail="ok")
