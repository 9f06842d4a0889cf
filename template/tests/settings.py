"""All settings classes, and a way to have them read anew."""

from importlib import import_module

from src.config import find_settings

SETTINGS = find_settings()


def forget_settings() -> None:
    """Let the next one who asks read the environment again."""
    for settings in SETTINGS:
        for value in vars(import_module(settings.__module__)).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
