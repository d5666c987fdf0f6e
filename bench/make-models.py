#!/usr/bin/env python3
"""Writes the models that the benchmarks read: in the shape of TinyLlama 1.1B an F16 file of 2.2 GB and, made from it by
llama-quantize, a Q4_K_M file of 640 MB; and the same of 270 and 90 MB in a shape small enough to be evaluated again and
again. The weights are noise; no model is downloaded. Files that exist are kept.

Usage: bench/make-models.py [FOLDER]        (default: build/bench-data)
"""

import argparse
import os
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy


@dataclass
class Shape:
    name: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int


SHAPES = {
    "tinyllama": Shape("TinyLlama 1.1B", layers=22, width=2048, feed_forward=5632, heads=32, kv_heads=4),
    "stories110m": Shape("stories110M", layers=12, width=768, feed_forward=2048, heads=12, kv_heads=12),
}
VOCABULARY = 32000
BYTES = 256  # of the vocabulary, so that any text can be read: behind the unknown token and two control tokens
ALIGNMENT = 32
WEIGHT_STD = 0.02

UINT32, INT32, FLOAT32, STRING, ARRAY = 4, 5, 6, 8, 9  # GGUF's numbers for types of metadata
F32, F16 = 0, 1  # and of tensors

ROOT = Path(__file__).resolve().parent.parent


def text(value):
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def metadata(shape):
    """What llama-quantize wants of a llama model, and a vocabulary of the usual size."""
    numbers = {
        "llama.block_count": shape.layers,
        "llama.context_length": 2048,
        "llama.embedding_length": shape.width,
        "llama.feed_forward_length": shape.feed_forward,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.kv_heads,
        "llama.rope.dimension_count": shape.width // shape.heads,
        "llama.vocab_size": VOCABULARY,
        "general.file_type": 1,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }
    texts = {
        "general.architecture": "llama",
        "general.name": f"noise in the shape of {shape.name}",
        "tokenizer.ggml.model": "llama",
    }
    pairs = [text(key) + struct.pack("<I", STRING) + text(value) for key, value in texts.items()]
    pairs += [text(key) + struct.pack("<II", UINT32, value) for key, value in numbers.items()]
    pairs.append(text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", FLOAT32, 1e-5))

    def array(key, element_type, elements):
        pairs.append(text(key) + struct.pack("<IIQ", ARRAY, element_type, VOCABULARY) + elements)

    others = range(3 + BYTES, VOCABULARY)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(BYTES)), *(f"token{i}" for i in others)]
    array("tokenizer.ggml.tokens", STRING, b"".join(map(text, tokens)))
    array("tokenizer.ggml.scores", FLOAT32, struct.pack(f"<{VOCABULARY}f", *(-float(i) for i in range(VOCABULARY))))
    kinds = [2, 3, 3] + [6] * BYTES + [1] * len(others)
    array("tokenizer.ggml.token_type", INT32, struct.pack(f"<{VOCABULARY}i", *kinds))
    return pairs


def tensors(shape):
    """Name, shape (fastest dimension first) and type of every tensor."""
    width, feed_forward, kv_width = shape.width, shape.feed_forward, shape.width // shape.heads * shape.kv_heads
    yield "output.weight", (width, VOCABULARY), F16
    yield "output_norm.weight", (width,), F32
    yield "token_embd.weight", (width, VOCABULARY), F16
    for layer in range(shape.layers):
        block = {
            "attn_k": (width, kv_width),
            "attn_norm": (width,),
            "attn_output": (width, width),
            "attn_q": (width, width),
            "attn_v": (width, kv_width),
            "ffn_down": (feed_forward, width),
            "ffn_gate": (width, feed_forward),
            "ffn_norm": (width,),
            "ffn_up": (width, feed_forward),
        }
        for name, dimensions in block.items():
            yield f"blk.{layer}.{name}.weight", dimensions, F32 if len(dimensions) == 1 else F16


def count_of(dimensions):
    return int(numpy.prod(dimensions, dtype=numpy.int64))


def padded(size):
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


class Noise:
    """Normal values from a pool that is much smaller than the model: rows start anywhere in it, so the file does not repeat
    with a short period, and writing is as fast as the disk."""

    POOL = 1 << 24
    RUN = 1 << 20

    def __init__(self):
        self.random = numpy.random.default_rng(1)
        normal = self.random.standard_normal(self.POOL, dtype=numpy.float32)
        self.pool = (normal * WEIGHT_STD).astype("<f2")

    def write_f16(self, count, file):
        while count > 0:
            run = min(count, self.RUN)
            start = int(self.random.integers(self.POOL - run + 1))
            file.write(self.pool[start : start + run].data)
            count -= run

    def write_norm(self, count, file):
        """F32 values that BF16 can hold, as converters write the norms of BF16 models."""
        values = (1 + 0.1 * self.random.standard_normal(count)).astype("<f4")
        file.write((values.view("<u4") & 0xFFFF0000).tobytes())


def write_f16_model(shape, path):
    pairs = metadata(shape)
    table = list(tensors(shape))
    header = b"GGUF" + struct.pack("<IQQ", 3, len(table), len(pairs)) + b"".join(pairs)
    offset = 0
    for name, dimensions, kind in table:
        header += text(name) + struct.pack("<I", len(dimensions)) + struct.pack(f"<{len(dimensions)}Q", *dimensions)
        header += struct.pack("<IQ", kind, offset)
        offset += padded(count_of(dimensions) * (4 if kind == F32 else 2))
    noise = Noise()
    with open(path, "wb") as file:
        file.write(header.ljust(padded(len(header)), b"\0"))
        for _, dimensions, kind in table:
            (noise.write_norm if kind == F32 else noise.write_f16)(count_of(dimensions), file)
            file.write(b"\0" * (padded(file.tell()) - file.tell()))


def make(path, write):
    """Calls write(temporary name); an interrupted run leaves no half file that the next one would take for whole."""
    if path.exists():
        return
    print(f"writing {path}", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    write(temporary)
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    temporary.rename(path)


def make_models(folder, llama_quantize):
    """Returns the paths of the F16 and the Q4_K_M file of each shape."""
    paths = []
    for key, shape in SHAPES.items():
        f16 = Path(folder) / f"{key}-shape-f16.gguf"
        mixed = Path(folder) / f"{key}-shape-q4_k_m.gguf"
        make(f16, lambda path, shape=shape: write_f16_model(shape, path))

        def quantize(path, source=f16):
            command = [llama_quantize, source, path, "Q4_K_M", str(os.cpu_count())]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        make(mixed, quantize)
        paths += [f16, mixed]
    return paths


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "bench-data")
    parser.add_argument("--llama-quantize", type=Path, default=ROOT / "build" / "bin" / "llama-quantize")
    options = parser.parse_args()
    for path in make_models(options.folder, options.llama_quantize):
        print(f"{path}  {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
