"""What `make update` says of the releases in between."""

from devtools.update_template import what_to_do

CHANGELOG = """# Changelog

## [0.10.0] - 2030-03-01

**When you update:** run `make migration`.

### Added

- More.

## [0.3.0] - 2030-02-01

**When you update:**

- set A,
- then B.

## [0.2.0] - 2030-01-01

**When you update:** nothing.
"""


def test_each_release_in_between_has_its_word() -> None:
    """The oldest first, whole, and none that the project has already or does not get."""
    said = dict(what_to_do(CHANGELOG, "0.2.0", "0.10.0"))
    assert said == {"0.3.0": "- set A,\n- then B.", "0.10.0": "run `make migration`."}
    assert list(said) == ["0.3.0", "0.10.0"]
    assert list(dict(what_to_do(CHANGELOG, "0.1.0", "0.2.0"))) == ["0.2.0"]


def test_a_version_between_releases_counts_as_the_one_before() -> None:
    """As Copier names a commit that has no tag."""
    assert list(dict(what_to_do(CHANGELOG, "0.3.0.post4.dev0+abc1234", "0.10.0"))) == ["0.10.0"]
    assert dict(what_to_do("", "0.1.0", "0.2.0")) == {}
