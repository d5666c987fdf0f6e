"""Strange models, run through `fakequant evaluate`: whatever llama.cpp makes of them, the program ends with a result or one sentence.

Changes of the demo model's metadata and tensor table that follow from a number; more of them than the test run takes:
FAKEQUANT_STRANGE_MODELS=FIRST:COUNT python3 tests/cli/strange_models_test.py
"""

import math
import os
import random
import resource
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

from support import DATA, DEMO, DONE, FAILED, KINDS, PROGRAM, SANITIZED, TYPES, ProgramTest, main

TEXT = DATA / "demo-wordnet-heldout.txt"
FIRST, COUNT = map(int, os.environ.get("FAKEQUANT_STRANGE_MODELS", "0:60").split(":"))
TIMEOUT_SECONDS = 60
MOST_MEMORY = 2 << 30
INTEGERS = [0, 1, 2, 3, 5, 7, 31, 64, 255, 256, 512, 513, 1000, 4096, 65535, 10 ** 6, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]
REALS = [0.0, -0.0, -1.0, 1.0, -1e-5, 1e-45, 1e38, -1e38, float("inf"), float("-inf"), float("nan")]


def size_of(tensor):
    """Bytes of a tensor (name, shape, type, ...)."""
    values, size = next((values, size) for number, values, size in TYPES.values() if number == tensor[2])
    return math.prod(tensor[1]) // values * size


class Header:
    """A GGUF file taken apart, so that one field can be exchanged and the rest stays whole."""

    def __init__(self, data):
        self.data = data
        tensors, pairs = struct.unpack_from("<QQ", data, 8)
        self.at = 24
        self.pairs = [self._pair() for _ in range(pairs)]      # [key, kind, value]; of arrays [kind, elements]
        self.tensors = [self._tensor() for _ in range(tensors)]  # [name, shape, type, data]
        start = (self.at + 31) // 32 * 32
        for tensor in self.tensors:
            tensor[3] = data[start + tensor[3]:][:size_of(tensor)]

    def _take(self, form):
        value, = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def _string(self):
        size = self._take("Q")
        self.at += size
        return self.data[self.at - size:self.at]

    def _value(self, kind):
        names = {number: form for number, form in KINDS.values()}
        if kind == KINDS["string"][0]:
            return self._string()
        if kind == KINDS["array"][0]:
            kind = self._take("I")
            return [kind, [self._value(kind) for _ in range(self._take("Q"))]]
        return self._take(names[kind])

    def _pair(self):
        key, kind = self._string(), self._take("I")
        return [key, kind, self._value(kind)]

    def _tensor(self):
        name, dimensions = self._string(), self._take("I")
        shape = [self._take("Q") for _ in range(dimensions)]
        return [name, shape, self._take("I"), self._take("Q")]

    def pair(self, key):
        return next(p for p in self.pairs if p[0] == key.encode())

    def tensor(self, name):
        return next(t for t in self.tensors if t[0] == name.encode())

    def file(self):
        def string(text):
            return struct.pack("<Q", len(text)) + text

        def value(kind, content):
            if kind == KINDS["string"][0]:
                return string(content)
            if kind == KINDS["array"][0]:
                kind, elements = content
                return struct.pack("<IQ", kind, len(elements)) + b"".join(value(kind, e) for e in elements)
            return struct.pack("<" + next(form for number, form in KINDS.values() if number == kind), content)

        def padded(data):
            return data + b"\0" * (-len(data) % 32)

        head = b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), len(self.pairs))
        head += b"".join(string(key) + struct.pack("<I", kind) + value(kind, content) for key, kind, content in self.pairs)
        parts, offset = [], 0
        for tensor in self.tensors:
            name, shape, kind, data = tensor
            head += string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
            size = size_of(tensor)
            parts.append(padded(data[:size] + b"\0" * (size - len(data))))
            offset += len(parts[-1])
        return padded(head) + b"".join(parts)


DEMO_BYTES = DEMO.read_bytes()


def other_value(source, kind):
    form = next(form for number, form in KINDS.values() if number == kind)
    if form in ("f", "d"):
        return source.choice(REALS)
    if form == "?":
        return bool(source.randrange(2))
    size = struct.calcsize("<" + form)
    value = source.choice(INTEGERS) % 2 ** (8 * size)
    return value - 2 ** (8 * size) if form.islower() and value >= 2 ** (8 * size - 1) else value


def change_pair(source, header):
    pair = source.choice(header.pairs)
    kind = pair[1]
    if source.random() < 0.1:
        header.pairs.remove(pair)
    elif source.random() < 0.05:
        pair[0] = source.choice(header.pairs)[0]
    elif kind == KINDS["string"][0]:
        pair[2] = source.choice((b"", b"mamba", b"gemma", b"bert", b"gpt2", b"t5", b"rwkv", b"deepseek2", b"x" * 1000, b"\xff\0\x80",
                                 b"qwen3moe", b"llama4", b"phi3", b"spm", b"default", b"none", b"no_vocab", b"rwkv6", b"jamba"))
    elif kind == KINDS["array"][0]:
        change_array(source, pair[2])
    else:
        pair[2] = other_value(source, kind)


def change_array(source, array):
    kind, elements = array
    change = source.randrange(4)
    if change == 0:
        del elements[source.randrange(len(elements)):]
    elif change == 1:
        elements += elements[:source.choice((1, 1000))]
    else:
        for _ in range(source.choice((1, 10, len(elements)))):
            other = source.choice(elements) if change == 2 else source.choice((b"", b"\0", b"\xff", b"a" * 300, b"\n")) \
                if kind == KINDS["string"][0] else other_value(source, kind)
            elements[source.randrange(len(elements))] = other


def change_tensor(source, header):
    tensor = source.choice(header.tensors)
    change = source.randrange(6)
    if change == 0:
        header.tensors.remove(tensor)
    elif change == 1:
        tensor[0] = source.choice(header.tensors)[0][:-7] + source.choice((b".weight", b".bias", b".scale"))
    elif change == 2:
        source.shuffle(tensor[1])
    elif change == 3 and tensor[1]:
        tensor[1][source.randrange(len(tensor[1]))] = source.choice((0, 1, 2, 32, 64, 128, 256, 512))
    elif change == 4:
        tensor[2] = source.choice(list(TYPES.values()))[0]
    else:
        tensor[1].append(source.choice((1, 1, 2)))


def add_pair(source, header):
    """A value that the demo model does not have, of those that decide how llama.cpp builds a graph."""
    name = source.choice(("expert_count", "expert_used_count", "attention.sliding_window", "attention.key_length", "attention.value_length",
                          "rope.dimension_count", "attention.causal", "vocab_size", "rope.scaling.factor", "attention.max_alibi_bias",
                          "attention.clamp_kqv", "embedding_length_out", "leading_dense_block_count", "nextn_predict_layers", "pooling_type",
                          "ssm.state_size", "attention.head_count", "attention.head_count_kv", "feed_forward_length", "n_swa", "logit_scale",
                          "attention.shared_kv_layers", "rope.scaling.original_context_length", "tensor_data_layout"))
    kind = source.choice(("u32", "u32", "i32", "f32", "u64", "bool"))
    header.pairs.append([b"llama." + name.encode(), KINDS[kind][0], other_value(source, KINDS[kind][0])])


def strange_model(number):
    source = random.Random(number)
    header = Header(DEMO_BYTES)
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        source.choice((change_pair, change_pair, change_tensor, add_pair))(source, header)
    return header.file()


def setUpModule():  # pylint: disable=invalid-name
    """What the programs that run here inherit."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not SANITIZED:  # which reserves more than any machine has
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))


def problem_of(path):
    """What is wrong with how the program ends on this file, "" for nothing; and its exit code and words."""
    command = [str(PROGRAM), "evaluate", str(path), "-f", str(TEXT), "-c", "64", "-b", "64", "--chunks", "1", "-t", "1"]
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"no end after {TIMEOUT_SECONDS} s", None, ""
    said = result.stderr.decode(errors="replace")
    lines = [line for line in said.splitlines() if not line.startswith("warning: ")]
    if result.returncode == DONE:
        return ("" if not lines else f"done, and says {said!r}"), DONE, said
    if result.returncode != FAILED:
        return f"exit code {result.returncode}: {said[-1000:]}", result.returncode, said
    if len(lines) != 1 or not lines[0].startswith("fakequant: ") or path.name not in lines[0] or result.stdout:
        return f"wanted one sentence: {said[-1000:]!r}", FAILED, said
    return "", FAILED, said


class StrangeModels(ProgramTest):
    def refused(self, change):
        """The sentence for the demo model with `change` applied to its header."""
        header = Header(DEMO_BYTES)
        change(header)
        problem, code, said = problem_of(self.write("strange.gguf", header.file()))
        self.assertEqual((problem, code), ("", FAILED), said)
        return said

    def test_what_llama_cpp_crashes_on(self):
        def value(key, content):
            def change(header):
                header.pair(key)[2] = content
            return change

        def kind(name, type_name):
            def change(header):
                header.tensor(name)[2] = TYPES[type_name][0]
            return change

        def same_words(header):
            words = header.pair("tokenizer.ggml.tokens")[2][1]
            words[500] = words[501]

        loading, running = "llama.cpp crashed while loading it", "llama.cpp crashed while running it"
        for what, change, says in (
                ("no layers", value("llama.block_count", 0), loading),
                ("a layer more than llama.cpp takes", value("llama.block_count", 513), loading),
                ("a million layers", value("llama.block_count", 10 ** 6), loading),
                ("two tokens with one spelling", same_words, loading),
                ("a negative epsilon", value("llama.attention.layer_norm_rms_epsilon", -1e-5), running),
                ("a quantized norm", kind("output_norm.weight", "Q8_0"), running),
                ("integer weights", kind("blk.0.ffn_down.weight", "I32"), running),
                ("integer embeddings", kind("token_embd.weight", "I32"), "llama.cpp crashed while"),
                ("weights of 64 bits", kind("output.weight", "F64"), running)):
            with self.subTest(what):
                said = self.refused(change)
                self.assertIn(f"strange.gguf: {says}", said)
                self.assertNotIn("/src/", said)  # nor a folder of whoever built the program

    def test_a_vocabulary_without_bytes(self):
        def no_bytes(header):
            words = header.pair("tokenizer.ggml.tokens")[2][1]
            for i, word in enumerate(words):
                if word.startswith(b"<0x"):
                    words[i] = b"no byte %d" % i

        said = self.refused(no_bytes)
        self.assertIn("strange.gguf: found no tokens for the single bytes", said)

    def test_random_changes(self):
        codes = []

        def attempt(number):
            path = self.write(f"{number}.gguf", strange_model(number))
            problem, code, _ = problem_of(path)
            path.unlink()
            codes.append(code)
            return f"strange model {number}: {problem}" if problem else ""

        with ThreadPoolExecutor(2) as pool:
            problems = [problem for problem in pool.map(attempt, range(FIRST, FIRST + COUNT)) if problem]
        self.assertEqual(problems, [])
        if COUNT >= 60:
            self.assertEqual(set(codes), {DONE, FAILED})  # they are strange, and not all of them too strange

    def test_nothing_is_left_behind(self):
        header = Header(DEMO_BYTES)
        header.pair("llama.block_count")[2] = 0
        path = self.write("strange.gguf", header.file())
        self.assert_refused("evaluate", path, "-f", TEXT, "--json", self.path("result.json"), says="crashed")
        self.assert_only("strange.gguf")


if __name__ == "__main__":
    main()
