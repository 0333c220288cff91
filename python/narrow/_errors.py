"""What goes wrong, as one type of exception."""

from __future__ import annotations


class Error(Exception):
    """What the library throws: one full sentence that says what, where, found and expected.

    `category` is a word: "usage" (the request contradicts itself or is out of range), "not_found",
    "corrupt", "unsupported", "numeric" (NaN, infinity), "exists" (a result is there and force=True
    was not given), "io", "interrupted".
    """

    def __init__(self, message: str, category: str) -> None:
        super().__init__(message)
        self.category = category

    def __reduce__(self) -> tuple[type[Error], tuple[str, str]]:
        return Error, (str(self), self.category)
