"""An ERP file as records of text: its encoding, its delimiter, and where each record stands.

Belongs here: what is the same for every CSV file. Which columns it must have, and what a row
must say, is in `erp`. Nothing is unpacked, so no archive can grow.
"""

import codecs
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from charset_normalizer import from_bytes

from stock_platform.errors import StockPlatformError

_DELIMITERS: Final = ",;\t|"
_HEAD_BYTES: Final = 1 << 20
# Empty lines, and DOS's mark of a file's end.
_NOTHING: Final = " \t\r\n\x1a"
# Longer marks first: UTF-32's begins with UTF-16's.
_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BINARY: Final = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
}
# Where a byte stands for a letter by itself; CP1252 first, for it holds all that Latin-1 prints.
_SINGLE_BYTE: Final = ["cp1252", "latin_1"]
# ASCII in UTF-16 is half zeros; text in UTF-8 has none.
_ZEROS_OF_UTF_16: Final = 0.25


class ErpFileError(StockPlatformError):
    """A file that is rejected whole; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the file.

    Attributes:
        line: on which it begins; the header's is 1 where nothing stands above it.
        text: as it stands in the file.
        values: by column; None where quotes or length break the CSV, a record for each line then.
    """

    line: int
    text: str
    values: Sequence[str] | None


@dataclass(frozen=True)
class CsvText:
    """How a file is written.

    Attributes:
        columns: names by position, in the contract's spelling; unknown ones as they are.
        header_line: on which they stand.
        ends_with_newline: whether the last line is complete.
    """

    file: Path
    encoding: str
    delimiter: str
    columns: Sequence[str]
    header_line: int
    ends_with_newline: bool

    def records(self) -> Iterator[Record]:
        """The records after the header, empty lines left out.

        Raises:
            ErpFileError: the file ends within quotes, or cannot be decoded.
        """
        with self.file.open(encoding=self.encoding, newline="") as stream:
            above = [next(stream) for _ in range(self.header_line)]
            records = _records(stream, self.delimiter, len(self.columns), len(above))
            try:
                yield from (it for it in records if it.text.strip(_NOTHING))
            except UnicodeError as error:
                raise ErpFileError(
                    f"the file is no {self.encoding} text throughout ({error}); export it as UTF-8"
                ) from error


def read_text(file: Path, wanted: Sequence[str], aliases: Mapping[str, str]) -> CsvText:
    """Find out how a file is written.

    Args:
        file: the file, on a local disk.
        wanted: the contract's columns, in capitals with underscores.
        aliases: other names of them, which count where the column's own name is not there.

    Raises:
        ErpFileError: it is empty, binary, a web page, or its header has no column of these.
    """
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        size = stream.seek(0, 2)
        stream.seek(max(size - 4, 0))
        tail = stream.read()
    encoding = _encoding(file, head)
    line, header = _header(file, encoding)
    known = {*wanted, *aliases}
    delimiter = max(_DELIMITERS, key=lambda it: len(known.intersection(_names(header, it))))
    names = _names(header, delimiter)
    if known.isdisjoint(names):
        raise ErpFileError(f"the first line is no header of this export: {header[:200]!r}")
    columns = [
        it if it in wanted or aliases.get(it) in names else aliases.get(it, it) for it in names
    ]
    repeated = sorted({name for name in columns if name in wanted and columns.count(name) > 1})
    if repeated:
        raise ErpFileError(f"the header has {', '.join(repeated)} more than once")
    ends = tail.rstrip(b"\0\x1a")[-1:] in {b"\n", b"\r"}
    return CsvText(file, encoding, delimiter, columns, line, ends)


def _encoding(file: Path, head: bytes) -> str:
    if not head.strip(b" \t\r\n\0"):
        raise ErpFileError("the file is empty; export it again")
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise ErpFileError(f"the file is {what}, not text; export it as CSV")
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if head.count(0) > _ZEROS_OF_UTF_16 * len(head):
        return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    if _is_utf8(file):
        return "utf-8"
    best = from_bytes(head, cp_isolation=_SINGLE_BYTE).best()
    if best is None:
        raise ErpFileError("the file is no text in UTF-8, UTF-16, CP1252 or Latin-1; use UTF-8")
    return best.encoding


def _is_utf8(file: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with file.open("rb") as stream:
        try:
            while block := stream.read(_HEAD_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _header(file: Path, encoding: str) -> tuple[int, str]:
    """The header and the number of its line: the first but for empty ones and Excel's ``sep=``."""
    with file.open(encoding=encoding, newline="") as stream:
        try:
            line, header = 1, stream.readline(_HEAD_BYTES)
            while header and (not header.strip(_NOTHING) or header.lower().startswith("sep=")):
                line, header = line + 1, stream.readline(_HEAD_BYTES)
        except UnicodeError as error:
            raise ErpFileError(f"the file is no {encoding} text ({error})") from error
    if header.lstrip().startswith("<"):
        raise ErpFileError("the file is a web page, not CSV: what fetched it was refused; retry")
    return line, header


def _names(header: str, delimiter: str) -> list[str]:
    cells = next(csv.reader([header], delimiter=delimiter), [])
    return [re.sub(r"[\s\-.]+", "_", it.strip()).upper() for it in cells]


def _records(stream: TextIO, delimiter: str, width: int, above: int) -> Iterator[Record]:
    read: list[str] = []

    def lines() -> Iterator[str]:
        for line in stream:
            read.append(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    while True:
        read.clear()
        begins = above + reader.line_num + 1
        try:
            values: Sequence[str] | None = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise ErpFileError(
                    f"the file ends within quotes that open on line {begins}: it was cut off, "
                    "or a quote is missing; export it again"
                ) from error
            values = None
        if values is None or _swallows_lines(values, delimiter, width):
            # Nobody knows which of the lines is right; each is told by itself.
            yield from (Record(begins + n, line, None) for n, line in enumerate(read))
        else:
            yield Record(begins, "".join(read), values)


def _swallows_lines(values: Sequence[str], delimiter: str, width: int) -> bool:
    """Whether a value holds half a row and a newline: a quote was opened and never closed."""
    return any(
        "\n" in value and value.count(delimiter) >= max(width // 2, 2)
        for value in values
        if len(value) > width
    )
