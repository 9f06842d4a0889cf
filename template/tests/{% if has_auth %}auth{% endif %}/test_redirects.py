"""No redirect leaves the origin."""

import random
from urllib.parse import quote

import pytest
from ada_url import URL

from src.auth.redirects import safe_redirect

ORIGIN = "https://service.example"
PIECES = ["/", "//", "\\", "/\\", "\t", "\n", "\r", "\0", " ", ".", "..", "@", ":", "?", "#", "%2f", "%5c", "%09", "http:",
          "https:", "javascript:", "data:", "evil.com", "service.example", "a", "é", "\u2028", "\u3000", "\ufeff", "//[", "]",
          "／", "＼", "。", "%00", ";", "\x7f", "\xa0", "\ud800"]  # fmt: skip


@pytest.mark.parametrize(
    "target", ["/", "/a", "/a/b?c=d&e=%2F#f", "/a//b", "/a\\b", "/%2F%2Fevil.com", "/é", "/a?b=//c"]
)
def test_a_path_of_this_origin_is_kept(target: str) -> None:
    """Unchanged."""
    assert safe_redirect(target) == target


@pytest.mark.parametrize(
    "target",
    ["", None, "a", "//evil.com", "///evil.com", "/\\evil.com", "\\\\evil.com", "https://evil.com", "//", "/\t/evil.com",
     "/\n/evil.com", "\t//evil.com", " //evil.com", "javascript:alert(1)", "/a\r\nSet-Cookie: x=y", "/a b", "/\x00", "/\x7f",
     "/\u3000", "/\ud800", "?a", "#a", "@evil.com", ":80", "/" + "a" * 2048],
    ids=lambda target: ascii(target)[:20],
)  # fmt: skip
def test_anything_else_becomes_the_root(target: str | None) -> None:
    """Other origins, other schemes, and what a browser would take for them."""
    assert safe_redirect(target) == "/"


def test_no_fuzzed_target_leaves_the_origin() -> None:
    """By the URL parser that browsers share (WHATWG), raw and as encoded in a Location header."""
    generator = random.Random(7)
    for _ in range(20_000):
        target = safe_redirect("".join(generator.choices(PIECES, k=generator.randint(1, 7))))
        for sent in (target, quote(target, safe=":/%#?=@[]!$&'()*+,;\\")):
            assert URL(sent, base=ORIGIN).origin == ORIGIN
