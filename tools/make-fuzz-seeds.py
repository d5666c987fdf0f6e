#!/usr/bin/env python3
"""Writes seed corpora: small GGUF files for fuzz/gguf_reader_fuzz.cpp and journals for fuzz/journal_fuzz.cpp, each with its own
features, some of them broken.

The files are committed; run this again after changing it: tools/make-fuzz-seeds.py [FOLDER], a folder that has one for each program.
"""

import json
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


def gguf_seeds() -> dict:
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


def journal(*records, header='{"fakequant_journal": 1}', end="\n") -> bytes:
    lines = [header] + [record if isinstance(record, str) else json.dumps(record, separators=(",", ":")) for record in records]
    return ("\n".join(lines) + end).encode()


def journal_seeds() -> dict:
    wanted = [{"kind": "inspect", "key": "k1", "model": "m1", "variant": None, "text": None},
              {"kind": "divergence", "key": "k2", "model": "m1", "variant": "v1", "text": "t1"}]
    experiment = {"kind": "experiment", "title": "t", "measurements": wanted, "key": "e"}
    inspect = {"kind": "inspect", "key": "k1", "model": "m1", "result": {"weights": 5, "x": -1.5e-7, "text": "\u00e9\ud83d\ude00"}}
    failed = {"kind": "divergence", "key": "k2", "model": "m1", "variant": "v1", "text": "t1", "failure": "out of memory"}
    rest = [{"kind": "criterion", "stage": "s", "name": "c", "outcome": "pass"}, {"kind": "warning", "text": "hm"},
            {"kind": "decision", "stage": "s", "action": "run", "reasons": []}]
    return {
        "whole": journal(experiment, inspect, failed, *rest),
        "run_again": journal(experiment, failed, rest[0], rest[1], experiment, {**failed, "result": {}}, *rest, rest[0], rest[1]),
        "empty": b"",
        "header": journal(),
        "cut_header": journal(end="")[:9],
        "cut_line": journal(experiment, inspect, end=""),
        "other_version": journal(experiment, header='{"fakequant_journal": 2}'),
        "no_record": journal(experiment, "{", inspect),
        "key_twice": journal('{"kind":"a","kind":"b"}'),
        "deep": journal('{"a":' + "[" * 70 + "]" * 70 + "}"),
        "numbers": journal('{"kind":"a","x":[0,-0,1e308,18446744073709551615,-9223372036854775808,1e999]}'),
        "not_utf8": journal(experiment)[:-3] + b'\xff\xfe"}\n',
        "zeros": journal(experiment) + bytes(40),
    }


def main() -> None:
    corpus = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "fuzz" / "corpus"
    for folder, end, files in (("gguf_reader", ".gguf", gguf_seeds()), ("journal", ".jsonl", journal_seeds())):
        (corpus / folder).mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (corpus / folder / f"{name}{end}").write_bytes(data)


if __name__ == "__main__":
    main()
