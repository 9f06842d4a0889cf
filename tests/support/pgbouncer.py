"""A PgBouncer in transaction mode in front of a project's PostgreSQL, with fewer connections than the service wants."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.backends import Backends
from tests.support.packages import find_or_install
from tests.support.patience import PATIENCE
from tests.support.service import Service, free_port

# It refuses to be root, as PostgreSQL does.
RUN_AS = "import json; from devtools.postgres import _run_as; print(json.dumps(_run_as()))"
CONFIG = """
[databases]
* = host=127.0.0.1 port={postgres}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 200
"""


@contextmanager
def pgbouncer(backends: Backends, connections: int) -> Iterator[int]:
    """Run it and yield its port."""
    binary, port = find_or_install("pgbouncer"), free_port()
    options = {"cwd": backends.project, "env": backends.environment}
    done = subprocess.run(["python", "-c", RUN_AS], **options, capture_output=True, text=True, check=True)  # type: ignore[call-overload]
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        users, config = folder / "users.txt", folder / "pgbouncer.ini"
        users.write_text('"{DB_USER}" "{DB_PASSWORD}"\n'.format(**backends.settings))
        values = {"postgres": backends.postgres_port, "port": port, "users": users, "connections": connections}
        config.write_text(CONFIG.format(**values))
        service = Service([*json.loads(done.stdout), binary, str(config)], folder, backends.environment)
        try:
            service.wait_for("process up")
            yield port
        finally:
            service.process.kill()
            service.process.wait(PATIENCE)
