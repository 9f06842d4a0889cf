"""Names of devices."""

import pytest

from src.pages.devices import name_device
from src.pages.messages import UNKNOWN_DEVICE

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/150.0 Safari/537.36", "Chrome · Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/150.0 Safari/537.36 Edg/150.0", "Edge · Windows"),
        (f"Mozilla/5.0 (Linux; Android 16; K) {WEBKIT} Chrome/150.0 Mobile Safari/537.36", "Chrome · Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19 like Mac OS X) Version/19.0 Mobile Safari/604.1", "Safari · iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox · macOS"),
        (
            f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/150.0 YaBrowser/26.1 Safari/537.36",
            "Yandex Browser · Windows",
        ),
        ("curl/8.14.1", "curl"),
        ("", UNKNOWN_DEVICE),
        ("<script>", UNKNOWN_DEVICE),
    ],
)
def test_a_device_has_the_name_its_owner_knows(agent: str, name: str) -> None:
    """Browser and system; nothing of the header itself is shown."""
    assert name_device(agent) == name
