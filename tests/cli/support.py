"""What the tests of the program share: running it, and small GGUF files written without any of our C++.

Where things lie comes from the environment (tests/CMakeLists.txt sets it); without it the release tree of this checkout is taken,
so that `python3 tests/cli/numbers_test.py` works by hand.
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def _place(variable, default):
    return pathlib.Path(os.environ.get(variable) or default)


PROGRAM = _place("FAKEQUANT_PROGRAM", SOURCE / "build" / "fakequant")
LLAMA_BIN = _place("FAKEQUANT_LLAMA_BIN", SOURCE / "build" / "bin")
SHARED = _place("FAKEQUANT_SHARED_DIR", SOURCE.parent / "shared")
SANITIZED = os.environ.get("FAKEQUANT_SANITIZED", "") not in ("", "0", "OFF")
DATA = SOURCE / "data"
DEMO = DATA / "demo-4.6m-f16.gguf"
STORIES = SHARED / "models" / "stories260K.gguf"

DONE, FAILED, WRONG_USAGE, LIMIT_CROSSED = 0, 1, 2, 3
SKIPPED = 77  # of this process, when every test of a file was skipped
SKIP_SANITIZED = "the sanitizers change timing and memory; the release tree runs this"


def run(*arguments, timeout=300, **options):
    """Runs the program; standard output and error come back as text."""
    command = [str(PROGRAM), *map(str, arguments)]
    options.setdefault("stdin", subprocess.DEVNULL)
    if options.pop("capture", True):
        options.update(stdout=options.get("stdout", subprocess.PIPE), stderr=subprocess.PIPE)
    return subprocess.run(command, text=True, timeout=timeout, check=False, **options)


def llama_tool(name):
    """The path of a program of llama.cpp, or a skipped test when it was not built."""
    path = LLAMA_BIN / name
    if not path.exists():
        raise unittest.SkipTest(f"{name} is not in {LLAMA_BIN}: build the release tree")
    return path


def gguf_py():
    """The gguf module of llama.cpp's own tree, or a skipped test."""
    folder = os.environ.get("FAKEQUANT_GGUF_PY")
    if folder is None:
        found = subprocess.run([SOURCE / "tools" / "fetch-llama.sh"], capture_output=True, text=True, check=False)
        folder = found.stdout.strip() + "/gguf-py"
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        import gguf  # pylint: disable=import-outside-toplevel
    except ImportError as error:
        raise unittest.SkipTest(f"llama.cpp's gguf-py cannot be used: {error}") from error
    return gguf


def llama(name, *arguments, timeout=300):
    """Runs a program of llama.cpp and returns its standard output; its messages become part of a failure."""
    result = subprocess.run([str(llama_tool(name)), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, errors="replace", timeout=timeout, check=False)
    if result.returncode != 0:
        raise AssertionError(f"{name} ended with {result.returncode}\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}")
    return result.stdout


def llama_whole(name, *arguments, complete, attempts=20):
    """(standard output, messages) of a program of llama.cpp, run again until complete(standard output, messages) says that nothing is
    missing: its log has a thread of its own that sometimes loses the last lines when the program ends."""
    command = [str(llama_tool(name)), *map(str, arguments)]
    for _ in range(attempts):
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=300,
                                check=False)
        if result.returncode != 0:
            break
        if complete(result.stdout, result.stderr):
            return result.stdout, result.stderr
    raise AssertionError(f"{command} ended with {result.returncode}\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}")


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else \
            hashlib.sha256(file.read()).hexdigest()


class ProgramTest(unittest.TestCase):
    """A test with a folder of its own; its helpers assert what every command promises."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fakequant-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return self.folder / name

    def write(self, name, data):
        path = self.path(name)
        path.write_bytes(data.bytes if isinstance(data, Gguf) else data)
        return path

    def run_ok(self, *arguments, code=DONE, **options):
        result = run(*arguments, **options)
        self.assertEqual(result.returncode, code, f"{arguments}\n{result.stdout}\n{result.stderr}")
        return result

    def run_json(self, *arguments, code=DONE, **options):
        """The JSON that `--json -` prints, which must be all that is printed to standard output."""
        result = self.run_ok(*arguments, "--json", "-", code=code, **options)
        return json.loads(result.stdout)

    def assert_refused(self, *arguments, code=FAILED, says=(), lines=1, **options):
        """Exit code, nothing on standard output, one sentence (one line) on standard error that holds each text of `says`."""
        result = run(*arguments, **options)
        shown = f"{arguments}\n{result.stdout}\n{result.stderr}"
        self.assertEqual(result.returncode, code, shown)
        self.assertEqual(result.stdout, "", shown)
        found = result.stderr.rstrip("\n").split("\n")
        if lines is not None:
            self.assertEqual(len(found), lines, shown)
        self.assertTrue(found[0].startswith("fakequant: "), shown)
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, result.stderr, shown)
        return result.stderr

    def assert_usage(self, *arguments, says=(), **options):
        """Wrong usage: exit code 2 and what may have been meant."""
        return self.assert_refused(*arguments, code=WRONG_USAGE, says=says, lines=None, **options)

    def assert_same_file(self, a, b):
        self.assertEqual(sha256(a), sha256(b), f"{a} and {b} differ")

    def assert_only(self, *names, folder=None):
        """The folder holds just these files: no temporary one was left behind."""
        self.assertEqual(sorted(os.listdir(folder or self.folder)), sorted(names))


# --- Small GGUF files ---------------------------------------------------------------------------------------------

# name -> (id, values per block, bytes per block)
TYPES = {
    "F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q4_1": (3, 32, 20), "Q5_0": (6, 32, 22), "Q5_1": (7, 32, 24),
    "Q8_0": (8, 32, 34), "Q8_1": (9, 32, 36), "Q4_K": (12, 256, 144), "Q6_K": (14, 256, 210), "I8": (24, 1, 1), "I16": (25, 1, 2),
    "I32": (26, 1, 4), "I64": (27, 1, 8), "F64": (28, 1, 8), "BF16": (30, 1, 2),
}
KINDS = {"u8": (0, "B"), "i8": (1, "b"), "u16": (2, "H"), "i16": (3, "h"), "u32": (4, "I"), "i32": (5, "i"), "f32": (6, "f"),
         "bool": (7, "?"), "string": (8, None), "array": (9, None), "u64": (10, "Q"), "i64": (11, "q"), "f64": (12, "d")}


def _string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(kind, value):
    if kind == "string":
        return _string(value)
    if kind == "array":
        element_kind, elements = value
        return struct.pack("<IQ", KINDS[element_kind][0], len(elements)) + b"".join(_value(element_kind, e) for e in elements)
    return struct.pack("<" + KINDS[kind][1], value)


def _kind_of(value):
    return {bool: "bool", int: "u32", float: "f32", str: "string", bytes: "string"}[type(value)]


class Gguf:
    """The bytes of a GGUF file; `place[name]` is the (offset, size) of a tensor's data in them.

    tensors: (name, type, shape, data); metadata: key -> value, or (kind, value), or ("array", (kind, values)).
    """

    def __init__(self, tensors, metadata=None, version=3, alignment=None, trailing=b""):
        metadata = dict(metadata or {})
        if alignment is not None:
            metadata["general.alignment"] = alignment
        alignment = alignment or 32
        pairs, table, data, starts = b"", b"", b"", {}
        for key, value in metadata.items():
            kind, value = value if isinstance(value, tuple) else (_kind_of(value), value)
            pairs += _string(key) + struct.pack("<I", KINDS[kind][0]) + _value(kind, value)
        for name, type_name, shape, values in tensors:
            data += b"\0" * (-len(data) % alignment)
            table += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, TYPES[type_name][0], len(data))
            starts[name] = (len(data), len(values))
            data += values
        data += b"\0" * (-len(data) % alignment)
        head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata)) + pairs + table
        head += b"\0" * (-len(head) % alignment)
        self.header_size = len(head)
        self.bytes = head + data + trailing
        self.place = {name: (len(head) + start, size) for name, (start, size) in starts.items()}

    def data_of(self, name, data=None):
        start, size = self.place[name]
        return (self.bytes if data is None else data)[start:start + size]


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def halves(values):
    return struct.pack(f"<{len(values)}e", *values)


def from_floats(data):
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def bf16s(values):
    """BF16 storage of values, truncated."""
    raw = floats(values)
    return b"".join(raw[i + 2:i + 4] for i in range(0, len(raw), 4))


def as_f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def as_bf16(value):
    """The value truncated to BF16."""
    bits = struct.unpack("<I", struct.pack("<f", value))[0] & 0xFFFF0000
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def gauss(count, seed, scale=1.0, mean=0.0):
    """`count` F32 values of a normal distribution, the same on every machine."""
    source = random.Random(seed)
    return [as_f32(source.gauss(mean, scale)) for _ in range(count)]


def small_model(layers=2, width=64, seed=1, norm_type="F32", matrix_type="F16", **options):
    """A Llama-like file: norms and matrices in every layer, one norm and one embedding outside of them."""
    store = {"F32": floats, "F16": halves, "BF16": bf16s}
    tensors = [("token_embd.weight", matrix_type, (width, 8), store[matrix_type](gauss(width * 8, seed)))]
    for layer in range(layers):
        for role in ("attn_norm", "ffn_norm"):
            values = gauss(width, seed * 1000 + layer * 10 + len(role), 0.1, 1.0)
            tensors.append((f"blk.{layer}.{role}.weight", norm_type, (width,), store[norm_type](values)))
        for role in ("attn_q", "ffn_up", "ffn_down"):
            values = gauss(width * 4, seed * 2000 + layer * 10 + len(role), 0.05)
            tensors.append((f"blk.{layer}.{role}.weight", matrix_type, (width, 4), store[matrix_type](values)))
    tensors.append(("output_norm.weight", norm_type, (width,), store[norm_type](gauss(width, seed * 3000, 0.1, 1.0))))
    metadata = {"general.architecture": "llama", "general.name": "small", "llama.block_count": layers}
    return Gguf(tensors, {**metadata, **options.pop("metadata", {})}, **options)


def write_sparse_model(path, tensors, chunk=None):
    """A file of tensors whose data is a hole (zeros), but for `chunk` at the begin of each: (name, type, shape)."""
    table, offset = b"", 0
    places = []
    for name, type_name, shape in tensors:
        type_id, values, size = TYPES[type_name]
        count = 1
        for n in shape:
            count *= n
        table += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, type_id, offset)
        places.append(offset)
        offset += (count // values * size + 31) // 32 * 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 1) + _string("general.architecture") + struct.pack("<I", 8)
    head += _string("llama") + table
    head += b"\0" * (-len(head) % 32)
    with open(path, "wb") as file:
        file.write(head)
        for place in places:
            file.seek(len(head) + place)
            file.write(chunk or b"")
        file.truncate(len(head) + offset)


# --- The run ------------------------------------------------------------------------------------------------------


class _Result(unittest.TextTestResult):
    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"SKIP {test.id().split('.', 1)[-1]}: {reason}", flush=True)


def main():
    if not PROGRAM.exists():
        sys.exit(f"{PROGRAM} is not there: build it first, or set FAKEQUANT_PROGRAM")
    program = unittest.main(exit=False, testRunner=unittest.TextTestRunner(resultclass=_Result, verbosity=1, stream=sys.stdout))
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if result.testsRun > 0 and len(result.skipped) == result.testsRun else 0)
