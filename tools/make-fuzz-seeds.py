#!/usr/bin/env python3
"""Writes the seed corpus of fuzz/gguf_reader_fuzz.cpp: small GGUF files, each with its own features, some of them broken.

The files are committed; run this again after changing it: tools/make-fuzz-seeds.py [FOLDER].
"""

import struct
import sys
from pathlib import Path

FORMATS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<B", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9
F32, F16, Q4_0, Q8_0, Q4_K, BF16 = 0, 1, 2, 8, 12, 30
BLOCKS = {F32: (1, 4), F16: (1, 2), Q4_0: (32, 18), Q8_0: (32, 34), Q4_K: (256, 144), BF16: (1, 2)}


def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def scalar(kind: int, value) -> bytes:
    return string(value) if kind == STRING else struct.pack(FORMATS[kind], value)


def pair(key: bytes, kind: int, value) -> bytes:
    return string(key) + struct.pack("<I", kind) + scalar(kind, value)


def array(key: bytes, kind: int, values) -> bytes:
    head = string(key) + struct.pack("<IIQ", ARRAY, kind, len(values))
    return head + b"".join(scalar(kind, value) for value in values)


def pad(data: bytes, alignment: int) -> bytes:
    return data + bytes(-len(data) % alignment)


def gguf(pairs=(), tensors=(), version=3, alignment=32, last_padding=True) -> bytes:
    table, data, end = b"", b"", 0
    for index, (name, kind, shape) in enumerate(tensors):
        values, size = BLOCKS[kind]
        count = 1
        for dimension in shape:
            count *= dimension
        table += string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}q", *shape)
        table += struct.pack("<IQ", kind, len(data))
        data += bytes((index * 11 + i * 37) % 256 for i in range(count // values * size))
        end = len(data)
        data = pad(data, alignment)
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs)) + b"".join(pairs) + table
    if tensors:
        head = pad(head, alignment)
    return head + (data if last_padding else data[:end])


def seeds() -> dict:
    scalars = [pair(b"t.%d" % kind, kind, 1) for kind in FORMATS] + [pair(b"t.str", STRING, b"text")]
    arrays = [array(b"a.%d" % kind, kind, [1, 0, 1]) for kind in FORMATS]
    words = [array(b"tokenizer.ggml.tokens", STRING, [b"<s>", b"", b"\xe2\x96\x81a", b"\n"])]
    architecture = pair(b"general.architecture", STRING, b"llama")
    norm = (b"blk.0.ffn_norm.weight", F32, (8,))
    up = (b"blk.0.ffn_up.weight", Q4_0, (32, 2))
    split = [pair(b"split.no", 2, 0), pair(b"split.count", 2, 2), pair(b"split.tensors.count", 5, 1)]
    whole = gguf([architecture], [norm, up])
    return {
        "empty": gguf(),
        "v2": gguf([architecture], [norm], version=2),
        "scalars": gguf(scalars),
        "arrays": gguf(arrays + [array(b"a.none", 4, [])]),
        "strings": gguf([architecture] + words, [norm]),
        "two_tensors": whole,
        "blocks": gguf([], [up, (b"output.weight", Q8_0, (32, 1, 2)), (b"k", Q4_K, (256, 1))]),
        "dimensions": gguf([], [(b"scalar", F32, ()), (b"none", F16, (4, 0)), (b"four", BF16, (2, 3, 1, 2))]),
        "align_8": gguf([pair(b"general.alignment", 4, 8)], [norm, up], alignment=8),
        "align_64": gguf([pair(b"general.alignment", 4, 64)], [norm, up], alignment=64),
        "align_1": gguf([pair(b"general.alignment", 4, 1)], [norm, up], alignment=1),
        "unpadded": gguf([architecture], [norm, up], last_padding=False),
        "trailing": whole + b"trailing",
        "split": gguf(split, [norm]),
        "nul_in_names": gguf([pair(b"general.alignment\0x", 4, 32)], [(b"a\0b", F32, (1,))]),
        "truncated": whole[:-50],
        "big_endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
        "nested_array": gguf([string(b"k") + struct.pack("<IIQ", ARRAY, ARRAY, 1) + bytes(16)]),
        "stamped": gguf([pair(b"fakequant.test", STRING, b"old"), architecture], [norm]),
    }


def main() -> None:
    default = Path(__file__).resolve().parent.parent / "fuzz" / "corpus" / "gguf_reader"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (folder / f"{name}.gguf").write_bytes(data)


if __name__ == "__main__":
    main()
