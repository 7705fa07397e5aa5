"""Text of outside origin cannot hide or reorder anything where it is shown."""

import pytest

from stock_platform.plain_text import plain_text, pluralise

HIDING = [
    *map(chr, range(0x20)),  # C0
    *map(chr, range(0x7F, 0xA0)),  # DEL and C1
    *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
    *("\u200e", "\u200f", "\u061c"),
    *("\u200b", "\u2028", "\u2029", "\ufeff", "\ud800"),
]


@pytest.mark.parametrize("char", HIDING, ids=ascii)
def test_hiding_characters_are_written_out(char):
    shown = plain_text(f"a{char}b")
    assert shown == f"a{char.encode('unicode_escape').decode()}b"
    assert shown.isprintable()


def test_column_separators_are_escaped():
    assert plain_text("C-0001|AAPL") == r"C-0001\|AAPL"


@pytest.mark.parametrize(
    "name", ["Société Générale", "ソニーグループ", "אלביט", "A & B <Ltd.>", "🍎"]
)
def test_readable_names_stay_as_they_are(name):
    assert plain_text(name) == name


@pytest.mark.parametrize(("count", "text"), [(0, "0 files"), (1, "1 file"), (2_500, "2,500 files")])
def test_nouns_agree_with_their_number(count, text):
    assert pluralise(count, "file") == text
