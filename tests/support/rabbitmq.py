"""A separate RabbitMQ: free ports of the loopback interface, data in a temporary folder."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.packages import SYSTEM, find_or_install
from tests.support.patience import PATIENCE
from tests.support.service import Service, free_port

LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"


class RabbitMQ:
    """It keeps its port and what it holds when it is stopped and started again."""

    def __init__(self, folder: Path) -> None:
        script = find_or_install("rabbitmq-server")
        self._server = str(Path(script).parent / "rabbitmq-server")  # not the wrapper, which changes the user
        self._folder, self.port, self._names_port = folder, free_port(), free_port()
        self._processes: list[Service] = []

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        (self._folder / "plugins").touch()
        environment = self._environment()
        names = Service(["epmd"], self._folder, environment)  # else the server starts one, and leaves it behind
        server = Service([self._server], self._folder, environment)
        self._processes = [server, names]
        server.wait_for("Server startup complete")

    def _environment(self) -> dict[str, str]:
        settings = {
            "NODENAME": f"tests{self.port}@localhost",
            "NODE_IP_ADDRESS": "127.0.0.1",
            "NODE_PORT": str(self.port),
            "DIST_PORT": str(free_port()),
            "MNESIA_BASE": str(self._folder / "data"),
            "LOG_BASE": str(self._folder / "log"),
            "LOGS": "-",
            "CONFIG_FILE": str(self._folder / "none"),
            "CONF_ENV_FILE": os.devnull,
            "ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "PID_FILE": str(self._folder / "pid"),
            "SERVER_ADDITIONAL_ERL_ARGS": LOOPBACK,
        }
        erlang = {"ERL_EPMD_PORT": str(self._names_port), "ERL_EPMD_ADDRESS": "127.0.0.1"}
        named = {f"RABBITMQ_{name}": value for name, value in settings.items()}
        return {"PATH": SYSTEM, "HOME": str(self._folder), **erlang, **named}

    def stop(self) -> None:
        for service in self._processes:
            os.killpg(service.process.pid, signal.SIGTERM)
            service.process.wait(PATIENCE)
        self._processes = []

    @contextmanager
    def frozen(self) -> Iterator[None]:
        processes = psutil.Process(self._processes[0].process.pid).children(recursive=True)
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()
