"""All settings classes, found where they are."""

from importlib import import_module
from pathlib import Path

import src
from src.config import EnvSettings


def find_settings() -> list[type[EnvSettings]]:
    root = Path(src.__path__[0])
    for path in sorted(root.rglob("config.py")):
        import_module(".".join(("src", *path.relative_to(root).with_suffix("").parts)))
    return EnvSettings.__subclasses__()
