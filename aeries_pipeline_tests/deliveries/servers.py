"""Real receivers on loopback, and a line that breaks off or is slow."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/sbin")
KEYGEN = shutil.which("ssh-keygen")

needs_sshd = pytest.mark.skipif(not (SSHD and KEYGEN), reason="no OpenSSH server is installed")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Receiver:
    """An SFTP server of OpenSSH.

    Attributes:
        port: On loopback.
        folder: Where files arrive.
        host_key: As a roster has it.
        key_file: A key that may log in.
    """

    port: int
    folder: Path
    host_key: str
    key_file: Path

    def target(self, **changes: object) -> dict[str, object]:
        return {
            "to": "sftp",
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "key_file": str(self.key_file),
            "folder": str(self.folder),
            "host_key": self.host_key,
            "retry_for": "0 s",
            **changes,
        }

    def names(self) -> list[str]:
        return sorted(one.name for one in self.folder.iterdir())


def make_key(path: Path, kind: str = "ed25519") -> str:
    """Make a key without a passphrase and return its public part."""
    subprocess.run([KEYGEN, "-q", "-t", kind, "-N", "", "-f", path], check=True)
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


@contextmanager
def sshd(place: Path, options: str = "", *, folder: Path | None = None) -> Iterator[Receiver]:
    """Serve SFTP by OpenSSH's own server.

    Args:
        place: An empty folder for its keys.
        options: Of internal-sftp, such as "-R" for reading only.
        folder: Where files arrive; one is made otherwise.
    """
    place.mkdir(parents=True, exist_ok=True)
    folder = folder or place / "received"
    folder.mkdir(exist_ok=True)
    host_key, key_file = place / "host_key", place / "client_key"
    public = make_key(host_key)
    make_key(place / "host_key_rsa", "rsa")
    make_key(key_file)
    shutil.copy(place / "client_key.pub", place / "authorized")
    port = free_port()
    (place / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\n"
        f"HostKey {host_key}\nHostKey {place / 'host_key_rsa'}\n"
        f"AuthorizedKeysFile {place / 'authorized'}\nStrictModes no\nUsePAM no\n"
        f"PermitRootLogin yes\nPasswordAuthentication no\nPidFile none\n"
        f"Subsystem sftp internal-sftp {options}\n"
    )
    with suppress(OSError):
        Path("/run/sshd").mkdir(exist_ok=True)
    command = [SSHD, "-D", "-e", "-f", str(place / "sshd_config")]
    log = (place / "log").open("wb")
    server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: answers(port), 30, (place / "log").read_text)
        yield Receiver(port, folder, public, key_file)
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def until(condition, seconds: float, why=lambda: "") -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, why()
        time.sleep(0.005)


@dataclass
class Line:
    """A proxy between us and a server, see :func:`line`."""

    port: int
    opened: int = 0


@contextmanager
def line(to: int, *, cuts: tuple[int, ...] = (), delay: float = 0.0) -> Iterator[Line]:
    """Lead connections to a port on loopback.

    Args:
        to: The server's port.
        cuts: The first connections end after so many bytes from us each.
        delay: Seconds that each piece of an answer takes.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    found = Line(listening.getsockname()[1])

    def carry(source: socket.socket, target: socket.socket, limit: int | None, wait: float) -> None:
        carried = 0
        with suppress(OSError):
            while piece := source.recv(16384):
                carried += len(piece)
                if limit is not None and carried > limit:
                    break
                time.sleep(wait)
                target.sendall(piece)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        while True:
            try:
                ours, _ = listening.accept()
            except OSError:
                return
            limit = cuts[found.opened] if found.opened < len(cuts) else None
            found.opened += 1
            theirs = socket.create_connection(("127.0.0.1", to))
            for one in ((ours, theirs, limit, 0.0), (theirs, ours, None, delay)):
                threading.Thread(target=carry, args=one, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield found
    finally:
        listening.close()
