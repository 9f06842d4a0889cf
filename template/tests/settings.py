"""All settings classes, found where they are."""

from importlib import import_module
from pathlib import Path

import src
from src.config import EnvSettings


def _find() -> list[type[EnvSettings]]:
    root = Path(src.__path__[0])
    for path in sorted(root.rglob("config.py")):
        import_module(".".join(("src", *path.relative_to(root).with_suffix("").parts)))
    return EnvSettings.__subclasses__()


SETTINGS = _find()


def forget_settings() -> None:
    """Let the next one who asks read the environment again."""
    for settings in SETTINGS:
        for value in vars(import_module(settings.__module__)).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
