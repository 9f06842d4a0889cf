"""Reads pages as a browser does, and sends what it would send."""

from html.parser import HTMLParser
from typing import Any

from httpx import AsyncClient, Response

from tests.auth.fixtures import PASSWORD

FORM = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
BEA = {"username": "bea", "email": "bea@example.com", "password": PASSWORD}
ANN = {"username": "ann", "password": PASSWORD}
VOID = {"meta", "link", "input", "path", "rect"}


class Page(HTMLParser):
    """The elements of a page with their attributes and texts, checked to be closed in order."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        self.elements: list[dict[str, Any]] = []
        self.open: list[dict[str, Any]] = []
        self.feed(answer.text)
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append({"tag": tag, "text": "", **dict(attributes)})
        if tag not in VOID:
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop()["tag"] == tag

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element["text"] += data

    def find(self, **wanted: str) -> list[dict[str, Any]]:
        return [each for each in self.elements if all(each.get(name) == value for name, value in wanted.items())]

    def text(self, **wanted: str) -> str:
        """Return the text of the one element that fits."""
        (found,) = self.find(**wanted)
        return " ".join(found["text"].split())

    def value(self, name: str) -> str:
        (found,) = [each for each in self.find(tag="input", name=name) if "hidden" not in each]
        return str(found["value"])

    @property
    def errors(self) -> dict[str, str]:
        """The messages next to the fields, each of which must reference its message by aria-describedby."""
        marked = [each for each in self.find(tag="input") if each.get("aria-invalid") == "true"]
        assert all(f"{each['name']}-error" in each["aria-describedby"].split() for each in marked)
        return {each["name"]: self.text(id=f"{each['name']}-error").partition(": ")[2] for each in marked}


async def send(client: AsyncClient, path: str, data: dict[str, str] | None = None, **headers: str) -> Response:
    return await client.post(path, data=data or {}, headers=FORM | headers)


async def look(client: AsyncClient, path: str, **headers: str) -> Response:
    return await client.get(path, headers={**FORM, "Sec-Fetch-Site": "none"} | headers)
