"""Cuts off what a shared library does not load: symbols and debugging information."""

import struct
from pathlib import Path
from typing import Final

_MAGIC_64_LITTLE: Final = b"\x7fELF\x02\x01"
_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_NO_BITS: Final = 8
_LOADED: Final = 0x2


def strip(file: Path) -> None:
    """Shorten *file* to what is loaded, if it is a library of a 64-bit little-endian machine.

    Compilers write what is not loaded behind everything that is. The table of sections, which only
    debuggers and linkers read, goes with it. A file whose parts lie otherwise stays as it is.
    """
    content = bytearray(file.read_bytes())
    if not content.startswith(_MAGIC_64_LITTLE):
        return
    header = list(_HEADER.unpack_from(content))
    segments_at, segment_bytes, segments = header[5], header[9], header[10]
    end = max(
        offset + size
        for _, _, offset, _, _, size, _, _ in (
            _SEGMENT.unpack_from(content, segments_at + segment_bytes * index)
            for index in range(segments)
        )
    )
    if end > len(content) or _loaded_end(content, header) > end:
        return
    header[6] = header[12] = header[13] = 0
    _HEADER.pack_into(content, 0, *header)
    file.write_bytes(content[:end])


def _loaded_end(content: bytearray, header: list[int]) -> int:
    """Return where the last section ends that is loaded from the file."""
    sections_at, section_bytes, sections = header[6], header[11], header[12]
    ends = [0]
    for index in range(sections):
        section = _SECTION.unpack_from(content, sections_at + section_bytes * index)
        kind, flags, offset, size = section[1], section[2], section[4], section[5]
        if flags & _LOADED and kind != _NO_BITS:
            ends.append(offset + size)
    return max(ends)
