"""From the bytes of a file to the cells of its lists: encodings, and what kind of file it is.

What a column means is asked of ``Look``, which ``columns`` gives. A file that
cannot be read is refused as a whole, with one sentence and without any of its
values. Texts are cut by ``delimited``, workbooks opened by ``workbook``.
"""

from __future__ import annotations

import codecs
import re

from aeries_pipeline.course_requests.delimited import cut
from aeries_pipeline.course_requests.sheets import AGAIN, Look, Sheet, UnreadableFileError, sheet_of
from aeries_pipeline.course_requests.workbook import open_old_workbook, open_workbook

_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_END_OF_FILE = b"\x1a"
"""Old programs close a text with it."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def read_sheets(content: bytes, max_bytes: int, look: Look) -> list[Sheet]:
    """Read a delimited text or a workbook, whatever its name says.

    Args:
        content: The whole file.
        max_bytes: A larger file is no list of requests.
        look: Tells what a line would be as a header.

    Returns:
        The lists in the file, one for each sheet that holds requests.

    Raises:
        UnreadableFileError: With one sentence: what is wrong, what to do next.
    """
    if len(content) > max_bytes:
        raise UnreadableFileError(
            "too_large",
            f"the file has {len(content) / 2**20:.0f} MB, more than the {max_bytes / 2**20:.0f} MB "
            "that a list of course requests can have; check that it is the right file",
        )
    if not content.strip(b"\x00 \t\r\n\x1a"):
        raise UnreadableFileError("empty", "the file is empty" + AGAIN)
    if content.startswith(_OLD_EXCEL):
        return open_old_workbook(content, look)
    if content.startswith(_ZIP):
        return open_workbook(content, look)
    text, encoding = decode(content)
    lines, delimiter = cut(text, look)
    is_ended = text.endswith(("\n", "\r"))
    return [sheet_of(lines, f"{encoding}, {delimiter}", look, is_ended=is_ended)]


def is_ended(start: bytes, end: bytes) -> bool:
    """Tell from its first and last bytes whether a file ends at the end of a line.

    An upload that stalls in mid-line leaves half a StudentID, which may be
    another student's. A workbook that breaks off cannot be opened.
    """
    if start.startswith((_ZIP, _OLD_EXCEL)):
        return True
    return end.rstrip(b"\x00\x1a").endswith((b"\n", b"\r"))


def decode(content: bytes) -> tuple[str, str]:
    """Return the text and the name of its encoding.

    Raises:
        UnreadableFileError: If it is no text, or in an encoding not known here.
    """
    text, name = _decoded(content.rstrip(_END_OF_FILE))
    text = text.rstrip("\x1a")
    if _CONTROL.search(text):
        raise _binary()
    return text, name


def _binary() -> UnreadableFileError:
    text = "the file is not a text file; export it as CSV or XLSX"
    return UnreadableFileError("binary", text)


def _decoded(content: bytes) -> tuple[str, str]:
    for mark, codec, name in (
        (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
        (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
        (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
    ):
        if content.startswith(mark):
            return _strictly(content, codec, name), name
    # ASCII in UTF-16 has a zero in every second byte, and nowhere else.
    for start, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = content[start:2000:2], content[1 - start : 2000 : 2]
        if zeros.count(0) > 0.9 * len(zeros) and others.count(0) < 0.1 * len(others):
            return _strictly(content, codec, "UTF-16"), "UTF-16"
    if _CONTROL_BYTES.search(content):
        raise _binary()
    try:
        return content.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        return _strictly(content, "cp1252", "Windows-1252"), "Windows-1252"


def _strictly(content: bytes, codec: str, name: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        raise UnreadableFileError(
            "encoding",
            f"the file looks like {name} and is not, or breaks off; save it as CSV UTF-8",
        ) from None
