"""Anonymous memory stays under 256 MiB whatever the model's size: issue 2, section 3."""

import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

from support import DONE, PROGRAM, SANITIZED, SKIP_SANITIZED, ProgramTest, main, write_sparse_model

MOST_BYTES = 256 << 20


def anonymous_bytes_and_threads(pid):
    """Anonymous memory and threads of a process now; zeros when it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            facts = dict(line.split(":", 1) for line in status)
            return int(facts.get("RssAnon", "0 kB").split()[0]) * 1024, int(facts["Threads"])
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0


def different_values(byte_count, value_bytes, seed):
    """Bytes of `byte_count` F16 or F32 numbers of one size and many values."""
    data = bytearray(random.Random(seed).randbytes(byte_count))
    data[value_bytes - 1::value_bytes] = (b"\x3e\xbe" if value_bytes == 4 else b"\x34\xb4") * (byte_count // value_bytes // 2)
    return bytes(data)


@unittest.skipIf(SANITIZED, SKIP_SANITIZED)
class Memory(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="fakequant-memory-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        # 1 GiB of F16 matrices, and one row of 300 million F32 values; mostly holes, but different values at the begin of each tensor.
        cls.matrices = cls.shared / "matrices.gguf"
        write_sparse_model(cls.matrices, [(f"blk.{i}.ffn_up.weight", "F16", (4096, 16384)) for i in range(8)],
                           different_values(16 << 20, 2, 1))
        cls.giant = cls.shared / "giant.gguf"
        write_sparse_model(cls.giant, [("giant.weight", "F32", (300_000_000,))], different_values(64 << 20, 4, 2))

    def measure(self, *arguments):
        process = subprocess.Popen([str(PROGRAM), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        most, threads, samples = 0, 0, 0

        def sample():
            nonlocal most, threads, samples
            while process.returncode is None:
                memory_now, threads_now = anonymous_bytes_and_threads(process.pid)
                most, threads = max(most, memory_now), max(threads, threads_now)
                samples += 1
                time.sleep(0.002)

        sampler = threading.Thread(target=sample)
        sampler.start()
        _, complaint = process.communicate(timeout=300)
        sampler.join()
        self.assertEqual(process.returncode, DONE, complaint)
        self.assertGreater(samples, 20, "too fast to be measured")
        self.assertGreater(most, 1 << 20)
        name = " ".join(os.path.basename(str(a)) for a in arguments)
        print(f"{most / (1 << 20):6.1f} MiB anonymous: {name}", flush=True)
        self.assertLess(most, MOST_BYTES, name)
        return threads

    def quantize(self, source, *options):
        output = self.path("out.gguf")
        self.measure("quantize", source, output, "--tensors", "all", "--no-sync", "--force", *options)
        return output

    def test_inspect(self):
        self.measure("inspect", self.matrices)
        self.measure("inspect", self.giant)

    def test_inspect_with_grids(self):
        self.measure("inspect", self.matrices, "--grids")

    def test_a_copy_of_matrices_and_its_comparison(self):
        output = self.quantize(self.matrices, "--format", "int4:group=32")
        self.measure("compare", self.matrices, output)

    def test_types_of_ggml(self):
        self.quantize(self.matrices, "--format", "q8_0")
        self.quantize(self.matrices, "--format", "q4_0", "--store", "auto")

    def test_one_giant_row(self):
        output = self.quantize(self.giant, "--format", "int4:row")
        self.measure("compare", self.giant, output)

    def test_one_giant_row_in_other_formats(self):
        self.quantize(self.giant, "--format", "bf16:rtz")
        self.quantize(self.giant, "--format", "int8:group=64", "--store", "auto")
        self.quantize(self.giant, "--format", "bf16", "--store", "narrow")

    def test_threads_are_as_many_as_asked_for(self):
        for threads in (1, 16):
            found = self.measure("inspect", self.matrices, "--grids", "-t", threads)
            self.assertEqual(found, threads)
        self.quantize(self.matrices, "--format", "int4:group=32", "-t", "16")


if __name__ == "__main__":
    main()
