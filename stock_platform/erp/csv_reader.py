"""Read a CSV file of any common encoding and delimiter as text records.

Belongs here: reading any CSV file. The columns of an export are in `export`, the
rules for its rows in `row_rules`. Nothing is unpacked, so no archive can expand.
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
_MAX_HEADER_CHARS_SHOWN: Final = 200
# Characters of empty lines, and DOS's end-of-file mark.
_BLANK: Final = " \t\r\n\x1a"
# Longer marks first: UTF-32's begins with UTF-16's.
_BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BINARY_FORMATS: Final = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
}
# CP1252 first, because it has every printable character of Latin-1.
_SINGLE_BYTE_ENCODINGS: Final = ["cp1252", "latin_1"]
# ASCII in UTF-16 is half zeros; text in UTF-8 has none.
_MIN_ZERO_SHARE_OF_UTF_16: Final = 0.25


class ErpFileError(StockPlatformError, ValueError):
    """A file that is rejected as a whole; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """A record of a file.

    Attributes:
        line: number of its first line; the file's first line is 1.
        text: as written in the file.
        values: by column; None if the quotes are invalid or a value is too long for CSV. Then
            each line is a record of its own.
    """

    line: int
    text: str
    values: Sequence[str] | None


@dataclass(frozen=True)
class CsvFile:
    """A file and its format.

    Attributes:
        columns: names by position; known ones as in the schema, unknown ones as in the file.
        header_line: number of the header's line.
        ends_with_newline: the last line is complete.
    """

    path: Path
    encoding: str
    delimiter: str
    columns: Sequence[str]
    header_line: int
    ends_with_newline: bool

    def records(self) -> Iterator[CsvRecord]:
        """Read the records after the header, without empty lines.

        Raises:
            ErpFileError: the file ends within quotes, or cannot be decoded.
        """
        with self.path.open(encoding=self.encoding, newline="") as stream:
            for _ in range(self.header_line):
                next(stream)
            records = _records(stream, self.delimiter, len(self.columns), self.header_line)
            try:
                yield from (record for record in records if record.text.strip(_BLANK))
            except UnicodeError as error:
                raise ErpFileError(
                    f"the file is not valid {self.encoding} text ({error}); export it as UTF-8"
                ) from error


def detect_format(path: Path, wanted: Sequence[str], aliases: Mapping[str, str]) -> CsvFile:
    """Detect the encoding, delimiter and header of a local file.

    Args:
        path: the file.
        wanted: the schema's columns, in capitals with underscores.
        aliases: other names of them, used if the column's own name is missing.

    Raises:
        ErpFileError: the file is empty, binary or a web page, or its header repeats a wanted
            column or has none.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        size = stream.seek(0, 2)
        stream.seek(max(size - 4, 0))
        tail = stream.read()
    encoding = _encoding(path, head)
    line, header = _header(path, encoding)
    known = {*wanted, *aliases}
    delimiter = max(_DELIMITERS, key=lambda char: len(known.intersection(_names(header, char))))
    names = _names(header, delimiter)
    if known.isdisjoint(names):
        shown = header[:_MAX_HEADER_CHARS_SHOWN]
        raise ErpFileError(
            f"the first line has none of the expected column names: {shown!r}; export the file "
            "again with its header"
        )
    columns = [
        name if name in wanted or aliases.get(name) in names else aliases.get(name, name)
        for name in names
    ]
    repeated = sorted({name for name in columns if name in wanted and columns.count(name) > 1})
    if repeated:
        raise ErpFileError(
            f"the header has {', '.join(repeated)} more than once; keep one column of each"
        )
    ends_with_newline = tail.rstrip(b"\0\x1a")[-1:] in {b"\n", b"\r"}
    return CsvFile(path, encoding, delimiter, columns, line, ends_with_newline)


def _encoding(path: Path, head: bytes) -> str:
    if not head.strip(b" \t\r\n\0"):
        raise ErpFileError("the file is empty; export it again")
    for magic, description in _BINARY_FORMATS.items():
        if head.startswith(magic):
            raise ErpFileError(f"the file is {description}, not text; export it as CSV")
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    if head.count(0) > _MIN_ZERO_SHARE_OF_UTF_16 * len(head):
        return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    if _is_utf8(path):
        return "utf-8"
    best = from_bytes(head, cp_isolation=_SINGLE_BYTE_ENCODINGS).best()
    if best is None:
        raise ErpFileError(
            "the file is not text in UTF-8, UTF-16, CP1252 or Latin-1; export it as UTF-8"
        )
    return best.encoding


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as stream:
        try:
            while block := stream.read(_HEAD_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _header(path: Path, encoding: str) -> tuple[int, str]:
    """Return number and text of the header, the first line that is neither blank nor ``sep=``."""
    with path.open(encoding=encoding, newline="") as stream:
        try:
            line, header = 1, stream.readline(_HEAD_BYTES)
            while header and (not header.strip(_BLANK) or header.lower().startswith("sep=")):
                line, header = line + 1, stream.readline(_HEAD_BYTES)
        except UnicodeError as error:
            raise ErpFileError(
                f"the file is not valid {encoding} text ({error}); export it as UTF-8"
            ) from error
    if header.lstrip().startswith("<"):
        raise ErpFileError("the file is a web page, not CSV: its download failed; fetch it again")
    return line, header


def _names(header: str, delimiter: str) -> list[str]:
    cells = next(csv.reader([header], delimiter=delimiter), [])
    return [re.sub(r"[\s\-.]+", "_", cell.strip()).upper() for cell in cells]


def _records(stream: TextIO, delimiter: str, width: int, lines_before: int) -> Iterator[CsvRecord]:
    lines: list[str] = []

    def remembered_lines() -> Iterator[str]:
        for line in stream:
            lines.append(line)
            yield line

    reader = csv.reader(remembered_lines(), delimiter=delimiter, strict=True)
    while True:
        lines.clear()
        first = lines_before + reader.line_num + 1
        try:
            values: Sequence[str] | None = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise ErpFileError(
                    f"the file ends within quotes that open on line {first}: it is truncated or "
                    "a quote is missing; export it again"
                ) from error
            values = None
        if values is None or _swallows_lines(values, delimiter, width):
            # Any of the lines may be the right one, so each is rejected by itself.
            yield from (CsvRecord(first + index, line, None) for index, line in enumerate(lines))
        else:
            yield CsvRecord(first, "".join(lines), values)


def _swallows_lines(values: Sequence[str], delimiter: str, width: int) -> bool:
    """Return whether a value contains a newline and half a row: its quote was never closed."""
    return any(
        "\n" in value and value.count(delimiter) >= max(width // 2, 2)
        for value in values
        if len(value) > width
    )
