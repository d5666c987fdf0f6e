#!/usr/bin/env python3
"""Writes the two models that the benchmarks read, in the shape of TinyLlama 1.1B: an F16 file of 2.2 GB and, made from it
by llama-quantize, a Q4_K_M file of 640 MB. The weights are noise; no model is downloaded. Files that exist are kept.

Usage: bench/make-models.py [FOLDER]        (default: build/bench-data)
"""

import argparse
import os
import struct
import subprocess
from pathlib import Path

import numpy

LAYERS = 22
WIDTH = 2048
FEED_FORWARD = 5632
HEADS = 32
KV_HEADS = 4
VOCABULARY = 32000
KV_WIDTH = WIDTH // HEADS * KV_HEADS
ALIGNMENT = 32
WEIGHT_STD = 0.02

UINT32, INT32, FLOAT32, STRING, ARRAY = 4, 5, 6, 8, 9  # GGUF's numbers for types of metadata
F32, F16 = 0, 1  # and of tensors

ROOT = Path(__file__).resolve().parent.parent


def text(value):
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def metadata():
    """What llama-quantize wants of a llama model, and a vocabulary of the usual size."""
    numbers = {
        "llama.block_count": LAYERS,
        "llama.context_length": 2048,
        "llama.embedding_length": WIDTH,
        "llama.feed_forward_length": FEED_FORWARD,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": KV_HEADS,
        "llama.rope.dimension_count": WIDTH // HEADS,
        "llama.vocab_size": VOCABULARY,
        "general.file_type": 1,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }
    texts = {
        "general.architecture": "llama",
        "general.name": "noise in the shape of TinyLlama 1.1B",
        "tokenizer.ggml.model": "llama",
    }
    pairs = [text(key) + struct.pack("<I", STRING) + text(value) for key, value in texts.items()]
    pairs += [text(key) + struct.pack("<II", UINT32, value) for key, value in numbers.items()]
    pairs.append(text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", FLOAT32, 1e-5))

    def array(key, element_type, elements):
        pairs.append(text(key) + struct.pack("<IIQ", ARRAY, element_type, VOCABULARY) + elements)

    array("tokenizer.ggml.tokens", STRING, b"".join(text(f"token{i}") for i in range(VOCABULARY)))
    array("tokenizer.ggml.scores", FLOAT32, struct.pack(f"<{VOCABULARY}f", *(-float(i) for i in range(VOCABULARY))))
    kinds = [2, 3, 3] + [1] * (VOCABULARY - 3)  # unknown, two control tokens, then normal ones
    array("tokenizer.ggml.token_type", INT32, struct.pack(f"<{VOCABULARY}i", *kinds))
    return pairs


def tensors():
    """Name, shape (fastest dimension first) and type of every tensor."""
    yield "output.weight", (WIDTH, VOCABULARY), F16
    yield "output_norm.weight", (WIDTH,), F32
    yield "token_embd.weight", (WIDTH, VOCABULARY), F16
    for layer in range(LAYERS):
        block = {
            "attn_k": (WIDTH, KV_WIDTH),
            "attn_norm": (WIDTH,),
            "attn_output": (WIDTH, WIDTH),
            "attn_q": (WIDTH, WIDTH),
            "attn_v": (WIDTH, KV_WIDTH),
            "ffn_down": (FEED_FORWARD, WIDTH),
            "ffn_gate": (WIDTH, FEED_FORWARD),
            "ffn_norm": (WIDTH,),
            "ffn_up": (WIDTH, FEED_FORWARD),
        }
        for name, shape in block.items():
            yield f"blk.{layer}.{name}.weight", shape, F32 if len(shape) == 1 else F16


def count_of(shape):
    return int(numpy.prod(shape, dtype=numpy.int64))


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


def write_f16_model(path):
    pairs = metadata()
    table = list(tensors())
    header = b"GGUF" + struct.pack("<IQQ", 3, len(table), len(pairs)) + b"".join(pairs)
    offset = 0
    for name, shape, kind in table:
        header += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        header += struct.pack("<IQ", kind, offset)
        offset += padded(count_of(shape) * (4 if kind == F32 else 2))
    noise = Noise()
    with open(path, "wb") as file:
        file.write(header.ljust(padded(len(header)), b"\0"))
        for _, shape, kind in table:
            (noise.write_norm if kind == F32 else noise.write_f16)(count_of(shape), file)
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
    """Returns the paths of the F16 and the Q4_K_M file."""
    f16 = Path(folder) / "tinyllama-shape-f16.gguf"
    mixed = Path(folder) / "tinyllama-shape-q4_k_m.gguf"
    make(f16, write_f16_model)

    def quantize(path):
        command = [llama_quantize, f16, path, "Q4_K_M", str(os.cpu_count())]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    make(mixed, quantize)
    return f16, mixed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "bench-data")
    parser.add_argument("--llama-quantize", type=Path, default=ROOT / "build" / "bin" / "llama-quantize")
    options = parser.parse_args()
    for path in make_models(options.folder, options.llama_quantize):
        print(f"{path}  {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
