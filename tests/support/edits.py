"""Edits that an ordinary user makes to a project between two updates."""

from dataclasses import dataclass, field
from pathlib import Path

YOURS = "Yours below this line."
MODEL = '''"""The table of notes."""

from sqlalchemy.orm import Mapped

from src.database.model import Base


class Note(Base):
    text: Mapped[str]
'''
ROUTER = '''"""Endpoints of notes."""

from http import HTTPStatus

from fastapi import APIRouter
from pydantic import BaseModel

from src.config import get_settings
from src.database.manager import BaseManager
from src.database.session import CommittedDbSession, DbSession
from src.notes.models import Note

router = APIRouter(prefix="/notes", tags=["notes"])


class NoteData(BaseModel):
    text: str


class NoteManager(BaseManager[Note]):
    model = Note


@router.post("", status_code=HTTPStatus.CREATED)
async def add(data: NoteData, session: CommittedDbSession) -> None:
    await NoteManager().add(session, data)


@router.get("")
async def list_notes(session: DbSession) -> list[str]:
    notes = await NoteManager().find_all(session, limit=get_settings().MOST_NOTES)
    return [note.text for note in notes]
'''
SEED = '''"""Writes a row of each table, or counts them: `python -m devtools.run src.notes.seed`."""

import asyncio
import sys

from sqlalchemy import text

from src.database.config import get_database_settings
from src.database.session import Database


async def main(statements: list[str]) -> None:
    database = Database(get_database_settings())
    async with database.engine.begin() as connection:
        for statement in statements:
            result = await connection.execute(text(statement))
            if result.returns_rows:
                sys.stdout.write(f"{result.scalar()}\\n")
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
'''
TEST = '''"""Notes are kept."""

from httpx import AsyncClient


async def test_a_note_is_kept(client: AsyncClient) -> None:
    """A note that was sent can be read."""
    assert (await client.post("/notes", json={"text": "buy milk"})).status_code == 201
    assert (await client.get("/notes")).json() == ["buy milk"]
'''
MIGRATION = '''"""Add notes, as `make migration` would write it."""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str = "0001"


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )


def downgrade() -> None:
    op.drop_table("notes")
'''
OVERRIDE = """services:
  app:
    labels:
      owner: warehouse
"""
USER_COLUMN = "    nickname: Mapped[str | None] = mapped_column(String(40))"
SETTING = '    MOST_NOTES: int = Field(7, ge=1, description="notes that are shown")'
DELETED = "docs/feature.md"  # an example that is not needed any more


@dataclass
class User:
    """Edits a project and remembers each line."""

    project: Path
    lines: list[tuple[str, str]] = field(default_factory=list)

    @property
    def edited(self) -> set[str]:
        return {name for name, _ in self.lines}

    def write(self, name: str, text: str) -> None:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.lines += [(name, line) for line in text.splitlines() if line.strip()] or [(name, "")]

    def insert(self, name: str, mark: str, line: str, *, last: bool = False) -> None:
        """Put a line below the first, or the last, one that has this mark."""
        path = self.project / name
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        places = [number for number, each in enumerate(lines) if mark in each]
        lines.insert(places[-1 if last else 0] + 1, f"{line}\n")
        path.write_text("".join(lines), encoding="utf-8")
        self.lines.append((name, line))

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.project / name
        text = path.read_text(encoding="utf-8")
        assert old in text, (name, old)
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        self.lines.append((name, new.splitlines()[-1]))

    def edit(self, *, has_auth: bool) -> None:
        """Do everything that users do, and that they are told where to do."""
        for name, text in {
            "src/notes/__init__.py": "",
            "src/notes/models.py": MODEL,
            "src/notes/router.py": ROUTER,
            "src/notes/seed.py": SEED,
            "tests/notes/__init__.py": "",
            "tests/notes/test_router.py": TEST,
            "docker-compose.override.yml": OVERRIDE,
        }.items():
            self.write(name, text)
        self.insert("src/routers.py", "from fastapi", "\nfrom src.notes.router import router as notes")
        self.replace("src/routers.py", "routers: list[APIRouter] = []", "routers: list[APIRouter] = [notes]")
        if has_auth:
            self.replace("src/routers.py", "public_routes: list[str] = []", 'public_routes: list[str] = ["/notes"]')
            self.insert("src/auth/models.py", YOURS, USER_COLUMN)
        self.insert("src/config.py", YOURS, SETTING)
        self.insert("docs/settings.md", "|---|", "| `MOST_NOTES` | `7` | notes that are shown |", last=True)
        self.insert(".env.example", YOURS, "MOST_NOTES=7")
        self.insert(".env", "ENVIRONMENT=", "MOST_NOTES=5")
        self.insert("pyproject.toml", YOURS, '    "packaging>=24",')
        self.insert("README.md", "# ", "\nIt keeps the notes of the warehouse.")
        self.insert("Makefile", YOURS, "\nnotes:  ## count the notes\n\t@uv run python -m devtools.run src.notes.seed")
        self.insert(".gitignore", YOURS, "/notes.txt")
        (self.project / DELETED).unlink()

    def assert_all_is_there(self) -> None:
        """Fail if a line was lost, or what was deleted came back."""
        for name, line in self.lines:
            assert line in (self.project / name).read_text(encoding="utf-8"), f"{name} lost {line!r}"
        assert not (self.project / DELETED).exists()
