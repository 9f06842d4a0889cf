"""The start of the READMEs: commands run as printed, numbers are right, addresses respond."""

import re
from pathlib import Path

import pytest

from tests.support.documentation import BLOCK, ELSEWHERE, TEMPLATE, Reader
from tests.support.history import git
from tests.support.rendering import ROOT, files_of_repository
from tests.support.service import free_port, wait_until_gone
from tests.support.variants import VARIANTS
from tools.release import releases

READMES = ["README.md", "README.ru.md"]


def test_a_clone_serves_and_makes_a_service(
    template_clone: Path, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    """With nothing but the page, a newcomer gets a running service and a complete first commit."""
    people = {
        f"GIT_{role}_{part}": "tester@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
    }
    ports = {name: str(free_port()) for name in ("PORT", "DB_PORT", "REDIS_PORT")}
    elsewhere = {**ELSEWHERE, f"uvx copier copy {TEMPLATE} my-service": "docs/tutorial.md"}
    reader = Reader(template_clone, {**clean_environment, **people, **ports}, elsewhere=elsewhere, fails={""})
    try:
        reader.follow(ROOT / "README.md")
    finally:
        reader.close()
    service = tmp_path / "my-service"
    assert (service / "src" / "pages").is_dir()
    assert git(service, "status", "--porcelain") == git(template_clone, "status", "--porcelain") == ""
    assert "uv.lock" in git(service, "ls-files").split()
    assert wait_until_gone(tmp_path) == []


def test_the_commands_are_the_same_in_both_languages() -> None:
    """The first block contains nothing that a reader has to replace."""
    english, russian = (BLOCK.findall((ROOT / name).read_text(encoding="utf-8")) for name in READMES)
    assert english == russian
    assert english[0][2] == "make demo\nmake test\n"


@pytest.mark.parametrize("name", READMES)
def test_the_proofs_count_right(name: str) -> None:
    """The page states the right number of variants and releases."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.search(rf"^- \*\*{len(VARIANTS)} (variants|вариантов)", text, re.MULTILINE)
    assert re.search(rf"\b{len(releases(ROOT))} (releases|релизов)", text)


def test_no_page_shows_a_short_address() -> None:
    """Renovate does not know `gh:`, and Copier records the address as given."""
    for path in files_of_repository():
        if path.suffix in {".md", ".yml", ".jinja", ".html"}:
            assert not re.search(r"\bg[hl]:", (ROOT / path).read_text(encoding="utf-8")), path
