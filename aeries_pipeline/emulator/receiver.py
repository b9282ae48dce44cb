"""A receiver of deliveries: an SFTP server on loopback that keeps what arrives in a folder.

It has a host key of its own and accepts one key. Whoever logs in sees the folder and
nothing above it.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
from paramiko.common import OPEN_SUCCEEDED as OPENED

USER = "xello"


class _Login(paramiko.ServerInterface):  # type: ignore[misc]
    """Lets one user in, by one key."""

    def __init__(self, key: paramiko.PKey) -> None:
        self._key = key

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return int(AUTH_SUCCESSFUL if username == USER and key == self._key else AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del chanid
        return int(OPENED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)


class _Opened(paramiko.SFTPHandle):  # type: ignore[misc]
    """An open file."""

    def stat(self) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


class _Folder(paramiko.SFTPServerInterface):  # type: ignore[misc]
    """The files below one folder."""

    def __init__(self, server: paramiko.ServerInterface, folder: Path) -> None:
        super().__init__(server)
        self._root = folder

    def _at(self, path: str) -> Path:
        return self._root / str(self.canonicalize(path)).lstrip("/")

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            return [
                paramiko.SFTPAttributes.from_stat(one.stat(), one.name)
                for one in self._at(path).iterdir()
            ]
        except OSError as error:
            return _code(error)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._at(path).stat())
        except OSError as error:
            return _code(error)

    lstat = stat

    def open(
        self, path: str, flags: int, attr: paramiko.SFTPAttributes
    ) -> paramiko.SFTPHandle | int:
        del attr
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        try:
            handle = os.open(self._at(path), flags, 0o600)
            file = os.fdopen(handle, "r+b" if flags & os.O_RDWR else "wb" if writes else "rb")
        except OSError as error:
            return _code(error)
        opened = _Opened(flags)
        opened.readfile = opened.writefile = file
        return opened

    def remove(self, path: str) -> int:
        return _done(lambda: self._at(path).unlink())

    def rename(self, oldpath: str, newpath: str) -> int:
        if self._at(newpath).exists():
            return int(paramiko.SFTP_FAILURE)
        return _done(lambda: self._at(oldpath).rename(self._at(newpath)))

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        del attr
        return _done(lambda: self._at(path).mkdir(mode=0o700))


def _code(error: OSError) -> int:
    return int(paramiko.SFTPServer.convert_errno(error.errno or 0))


def _done(what: Callable[[], object]) -> int:
    try:
        what()
    except OSError as error:
        return _code(error)
    return int(paramiko.SFTP_OK)


def key_at(path: Path) -> paramiko.PKey:
    """Return the key in a file, which is made if missing."""
    if not path.exists():
        made = paramiko.ECDSAKey.generate()
        path.touch(mode=0o600)
        made.write_private_key_file(str(path))
    return paramiko.ECDSAKey.from_private_key_file(str(path))


def public(key: paramiko.PKey) -> str:
    """Return type and value of a key's public part, as a roster pins it."""
    return f"{key.get_name()} {key.get_base64()}"


@contextmanager
def receiving(
    folder: Path, host_key: paramiko.PKey, client_key: paramiko.PKey, port: int = 0
) -> Iterator[int]:
    """Serve SFTP on loopback from a thread and yield the port.

    Args:
        folder: Where files arrive.
        host_key: The server's own.
        client_key: The key that may log in, as ``USER``.
        port: A free one where 0.
    """
    listening = socket.create_server(("127.0.0.1", port))
    open_ones: list[paramiko.Transport] = []

    def serve() -> None:
        while True:
            try:
                line, _address = listening.accept()
            except OSError:
                return
            transport = paramiko.Transport(line)
            transport.add_server_key(host_key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Folder, folder)
            open_ones.append(transport)
            # Who only looks whether somebody listens, or does not agree, is no mistake here.
            with suppress(paramiko.SSHException, OSError, EOFError):
                transport.start_server(event=threading.Event(), server=_Login(client_key))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for transport in open_ones:
            transport.close()
        thread.join(timeout=5)
