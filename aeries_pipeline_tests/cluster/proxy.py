"""A wire between a machine and a server that a test can hold, cut and mend."""

import socket
import threading
from contextlib import suppress


class Wire:
    """Passes bytes on to a server.

    Args:
        port: Of the server.
        address: Of the server.
    """

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._target = (address, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pattern: bytes | None = None
        self._loses_answer = False
        self.held = threading.Event()
        self._flows = threading.Event()
        self._flows.set()
        self._passes = threading.Event()
        self._passes.set()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def hold_at(self, pattern: bytes) -> None:
        """Hold back whatever is sent from the first piece on that has these bytes."""
        self.held.clear()
        self._flows.clear()
        self._pattern = pattern

    def lose_answer_to(self, pattern: bytes) -> None:
        """Pass a piece on that has these bytes, and break off before its answer."""
        self.held.clear()
        self._loses_answer = True
        self._pattern = pattern

    def let_go(self) -> None:
        """Pass on what was held."""
        self._pattern = None
        self._flows.set()

    def cut(self) -> None:
        """Pass nothing on any more, and say nothing of it."""
        self._passes.clear()

    def mend(self) -> None:
        self._passes.set()

    def close(self) -> None:
        self.let_go()
        self.mend()
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(here,), daemon=True).start()

    def _join(self, here: socket.socket) -> None:
        self._passes.wait()
        try:
            there = socket.create_connection(self._target)
        except OSError:
            here.close()
            return
        self._open += [here, there]
        lost = threading.Event()
        back = threading.Thread(target=self._back, args=(there, here, lost), daemon=True)
        back.start()
        self._forth(here, there, lost)

    def _forth(self, here: socket.socket, there: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while piece := here.recv(1 << 16):
                self._passes.wait()
                pattern = self._pattern
                if pattern is not None and pattern in piece:
                    if self._loses_answer:
                        self._pattern, self._loses_answer = None, False
                        lost.set()
                    self.held.set()
                    self._flows.wait()
                there.sendall(piece)
        for one in (here, there):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _back(self, there: socket.socket, here: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while piece := there.recv(1 << 16):
                self._passes.wait()
                if lost.is_set() and b" 100 Continue" not in piece:
                    break
                here.sendall(piece)
        for one in (here, there):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
