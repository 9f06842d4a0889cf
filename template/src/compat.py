"""Private names of other packages, which no other module imports; each is checked here, whenever the service starts.

Tried with Starlette 1.10.
"""

try:
    # The guard and the limits of bodies must look at the very path that routing compares.
    from starlette._utils import get_route_path
except ImportError as error:
    raise ImportError("starlette._utils.get_route_path is missing; src/compat.py was tried with 1.10") from error

__all__ = ["get_route_path"]

if [get_route_path({"path": path, "root_path": "/api"}) for path in ("/api", "/api/a", "/apis")] != ["", "/a", "/apis"]:
    raise ImportError("starlette._utils.get_route_path has changed; src/compat.py was tried with 1.10")
