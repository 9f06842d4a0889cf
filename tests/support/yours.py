"""Writes what an owner would at each line that says "Yours below this line."."""

from pathlib import Path

from tests.support.edits import YOURS
from tests.support.rendering import text_files

ROLE = '    role: Mapped[str] = mapped_column(String(20), default="reader", server_default="reader")'
GREETING = 'GREETING: str = Field("Hello", max_length=50, description="how a greeting begins")'
WEEKLY = '"weekly": {"task": "tasks.remove_expired", "schedule": crontab(day_of_week="1")},'
# By file, one text for each of its markers.
ADDITIONS = {
    ".dockerignore": ["!assets"],
    ".env.example": ["GREETING=Hello"],
    ".gitignore": ["assets/"],
    "AGENTS.md": ["\n- Greet in English."],
    "Makefile": ["\nhello:  ## say hello\n\t@echo hello"],
    "SECURITY.md": ["\nWe answer within a day."],
    "docs/settings.md": ["| `GREETING` | `Hello` | how a greeting begins |"],
    "pyproject.toml": ['    "httpx>=0.28.1,<0.29",', '    "sentry-sdk>=2.75,<3",', '    "src.greeting",'],
    "src/about.py": ['    {"name": "greeting", "description": "Says hello."},'],
    "src/auth/models.py": [ROLE],
    "src/auth/schemes.py": ["    role: str"],
    "src/config.py": [f"    {GREETING}"],
    "src/tasks/schedule.py": [f"    {WEEKLY}"],
}


def markers(project: Path) -> dict[str, int]:
    """Count the markers of each file; pages and tests that only speak of them aside."""
    counts = {
        name: sum(line.strip("#<>!- ") == YOURS for line in text.splitlines()) for name, text in text_files(project)
    }
    return {name: count for name, count in counts.items() if count and not name.startswith(("tests/", "docs/recipes/"))}


def add_everywhere(project: Path) -> None:
    """Add a column, settings, dependencies, a command and so on, and a package to go with the layer."""
    for name, additions in ADDITIONS.items():
        path, texts = project / name, iter(additions)
        lines = path.read_text(encoding="utf-8").splitlines()
        done = [f"{line}\n{next(texts)}" if line.strip("#<>!- ") == YOURS else line for line in lines]
        path.write_text("\n".join([*done, ""]), encoding="utf-8")
    package = project / "src" / "greeting"
    package.mkdir()
    (package / "__init__.py").touch()
