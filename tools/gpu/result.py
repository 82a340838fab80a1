"""What a measurement found: rows for a person, data for a program."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Result:
    """Rows are: what, how much, remark."""

    name: str
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def row(self, what: str, value: str, remark: str = "", **data: Any) -> None:
        """One more row, and what it stands for in SI units."""
        self.rows.append((what, value, remark))
        self.data.update(data)
