"""Random changes of the headers of small valid files, run through the real commands: no signal, no hang, an exit code of ours, and
nothing left behind by what failed: issue 2, section 6.

Every change follows from a number, so a failure can be had again: FAKEQUANT_MUTATIONS=FIRST:COUNT python3 mutations_test.py
"""

import multiprocessing
import os
import pathlib
import random
import resource
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

from support import DONE, FAILED, PROGRAM, SANITIZED, WRONG_USAGE, Gguf, bf16s, floats, gauss, halves, main

FIRST, COUNT = map(int, os.environ.get("FAKEQUANT_MUTATIONS", "0:1000" if SANITIZED else "0:10000").split(":"))
TIMEOUT_SECONDS = 60 if SANITIZED else 10
MOST_MEMORY = 1 << 30
INTERESTING = [0, 1, 2, 3, 7, 8, 31, 32, 33, 255, 256, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 62, 2 ** 63 - 1,
               2 ** 63, 2 ** 64 - 32, 2 ** 64 - 1]


def base_files():
    """Small files that together hold every kind of metadata, several types, shapes, versions and alignments."""
    norm = floats(gauss(32, 1))
    simple = Gguf([("blk.0.attn_norm.weight", "F32", (32,), norm), ("blk.0.attn_q.weight", "F16", (32, 2), halves(gauss(64, 2))),
                   ("output_norm.weight", "F32", (32,), norm)],
                  {"general.architecture": "llama", "llama.block_count": 1, "general.file_type": 1})
    kinds = Gguf([("token_embd.weight", "Q8_0", (32, 2), (b"\x01\x1e" + bytes(range(32))) * 2),
                  ("blk.0.ffn_up.weight", "Q4_0", (32, 1, 2), (b"\x01\x1e" + bytes(range(16))) * 2),
                  ("blk.1.ffn_up.weight", "BF16", (8, 2, 2, 1), bf16s(gauss(32, 3))), ("ids", "I32", (4,), bytes(16))],
                 {"general.architecture": "gemma", "a": ("u8", 1), "b": ("i8", -1), "c": ("u16", 1), "d": ("i16", 1), "e": ("i32", 1),
                  "f": 1.5, "g": True, "h": ("u64", 1), "i": ("i64", 1), "j": ("f64", 1.0),
                  "tokens": ("array", ("string", ["<s>", "a", "b"])), "scores": ("array", ("f32", [0.0, 1.0]))}, alignment=64)
    old = Gguf([("a.weight", "F32", (4, 4), floats(gauss(16, 4))), ("b.weight", "F16", (3,), halves([1, 2, 3]))], {"x": "y"}, version=2,
               trailing=b"trailing")
    part = Gguf([("a.weight", "F32", (4,), floats([1, 2, 3, 0.1]))],
                {"split.no": ("u16", 0), "split.count": ("u16", 1), "split.tensors.count": ("i32", 1)})
    return [("simple.gguf", simple), ("kinds.gguf", kinds), ("old.gguf", old), ("part-00001-of-00001.gguf", part)]


BASES = base_files()


def mutated(number):
    """The name, bytes and original of the file that `number` stands for."""
    source = random.Random(number)
    name, model = BASES[source.randrange(len(BASES))]
    data = bytearray(model.bytes)
    for _ in range(source.choice((1, 1, 1, 2, 3, 8))):
        end = model.header_size if source.random() < 0.9 else len(data)
        at = source.randrange(min(end, len(data)))
        change = source.randrange(8)
        if change == 0:
            data[at] = source.randrange(256)
        elif change == 1:
            data[at] ^= 1 << source.randrange(8)
        elif change in (2, 3):
            width = source.choice((2, 4, 8))
            value = (source.choice(INTERESTING) + source.choice((0, 0, 0, 1, -1))) % 2 ** (8 * width)
            data[at:at + width] = value.to_bytes(width, "little")
        elif change == 4:
            data[at:at] = bytes(source.randrange(256) for _ in range(source.choice((1, 4, 8, 32))))
        elif change == 5:
            del data[at:at + source.choice((1, 4, 8, 32))]
        elif change == 6:
            part = data[source.randrange(len(data)):][:source.choice((4, 8, 24, 64))]
            data[at:at + len(part)] = part
        else:
            data[at:at + 4] = struct.pack("<I", source.randrange(48))  # another type, count or length
        if not data:
            data = bytearray(b"G")
    if source.random() < 0.03:
        del data[source.randrange(len(data)):]
    return name, bytes(data), model


def command_for(number, file, original, output):
    source = random.Random(-number - 1)
    selection = ["--tensors", source.choice(("all", "all", "norm", "matrices", "*weight"))]
    kind = number % 3
    if kind == 0:
        return ["inspect", file, *source.choice(([], ["--grids"], ["--metadata"], selection))], None
    if kind == 1:
        form = source.choice(("bf16:rtz", "f16", "int4:group=32", "int8:tensor", "int4:row:asym", "q4_0", "q8_0", "f32", "q4_k"))
        store = source.choice(("keep", "keep", "auto", "f32", "narrow", "bf16"))
        extra = source.choice(([], ["--stamp"], ["--skip-unfit"], ["--skip-unfit"]))
        return ["quantize", file, output, *selection, "--format", form, "--store", store, "--no-sync", *extra], output
    pair = [file, original] if source.random() < 0.5 else [original, file]
    return ["compare", *pair, *source.choice(([], ["--focus-layer", "0"], ["--sort", "snr_db", "--top", "2"]))], None


def try_one(folder, number):
    """Runs the command for a number; returns what is wrong, or nothing, and the exit code."""
    name, data, model = mutated(number)
    file, original, output = folder / name, folder / "original.gguf", folder / "out.gguf"
    file.write_bytes(data)
    original.write_bytes(model.bytes)
    arguments, written = command_for(number, str(file), str(original), str(output))
    problems = []
    code = None
    try:
        result = subprocess.run([str(PROGRAM), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                timeout=TIMEOUT_SECONDS, check=False)
        code = result.returncode
        said = result.stderr.decode(errors="replace")
        if code not in (DONE, FAILED, WRONG_USAGE):
            problems.append(f"exit code {code}: {said[-1500:]}")
        if code in (FAILED, WRONG_USAGE) and not any(line.startswith("fakequant: ") for line in said.splitlines()):
            problems.append(f"failed without a word: {said[-300:]!r}")
        if "not enough memory" in said or "std::" in said:
            problems.append(said[-300:])
    except subprocess.TimeoutExpired:
        problems.append(f"no end after {TIMEOUT_SECONDS} s")
    left = {p.name for p in folder.iterdir()} - {file.name, original.name}
    outputs = {p for p in left if p.startswith("out") and p.endswith(".gguf")}
    if code != DONE and left:
        problems.append(f"left behind: {sorted(left)}")
    if code == DONE and (not outputs if written else left):
        problems.append(f"in the folder: {sorted(left)}")
    if left - outputs:
        problems.append(f"left behind: {sorted(left)}")
    if file.read_bytes() != data or original.read_bytes() != model.bytes:
        problems.append("the input was changed")
    for path in folder.iterdir():
        path.unlink()
    text = f"mutation {number}: {' '.join(arguments)}: " + "; ".join(problems) if problems else None
    return text, code


def work(numbers):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not SANITIZED:  # which reserves more than any machine has
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fakequant-mutations-"))
    problems, codes = [], {}
    try:
        for number in numbers:
            text, code = try_one(folder, number)
            codes[code] = codes.get(code, 0) + 1
            if text:
                problems.append(text)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return problems, codes


class Mutations(unittest.TestCase):
    def test_the_files_themselves_are_valid_and_small(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="fakequant-mutations-"))
        self.addCleanup(shutil.rmtree, folder)
        for name, model in BASES:
            (folder / name).write_bytes(model.bytes)
            result = subprocess.run([str(PROGRAM), "inspect", str(folder / name)], capture_output=True, check=False)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertLess(len(model.bytes), 2048)

    def test_clean_result_or_clean_error(self):
        processes = max(2, min(8, os.cpu_count() or 2))
        chunks = [range(first, min(first + 50, FIRST + COUNT)) for first in range(FIRST, FIRST + COUNT, 50)]
        start = time.monotonic()
        problems, codes = [], {}
        with multiprocessing.Pool(processes) as pool:
            for found, counted in pool.imap_unordered(work, chunks):
                problems += found
                for code, count in counted.items():
                    codes[code] = codes.get(code, 0) + count
        print(f"{COUNT} mutations in {time.monotonic() - start:.0f} s; exit codes {codes}", flush=True)
        self.assertEqual(problems, [], "\n".join(problems[:20]))
        # Neither all refused nor all taken: the changes reach both the checks and what lies behind them.
        if COUNT >= 1000:
            self.assertGreater(codes.get(DONE, 0), COUNT // 50)
            self.assertGreater(codes.get(FAILED, 0), COUNT // 4)


if __name__ == "__main__":
    main()
