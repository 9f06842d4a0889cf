"""Settings: what is read, what is refused, and how that is said."""

from pathlib import Path

import pytest

from src.config import EXAMPLE_SECRET, EnvSettings, InvalidSettingsError, get_settings, load
from src.main import create_app


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / ".env"
    monkeypatch.setenv("ENV_FILE", str(path))
    return path


def test_without_any_setting_it_is_prod(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is open by mistake: documentation is served only where it was asked for."""
    monkeypatch.delenv("ENVIRONMENT")
    settings = get_settings()
    assert settings.is_prod
    assert (settings.docs_url, settings.redoc_url, settings.openapi_url) == (None, None, None)


def test_the_environment_wins_over_the_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`PORT=8001 make dev` works even if .env says otherwise."""
    env_file.write_text("PORT=9000\nLEVEL=ERROR\n")
    monkeypatch.setenv("PORT", "8001")
    assert (get_settings().PORT, get_settings().LEVEL) == (8001, "ERROR")


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    """No JSON in an environment variable."""
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example, https://b.example,")
    assert get_settings().CORS_ORIGINS == ["https://a.example", "https://b.example"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "production!"),
        ("PORT", "s3cret"),
        ("PORT", "70000"),
        ("LEVEL", "s3cret"),
        ("ROOT_PATH", "no-slash"),
        ("SERIALIZE", "s3cret"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://app.example.com/"),
        ("TRUSTED_HOSTS", ","),
        ("DOCS_URL", "docs"),
        ("REDOC_URL", "redoc"),
        ("COMPRESSION", "s3cret"),
    ],
)
def test_a_broken_value_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """One readable line per variable; the value may be a secret in the wrong place."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettingsError, match=name) as error:
        get_settings()
    assert "s3cret" not in str(error.value)
    assert len(str(error.value).splitlines()) == 2


def test_a_list_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a setting of the user's own."""

    class OwnSettings(EnvSettings):
        NUMBERS: list[int]

    monkeypatch.setenv("NUMBERS", "s3cret")
    with pytest.raises(InvalidSettingsError, match=r'"NUMBERS".*: write JSON') as error:
        load(OwnSettings)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("text", ["PORT='8000", "NAME WITHOUT EQUALS SIGN %", "='x'"])
def test_a_broken_line_of_the_file_is_named(env_file: Path, text: str) -> None:
    """A line that would silently be skipped is an error with its number."""
    env_file.write_text(f"LEVEL=INFO\n{text}\n")
    with pytest.raises(InvalidSettingsError, match="line 2: write NAME=value"):
        get_settings()


def test_a_file_that_is_not_text_is_named(env_file: Path) -> None:
    """As an editor with another encoding leaves it."""
    env_file.write_bytes(b"LEVEL=\xff\xfe")
    with pytest.raises(InvalidSettingsError, match="UTF-8"):
        get_settings()


def test_everything_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever package a variable belongs to: nobody starts the service again for each."""
    monkeypatch.delenv("DATABASE_URL")
    wrong = {"LEVEL": "loud", "PORT": "none", "DB_PASSWORD": EXAMPLE_SECRET}
    for name, value in {"ENVIRONMENT": "prod", **wrong}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettingsError) as error:
        create_app()
    heading, *problems = str(error.value).splitlines()
    assert heading == "The settings are not usable:"
    assert {problem.partition(":")[0] for problem in problems} == set(wrong)
