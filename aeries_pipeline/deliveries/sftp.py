"""Putting files on an SFTP server whose host key is pinned."""

from __future__ import annotations

import posixpath
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko

from aeries_pipeline.deliveries.folder import in_the_way
from aeries_pipeline.deliveries.remote import (
    CHUNK,
    SECONDS,
    Listed,
    RemoteError,
    broken_off,
    digest_of,
    no_host,
    of_system,
    pieces_of,
)
from aeries_pipeline.districts.delivery import SftpDelivery

_SIGNED_BY = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""Signatures that prove a key where these are not called as the key is."""


class SftpRemote:
    """A folder of an SFTP server."""

    def __init__(
        self, target: SftpDelivery, password: str, key: Path | None, passphrase: str
    ) -> None:
        """Connect, prove that it is the pinned server, and log in.

        Args:
            target: Host, port, user, folder and pinned keys.
            password: Empty if a key is enough.
            key: File of the private key.
            passphrase: Of that file; empty if it has none.

        Raises:
            RemoteError: If any of it fails.
        """
        self._folder = target.folder
        loaded = _private_key(key, passphrase) if key else None
        with _told("connect"):
            line = socket.create_connection((target.host, target.port), timeout=SECONDS)
        try:
            with _told("agree on how to talk"):
                self._transport = paramiko.Transport(line)
                self._transport.banner_timeout = SECONDS
                _ask_for_pinned(self._transport, target.host_keys)
                self._transport.start_client(timeout=SECONDS)
        except BaseException:
            line.close()
            raise
        try:
            self._prove(target.host_keys)
            self._log_in(target.user, password, loaded)
            with _told("begin"):
                self._client = paramiko.SFTPClient.from_transport(self._transport)
                self._client.get_channel().settimeout(SECONDS)
        except BaseException:
            self._transport.close()
            raise

    def _prove(self, pinned: list[str]) -> None:
        shown = self._transport.get_remote_server_key()
        if f"{shown.get_name()} {shown.get_base64()}" not in pinned:
            raise RemoteError(
                "wrong_host_key",
                f"the server showed another host key than the pinned one ({shown.get_name()} "
                f"{shown.fingerprint}), so nothing was sent and nobody logged in",
                "ask the receiver whether the server has a new key; correct host_key under "
                "delivery only when the answer, by telephone or a known address, says so",
            )

    def _log_in(self, user: str, password: str, key: paramiko.PKey | None) -> None:
        try:
            more: list[str] = ["password"]
            if key is not None:
                more = list(self._transport.auth_publickey(user, key))
            if password and not self._transport.is_authenticated() and more:
                self._transport.auth_password(user, password)
        except paramiko.AuthenticationException:
            pass
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise broken_off(error) from None
        if not self._transport.is_authenticated():
            raise RemoteError(
                "not_logged_in",
                "the server refused the login",
                "compare user and key_file or password_env under delivery with what the receiver "
                "has given",
            )

    def _at(self, name: str) -> str:
        return posixpath.join(self._folder, name)

    def put(self, local: Path, name: str) -> None:
        """Write a file, making the folders on its way."""
        self._make_folders(posixpath.dirname(name))
        with (
            _told("write a file"),
            local.open("rb") as ours,
            self._client.open(self._at(name), "wb") as theirs,
        ):
            theirs.set_pipelined(pipelined=True)
            for piece in pieces_of(ours.read):
                theirs.write(piece)

    def _make_folders(self, folder: str) -> None:
        made = ""
        for part in [one for one in folder.split("/") if one]:
            made = posixpath.join(made, part)
            with _told("make a folder"):
                try:
                    self._client.stat(self._at(made))
                except FileNotFoundError:
                    self._client.mkdir(self._at(made))

    def size(self, name: str) -> int | None:
        """Return the bytes of a file."""
        with _told("look at a file"):
            try:
                found = self._client.stat(self._at(name))
            except FileNotFoundError:
                return None
        if found.st_mode is not None and stat.S_ISDIR(found.st_mode):
            raise in_the_way()
        return int(found.st_size or 0)

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a file, by reading it back."""
        bytes_there = self.size(name)
        with _told("read a file back"), self._client.open(self._at(name), "rb") as file:
            file.prefetch(bytes_there, max_concurrent_requests=64)
            return digest_of(pieces_of(lambda _size: file.read(CHUNK)))

    def rename(self, old: str, new: str) -> None:
        """Give a file a name that is free."""
        with _told("rename a file"):
            self._client.rename(self._at(old), self._at(new))

    def remove(self, name: str) -> None:
        """Remove a file."""
        with _told("remove a file"), suppress(FileNotFoundError):
            self._client.remove(self._at(name))

    def files(self) -> list[Listed]:
        """Return the files of the folder, not those of folders in it."""
        with _told("look into the folder"):
            found = self._client.listdir_attr(self._folder or ".")
        return [
            Listed(one.filename, int(one.st_size or 0), int(one.st_mtime or 0))
            for one in found
            if one.st_mode is not None and stat.S_ISREG(one.st_mode)
        ]

    def fetch(self, name: str, local: Path) -> None:
        """Read a file into one of ours."""
        bytes_there = self.size(name)
        with (
            _told("read a file"),
            local.open("wb") as ours,
            self._client.open(self._at(name), "rb") as theirs,
        ):
            theirs.prefetch(bytes_there, max_concurrent_requests=64)
            for piece in pieces_of(lambda _size: theirs.read(CHUNK)):
                ours.write(piece)

    def look(self) -> None:
        """Prove that the folder is there and may be read."""
        with _told("look into the folder"):
            self._client.listdir(self._folder or ".")

    def close(self) -> None:
        """End the connection."""
        self._transport.close()


def _ask_for_pinned(transport: paramiko.Transport, pinned: list[str]) -> None:
    """Have a server that has several keys show the one that is pinned."""
    kinds = [key.split()[0] for key in pinned]
    wanted = [name for kind in kinds for name in _SIGNED_BY.get(kind, (kind,))]
    options = transport.get_security_options()
    rest = [name for name in options.key_types if name not in wanted]
    options.key_types = tuple(dict.fromkeys([*wanted, *rest]))


def _private_key(path: Path, passphrase: str) -> paramiko.PKey:
    try:
        key: paramiko.PKey = paramiko.PKey.from_path(
            path, passphrase.encode() if passphrase else None
        )
    except Exception as error:  # noqa: BLE001 - its text may hold a piece of the key
        raise RemoteError(
            "no_key",
            f"the private key cannot be read ({type(error).__name__})",
            "see key_file under delivery, looked up beside the roster, and name the variable "
            "with its passphrase as passphrase_env where it has one",
        ) from None
    return key


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except socket.gaierror:
        raise no_host() from None
    except paramiko.IncompatiblePeer:
        raise RemoteError(
            "too_old",
            "the server offers only ways of encrypting that are no longer safe",
            "ask the receiver for another server",
        ) from None
    except (TimeoutError, ConnectionError, EOFError, paramiko.SSHException) as error:
        raise broken_off(error) from None
    except OSError as error:
        if str(error) == "Socket is closed":
            raise broken_off(error) from None
        raise of_system(error, what) from None
