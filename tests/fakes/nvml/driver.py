"""The fake driver in the hands of a test: its settings can change while a program uses it."""

from __future__ import annotations

import os
from pathlib import Path


class FakeDriver:
    """`library` is the folder that `build.library` made; `folder` gets the settings."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._file = folder / "fake_nvml.conf"
        self._log = folder / "fake_nvml.log"
        self._settings: dict[str, str] = {}
        self.env = {"LD_LIBRARY_PATH": str(library), "FAKE_NVML_FILE": str(self._file)}
        self.set()

    def set(self, **settings: object) -> None:
        """Changes settings (see the head of fake_nvml.c); an empty value takes one back."""
        self._settings |= {key: str(value) for key, value in settings.items()}
        new = self._file.with_suffix(".new")
        text = "".join(f"{key}={value}\n" for key, value in self._settings.items() if value)
        new.write_bytes(os.fsencode(text))
        os.replace(new, self._file)  # a call under way sees the old or the new ones, never half

    def log(self) -> None:
        """From now on calls are written down."""
        self._log.write_text("")
        self.set(log=self._log)

    def calls(self) -> list[tuple[int, str]]:
        """GPU and function of each call since `log`."""
        rows = (line.split() for line in self._log.read_text().splitlines())
        return [(int(gpu), function) for gpu, function in rows]
