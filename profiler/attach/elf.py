"""Where things are in a mapped ELF file: exported functions, and the unused ends of its last pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.hash import GNUHashSection
from elftools.elf.sections import Symbol
from elftools.elf.segments import Segment

from acceltop.profiler.attach.proc import Mapping

PAGE = os.sysconf("SC_PAGESIZE")
EXECUTABLE, WRITABLE = 1, 2  # p_flags


@dataclass(frozen=True)
class Tail:
    """Bytes of a mapped page that belong to nobody: from the end of a segment to the end of its page."""

    start: int
    end: int


class Image:
    """One ELF file as it is mapped in a process, whose `mappings` are given whole. Raises ValueError."""

    def __init__(self, file: BinaryIO, path: str, mappings: Iterable[Mapping]) -> None:
        try:
            self._elf = ELFFile(file)
            self._loads = [segment for segment in self._elf.iter_segments("PT_LOAD")]
        except (ELFError, ValueError) as error:
            raise ValueError(f"not a readable ELF file ({error})") from error
        self._path = path
        self._mappings = list(mappings)
        self.is_64_bit = self._elf.elfclass == 64
        self.base = self._base()

    def functions(self, names: Iterable[str]) -> dict[str, int]:
        """The addresses in the process of those `names` that the file defines."""
        find = self._finder()
        symbols = {name: symbol for name in names for symbol in find(name)}
        return {
            name: self.base + symbol["st_value"]
            for name, symbol in symbols.items()
            if symbol["st_shndx"] != "SHN_UNDEF" and symbol["st_value"]
        }

    def tails(self, flag: int) -> Iterator[Tail]:
        """The unused ends of its segments with `flag`, as far as they are mapped with that permission."""
        letter = "x" if flag == EXECUTABLE else "w"
        for segment in self._loads:
            if not segment["p_flags"] & flag:
                continue
            start = self.base + segment["p_vaddr"] + segment["p_memsz"]
            end = _page_up(start)
            if start < end and self._is_mapped(start, letter) and self._is_blank(segment, flag, end - start):
                yield Tail(start, end)

    def _is_blank(self, segment: Segment, flag: int, size: int) -> bool:
        """The last page of data without a .bss shows what comes next in the file (patchelf makes such segments)."""
        if flag != WRITABLE or segment["p_memsz"] > segment["p_filesz"]:
            return True
        self._elf.stream.seek(segment["p_offset"] + segment["p_filesz"])
        return not any(self._elf.stream.read(size))

    def _finder(self) -> Callable[[str], Iterable[Symbol]]:
        """By the hash table that the loader uses: walking all of .dynsym takes 100 ms."""
        table = self._elf.get_section_by_name(".gnu.hash")
        if isinstance(table, GNUHashSection):
            return lambda name: filter(None, [table.get_symbol(name)])
        symbols = self._elf.get_section_by_name(".dynsym")
        return lambda name: (symbols.get_symbol_by_name(name) or ()) if symbols else ()

    def _base(self) -> int:
        """From the r-x mapping: a file may be mapped a second time, read-only, at a lower address."""
        if self._elf["e_type"] != "ET_DYN":
            return 0
        for mapping in self._mappings:
            if mapping.path != self._path or "x" not in mapping.permissions:
                continue
            for segment in self._loads:
                if segment["p_flags"] & EXECUTABLE and _covers(segment, mapping.offset):
                    into = mapping.offset - _page_down(segment["p_offset"])
                    return mapping.start - into - _page_down(segment["p_vaddr"])
        raise ValueError("its code is not mapped")

    def _is_mapped(self, address: int, letter: str) -> bool:
        """Whatever the mapping is named: .bss goes on where there is no file behind it."""
        return any(m.start <= address < m.end and letter in m.permissions for m in self._mappings)


def _covers(segment: Segment, offset: int) -> bool:
    return bool(_page_down(segment["p_offset"]) <= offset < segment["p_offset"] + segment["p_filesz"])


def _page_down(address: int) -> int:
    return address & -PAGE


def _page_up(address: int) -> int:
    return -(-address & -PAGE)
