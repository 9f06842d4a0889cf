"""Undoes what a test changes of the application, which the tests of a worker share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def restored(*objects: object) -> Iterator[None]:
    """Put back the attributes of objects, and what the dictionaries and lists among them hold."""
    undo = [_remember(vars(each)) for each in objects]
    yield
    for put_back in undo:
        put_back()


def _remember(container: Any) -> Callable[[], None]:
    """Return what gives a dictionary or a list, and those in it, its content of now."""
    content = container.copy()
    values = content.values() if isinstance(content, dict) else content
    inner = [_remember(value) for value in values if type(value) in (dict, list)]

    def put_back() -> None:
        container.clear()
        (container.update if isinstance(container, dict) else container.extend)(content)
        for each in inner:
            each()

    return put_back
