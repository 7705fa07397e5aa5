r"""Text that people read: outside text made safe to show, and numbers with their nouns.

Belongs here: `plain_text`, which escapes outside text on its way to metadata, check results and
logs, and `pluralise`. Stored data stays as received.
"""


def plain_text(text: str) -> str:
    r"""Escape what could hide, reorder or break up the text around it.

    Control characters (``\x9b``, ``\n``), bidirectional marks (``\u202e``), zero-width characters,
    every space but the ordinary one, and ``|``, which separates columns (``\|``).
    """
    shown = (
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return "".join(shown).replace("|", r"\|")


def pluralise(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 session``, ``2,500 sessions``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
