"""Putting files on an FTP server over TLS whose certificate is verified."""

from __future__ import annotations

import errno
import ftplib
import posixpath
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aeries_pipeline.deliveries.folder import in_the_way
from aeries_pipeline.deliveries.remote import (
    CHUNK,
    SECONDS,
    RemoteError,
    broken_off,
    digest_of,
    no_host,
    of_system,
    pieces_of,
)
from aeries_pipeline.districts.delivery import FtpsDelivery

_ABSENT = "550"
_FULL = ("452", "552")


class _Client(ftplib.FTP_TLS):
    """Speaks TLS on the line of data as well, in the session that some servers ask for."""

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        """Open a line of data."""
        line, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - wrapped below
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        wrapped = self.context.wrap_socket(line, server_hostname=self.host, session=session)
        return wrapped, size


class FtpsRemote:
    """A folder of an FTP server."""

    def __init__(self, target: FtpsDelivery, password: str, authorities: Path | None) -> None:
        """Connect, prove the server by its certificate, and log in.

        Args:
            target: Host, port, user and folder.
            password: Of the user.
            authorities: File of the authorities that count; None for the usual ones.

        Raises:
            RemoteError: If any of it fails.
        """
        try:
            context = ssl.create_default_context(cafile=authorities)
        except (OSError, ValueError):
            raise RemoteError(
                "ca_file",
                "no certificate authority can be read from ca_file",
                "put the receiver's authority there in PEM form, or take ca_file out of delivery",
            ) from None
        self._ftp = _Client(context=context, timeout=SECONDS, encoding="utf-8")
        try:
            self._begin(target, password)
        except BaseException:
            self._ftp.close()
            raise

    def _begin(self, target: FtpsDelivery, password: str) -> None:
        with _told("connect"):
            self._ftp.connect(target.host, target.port)
            self._ftp.auth()
        try:
            with _told("log in"):
                self._ftp.login(target.user, password)
        except RemoteError as error:
            if error.code != "not_permitted":
                raise
            raise RemoteError(
                "not_logged_in",
                "the server refused the login",
                "compare user and password_env under delivery with what the receiver has given",
            ) from None
        with _told("begin"):
            self._ftp.prot_p()
            self._ftp.voidcmd("TYPE I")
            self._base = posixpath.join(self._ftp.pwd(), target.folder)

    def _at(self, name: str) -> str:
        return posixpath.join(self._base, name)

    def put(self, local: Path, name: str) -> None:
        """Write a file, making the folders on its way."""
        self._make_folders(posixpath.dirname(name))
        with _told("write a file"):
            with local.open("rb") as ours, self._ftp.transfercmd(f"STOR {self._at(name)}") as line:
                for piece in pieces_of(ours.read):
                    line.sendall(piece)
                _end(line)
            self._ftp.voidresp()

    def _make_folders(self, folder: str) -> None:
        made = ""
        for part in [one for one in folder.split("/") if one]:
            made = posixpath.join(made, part)
            if not self._is_folder(made):
                with _told("make a folder"):
                    self._ftp.mkd(self._at(made))

    def _is_folder(self, name: str) -> bool:
        with _told("look at a folder"):
            try:
                self._ftp.cwd(self._at(name))
            except ftplib.error_perm:
                return False
        return True

    def size(self, name: str) -> int | None:
        """Return the bytes of a file."""
        with _told("look at a file"):
            try:
                return self._ftp.size(self._at(name))
            except ftplib.error_perm as error:
                if not str(error).startswith(_ABSENT):
                    raise
        if self._is_folder(name):
            raise in_the_way()
        return None

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a file, by reading it back."""
        with _told("read a file back"):
            with self._ftp.transfercmd(f"RETR {self._at(name)}") as line:
                found = digest_of(pieces_of(lambda _size: line.recv(CHUNK)))
                _end(line)
            self._ftp.voidresp()
        return found

    def rename(self, old: str, new: str) -> None:
        """Give a file a name that is free."""
        with _told("rename a file"):
            self._ftp.rename(self._at(old), self._at(new))

    def remove(self, name: str) -> None:
        """Remove a file."""
        if self.size(name) is not None:
            with _told("remove a file"):
                self._ftp.delete(self._at(name))

    def look(self) -> None:
        """Prove that the folder is there."""
        with _told("look into the folder"):
            self._ftp.cwd(self._base)

    def close(self) -> None:
        """End the connection."""
        with suppress(OSError, EOFError, ftplib.Error):
            self._ftp.quit()
        self._ftp.close()


def _end(line: socket.socket) -> None:
    """End TLS on a line of data; a server that does not answer is judged by the comparison."""
    if isinstance(line, ssl.SSLSocket):
        with suppress(OSError):
            line.unwrap()


def _of_reply(error: ftplib.error_perm | ftplib.error_temp, what: str) -> RemoteError:
    """Return what a server's refusal means; its text may hold a name, so only the code is told."""
    code = str(error)[:3]
    if code in _FULL:
        return of_system(OSError(errno.ENOSPC, "full"), what)
    if isinstance(error, ftplib.error_perm):
        return RemoteError(
            "not_permitted",
            f"the server refused to {what} (code {code})",
            "see whether folder under delivery is right and there, and ask the receiver whether "
            "the account may write, read, rename and remove files in it",
        )
    return RemoteError(
        "server_failed",
        f"the server could not {what} (code {code})",
        "ask the receiver what it means, if it stays so",
        transient=True,
    )


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except (ftplib.error_perm, ftplib.error_temp) as error:
        raise _of_reply(error, what) from None
    except ssl.SSLCertVerificationError as error:
        raise RemoteError(
            "wrong_certificate",
            f"the server's certificate is not to be trusted ({error.verify_message}), so nothing "
            "was sent and nobody logged in",
            "ask the receiver for a valid one; where it has an authority of its own, name its file "
            "as ca_file under delivery",
        ) from None
    except socket.gaierror:
        raise no_host() from None
    except (OSError, EOFError, ftplib.Error) as error:
        raise broken_off(error) from None
