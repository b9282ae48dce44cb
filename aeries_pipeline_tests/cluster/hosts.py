"""Machines of a test: each a network namespace of its own, with a disk of its own.

A machine reaches the servers through its own wires alone, by the same addresses as
every other one. A wire to the districts' servers notes which request went by, and when.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from aeries_pipeline_tests.cluster.servers import Server

FORWARD = r"""
import os, socket, sys, threading
def pump(one, other):
    try:
        while piece := one.recv(65536):
            other.sendall(piece)
    except OSError:
        pass
    for side in (one, other):
        try:
            side.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
def join(here, path):
    there = socket.socket(socket.AF_UNIX)
    try:
        there.connect(path)
    except OSError:
        here.close()
        return
    threading.Thread(target=pump, args=(there, here), daemon=True).start()
    pump(here, there)
def listen(port, path):
    server = socket.create_server(("127.0.0.1", port), backlog=256)
    while True:
        here, _ = server.accept()
        threading.Thread(target=join, args=(here, path), daemon=True).start()
wires = [one.split("=") for one in sys.argv[2].split(",")]
for port, path in wires:
    threading.Thread(target=listen, args=(int(port), path), daemon=True).start()
program = os.fork()
if not program:
    os.execvp(sys.argv[3], sys.argv[3:])
open(sys.argv[1], "w").write(str(program))
os.waitpid(program, 0)
"""
"""Run inside a namespace: listens where the servers would, passes on to sockets of the disk."""

_REQUEST = re.compile(rb"(?:GET|POST|PUT) /([a-z0-9-]+)/\S* HTTP/1")


class HostWire:
    """What a machine sends to one server; it can be cut."""

    def __init__(self, path: Path, port: int) -> None:
        self.path, self.port = path, port
        self.seen: list[tuple[float, str]] = []
        self._passes = threading.Event()
        self._passes.set()
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(256)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._passes.clear()

    def mend(self) -> None:
        self._passes.set()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.mend()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(here,), daemon=True).start()

    def _join(self, here: socket.socket) -> None:
        self._passes.wait()
        try:
            there = socket.create_connection(("127.0.0.1", self.port))
        except OSError:
            here.close()
            return
        threading.Thread(target=self._pump, args=(there, here, False), daemon=True).start()
        self._pump(here, there, True)

    def _pump(self, one: socket.socket, other: socket.socket, looks: bool) -> None:
        with suppress(OSError):
            while piece := one.recv(1 << 16):
                self._passes.wait()
                if looks:
                    for found in _REQUEST.finditer(piece):
                        self.seen.append((time.time(), found[1].decode()))
                other.sendall(piece)
        for side in (one, other):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


class Host:
    """One machine.

    Args:
        name: Of the machine.
        folder: Its disk.
        ports: Of the servers, by name; ``districts`` is that of the emulator.
        variables: Its environment beside this one's.
    """

    def __init__(
        self, name: str, folder: Path, ports: dict[str, int], variables: dict[str, str]
    ) -> None:
        self.name, self.folder = name, folder
        self.folder.mkdir(parents=True)
        sockets = Path(f"/tmp/cl-{os.getpid()}-{name}")
        sockets.mkdir(mode=0o700)
        self._sockets = sockets
        self.wires = {one: HostWire(sockets / one, port) for one, port in ports.items()}
        self.variables = {
            **variables,
            "AERIES_HOST": name,
            "AERIES_DATA_DIR": str(folder / "data"),
            "AERIES_DISTRICTS": str(folder / "districts.yaml"),
            "DAGSTER_HOME": str(folder / "home"),
        }
        (folder / "home").mkdir()
        self._running: dict[str, Server] = {}

    def start(self, command: list[str], log: str) -> Server:
        """Start a program on this machine."""
        wires = ",".join(f"{one.port}={one.path}" for one in self.wires.values())
        inside = [
            sys.executable, "-c", FORWARD, str(self.folder / f"{log}.pid"), wires, *command
        ]  # fmt: skip
        shell = 'ip link set lo up && exec "$@"'
        server = Server(
            ["unshare", "--net", "--kill-child", "sh", "-c", shell, "sh", *inside],
            self.folder / f"{log}.log",
            env={**os.environ, **self.variables},
            cwd=self.folder,
        )
        server.start()
        self._running[log] = server
        return server

    def kill(self, only: str = "") -> float:
        """Let the machine, or one program on it, lose its power; return when."""
        at = time.time()
        for log, server in self._running.items():
            if server.process is not None and only in {"", log}:
                for pid in [*below(server.process.pid), server.process.pid]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                server.process.wait()
        return at

    def stop(self, log: str, seconds: float) -> None:
        """End a program as a service manager does: it is told to, and given its time."""
        server = self._running.pop(log)
        assert server.process is not None
        os.kill(int((self.folder / f"{log}.pid").read_text()), signal.SIGTERM)
        server.process.wait(seconds)

    def run(self, command: list[str], log: str, seconds: float) -> str:
        """Run a command on this machine to its end, and return what it said."""
        server = self.start(command, log)
        assert server.process is not None
        server.process.wait(seconds)
        self._running.pop(log)
        return (self.folder / f"{log}.log").read_text(errors="replace")

    def seconds(self) -> float:
        """Processor time of what runs on it and of what it has waited for."""
        ticks = 0
        for server in self._running.values():
            if server.process is not None:
                for pid in [server.process.pid, *below(server.process.pid)]:
                    with suppress(OSError):
                        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                        ticks += sum(map(int, told[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.kill()
        for wire in self.wires.values():
            wire.close()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def words(self) -> str:
        """The end of what its programs said."""
        return "\n".join(
            f"{one.name}: {one.read_text(errors='replace')[-1500:]}"
            for one in sorted(self.folder.glob("*.log"))
        )


def below(pid: int) -> Iterator[int]:
    """The processes below one."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for one in children:
        yield from below(int(one))
        yield int(one)


def may_isolate() -> bool:
    """Whether namespaces are permitted here."""
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", "ip link set lo up"], capture_output=True, check=False
    )
    return done.returncode == 0
