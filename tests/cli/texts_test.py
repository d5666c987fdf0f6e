"""`fakequant evaluate --prompts` and `--speed`: what they print and refuse. Texts are held against llama-completion's in
tests/reference."""

import json
import struct

from support import DEMO, FAILED, ProgramTest, floats, gguf_py, main

CHINESE = "你好，请介绍一下你自己。"
TINY = """
[[prompt]]
prompt = ["Hello", "你好，请介绍一下你自己。"]
temperature = [0, 0.7]
seed = 42
tokens = 24
"""


def with_metadata(data, key, value):
    """A GGUF file with a string more, whose value is filled up with spaces so that data stay aligned."""
    entry = struct.pack("<Q", len(key)) + key.encode() + struct.pack("<IQ", 8, 0) + value.encode()
    fill = -len(entry) % 32
    entry = struct.pack("<Q", len(key)) + key.encode() + struct.pack("<IQ", 8, len(value.encode()) + fill) + value.encode() + b" " * fill
    count, = struct.unpack_from("<Q", data, 16)
    return data[:16] + struct.pack("<Q", count + 1) + entry + data[24:]


class TextsTest(ProgramTest):
    def prompts(self, text=TINY):
        return self.write("prompts.toml", text.encode())

    def coarse(self):
        path = self.path("coarse.gguf")
        self.run_ok("quantize", "demo", path, "--tensors", "matrices", "--format", "int4:row", "-q")
        return path


class Texts(TextsTest):
    def test_one_model_needs_no_text(self):
        result = self.run_json("evaluate", "demo", "--prompts", self.prompts())
        self.assertNotIn("texts", result)
        self.assertNotIn("speed", result)
        runs = result["generation"][0]["runs"]
        self.assertEqual([(r["prompt"], r["temperature"], r["seed"], r["most_tokens"]) for r in runs],
                         [(p, t, 42, 24) for p in ("Hello", CHINESE) for t in (0, 0.7)])
        for run in runs:
            self.assertEqual(len(run["model"]["tokens"]), 24)
            self.assertFalse(run["model"]["ended"])
            self.assertNotIn("variants", run)
        self.assertEqual(runs[0]["model"]["top_token_share"], 1)
        self.assertLess(runs[1]["model"]["top_token_share"], 1)

    def test_texts_do_not_depend_on_threads(self):
        one, three = (self.run_json("evaluate", "demo", "--prompts", self.prompts(), "-t", t)["generation"][0] for t in (1, 3))
        self.assertEqual(one, three)

    def test_several_models_are_each_by_themselves(self):
        result = self.run_json("evaluate", "demo", self.coarse(), "--prompts", self.prompts())
        self.assertEqual([v["generation"][0]["runs"][0]["model"]["name"] for v in result["variants"]],
                         ["demo", str(self.path("coarse.gguf"))])

    def compare(self, result):
        (generation,) = result["generation"]
        total = next(t for t in generation["totals"] if "control" not in t["name"])
        comparisons = []
        for run in generation["runs"]:
            base = run["baseline"]["tokens"]
            self.assertEqual([v["name"] for v in run["variants"]], [t["name"] for t in generation["totals"]])
            variant = next(v for v in run["variants"] if v["name"] == total["name"])
            tokens = variant["tokens"]
            self.assertEqual(variant["identical"], tokens == base)
            equal = sum(a == b for a, b in zip(tokens, base))
            self.assertAlmostEqual(variant["equal_token_share"], equal / max(len(tokens), len(base)))
            if not variant["identical"]:
                place = variant["divergence"]["token_index"]
                self.assertEqual(tokens[:place], base[:place])
                self.assertNotEqual(tokens[place], base[place])
                self.assertEqual((variant["divergence"]["variant"]["token"], variant["divergence"]["baseline"]["token"]),
                                 (tokens[place], base[place]))
                p, q = (variant["divergence"][who]["baseline_probability"] for who in ("baseline", "variant"))
                self.assertEqual(variant["divergence"]["near_tie"], min(p, q) >= 0.9 * max(p, q))
                common = variant["divergence"]["text_bytes"]
                self.assertEqual(variant["text"].encode()[:common], run["baseline"]["text"].encode()[:common])
            comparisons.append(variant)
        self.assertEqual(total["texts"], len(comparisons))
        self.assertEqual(total["identical"], sum(c["identical"] for c in comparisons))
        self.assertLess(total["identical"], len(comparisons))
        self.assertAlmostEqual(total["equal_token_share"], sum(c["equal_token_share"] for c in comparisons) / len(comparisons))
        return comparisons

    def test_a_recipe_in_memory_is_the_file_that_it_makes(self):
        memory = self.compare(self.run_json("evaluate", "demo", "--tensors", "matrices", "--format", "int4:row",
                                            "--prompts", self.prompts()))
        file = self.compare(self.run_json("evaluate", self.coarse(), "--baseline", "demo", "--prompts", self.prompts()))
        for one in memory + file:
            del one["name"]
        self.assertEqual(memory, file)

    def test_what_is_printed(self):
        printed = self.run_ok("evaluate", "demo", "--tensors", "matrices", "--format", "int4:row", "--prompts", self.prompts()).stdout
        for words in ("[4] " + CHINESE + ", temperature 0.7, seed 42", ">>", "teacher forcing", "near-tie", "of 4 the same",
                      "int4:row:restricted:rne against demo:"):
            self.assertIn(words, printed)
        wide = {line: sum(2 if ord(c) >= 0x2E80 else 1 for c in line) for line in printed.split("\n")}
        blocks = [line for line in wide if line.startswith("    ")]
        self.assertGreater(len(blocks), 4)
        self.assertLessEqual(max(wide[line] for line in blocks), 100)
        # Columns of the table stay aligned below wide characters.
        table = [line for line in printed.split("\n") if line.startswith(("Hello  ", CHINESE + "  "))]
        self.assertGreaterEqual(len(table), 4)
        self.assertEqual(len({wide[line] for line in table}), 1)
        self.assertEqual(self.run_ok("evaluate", "demo", "--prompts", self.prompts(), "-q").stdout, "")

    def test_characters_are_whole(self):
        # Tokens 11 to 13 of this text are the three bytes of one character.
        prompts = self.prompts('[[prompt]]\nprompt = "ééééé"\ntemperature = 20\nseed = 2\ntokens = [10, 11, 12, 13, 14]\n')
        runs = self.run_json("evaluate", "demo", "--prompts", prompts)["generation"][0]["runs"]
        before, one, two, whole, after = (run["model"]["text"] for run in runs)
        self.assertEqual((one, two), (before + "\ufffd", before + "\ufffd"))
        self.assertEqual(len(whole), len(before) + 1)
        self.assertNotIn("\ufffd", whole)
        self.assertEqual(after[:len(whole)], whole)
        self.assertIn(whole, self.run_ok("evaluate", "demo", "--prompts", prompts).stdout)

    def test_chat_templates(self):
        template = "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
        chat = self.write("chat.gguf", with_metadata(DEMO.read_bytes(), "tokenizer.chat_template", template))
        ours = self.run_json("evaluate", chat, "--prompts", self.prompts(), "--chat")["generation"][0]["runs"]
        written = TINY.replace('"Hello"', json.dumps("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"))
        wanted = self.run_json("evaluate", chat, "--prompts", self.prompts(written))["generation"][0]["runs"]
        for a, b in zip(ours[:2], wanted[:2]):
            self.assertEqual((a["model"], a["prompt_tokens"]), (b["model"], b["prompt_tokens"]))
        self.assertEqual(ours[0]["prompt"], "Hello")
        plain = self.run_json("evaluate", chat, "--prompts", self.prompts())["generation"][0]["runs"]
        self.assertNotEqual(plain[0]["prompt_tokens"], ours[0]["prompt_tokens"])

    def test_models_whose_texts_end_with_other_tokens_are_refused(self):
        data = DEMO.read_bytes()
        place = data.index(b"tokenizer.ggml.eos_token_id") + len(b"tokenizer.ggml.eos_token_id") + 4
        other = self.write("other.gguf", data[:place] + (1990).to_bytes(4, "little") + data[place + 4:])
        for model, baseline in ((other, "demo"), ("demo", other)):
            self.assert_refused("evaluate", model, "--baseline", baseline, "--prompts", self.prompts(),
                                says=("found other tokens that end a text", "(token 1990, ',',"))
        self.run_ok("evaluate", other, "--prompts", self.prompts())

    def test_a_variant_that_computes_nan(self):
        norm, = (t for t in gguf_py().GGUFReader(DEMO).tensors if t.name == "output_norm.weight")
        data = bytearray(DEMO.read_bytes())
        data[norm.data_offset:norm.data_offset + 4] = floats([float("nan")])
        broken = self.write("nan.gguf", bytes(data))
        result = self.run_json("evaluate", broken, "--baseline", "demo", "--prompts", self.prompts(), code=FAILED)
        total = result["generation"][0]["totals"][0]
        self.assertIn("found NaN among the logits", total["failure"])
        self.assertEqual(result["generation"][0]["runs"][0]["variants"][0]["name"], result["generation"][0]["totals"][1]["name"])
        printed = self.run_ok("evaluate", broken, "--baseline", "demo", "--prompts", self.prompts(), code=FAILED)
        self.assertIn("nan.gguf: given up.", printed.stdout)
        self.assertIn("found NaN among the logits", self.run_ok("evaluate", broken, "--prompts", self.prompts(), code=FAILED).stderr)


class Speed(TextsTest):
    def test_one_model(self):
        result = self.run_json("evaluate", "demo", "--speed", "--repetitions", "7")
        speed = result["speed"][0]
        self.assertEqual((speed["repetitions"], speed["threads"], speed["prompt_tokens"], speed["generated_tokens"]), (7, 1, 256, 64))
        (subject,) = speed["subjects"]
        for kind, figure in (("load", "load_seconds"), ("prompt", "tokens_per_second"), ("generation", "tokens_per_second")):
            measured = subject[kind]
            self.assertEqual(len(measured["seconds"]), 7)
            self.assertIsNone(measured["ratio"])
            interval = measured[figure]["interval"]
            self.assertLessEqual(interval["low"], measured[figure]["median"])
            self.assertLessEqual(measured[figure]["median"], interval["high"])
            self.assertEqual(interval["coverage"], 1 - 2 / 2**7)
        ordered = sorted(256 / seconds for seconds in subject["prompt"]["seconds"])
        self.assertEqual(subject["prompt"]["tokens_per_second"]["median"], ordered[3])

    def test_against_a_baseline(self):
        result = self.run_json("evaluate", self.coarse(), "--baseline", "demo", "--speed", "--repetitions", "6")
        base, coarse, control = result["speed"][0]["subjects"]
        self.assertIsNotNone(base["load"])
        self.assertIsNone(control["load"])
        self.assertIn("only in memory", control["load_note"])
        for kind in ("load", "prompt", "generation"):
            pairs = zip(base[kind]["seconds"], coarse[kind]["seconds"])
            ratios = sorted(a / b for a, b in pairs)
            found = coarse[kind]["ratio"]
            self.assertAlmostEqual(found["median"], (ratios[2] + ratios[3]) / 2, places=12)
            self.assertEqual((found["interval"]["low"], found["interval"]["high"]), (ratios[0], ratios[5]))
            self.assertEqual(found["difference"], ratios[0] > 1 or ratios[5] < 1)

    def test_what_is_printed(self):
        printed = self.run_ok("evaluate", "demo", "--tensors", "ffn", "--format", "bf16", "--speed", "--repetitions", "6").stdout
        for words in ("generation tokens/s", "against baseline", "96.9 %", "with 1 thread", "n/a", "it is only in memory"):
            self.assertIn(words, printed)


class Refusals(TextsTest):
    def test_options(self):
        self.assert_usage("evaluate", "demo", says="--file is required, or --prompts or --speed")
        self.assert_usage("evaluate", "demo", "--speed", "--repetitions", "5", says="--repetitions")
        self.assert_usage("evaluate", "demo", "--speed", "--chat", says="--chat says how --prompts are read")

    def test_prompts(self):
        self.assert_refused("evaluate", "demo", "--prompts", self.path("none.toml"), says=("prompts file", "none.toml", "No such file"))
        broken = self.prompts("[[prompt]]\npromt = 'a'\n")
        self.assert_refused("evaluate", "demo", "--prompts", broken, says=("prompts.toml:2: prompt 1", "did you mean prompt?"), lines=None)
        long = self.prompts(f"[[prompt]]\nprompt = '{'tree ' * 400}'")
        self.assert_refused("evaluate", "demo", "--prompts", long, says=("found a prompt of", "wanted at most 255"))
        prompts = self.prompts()
        self.assert_refused("evaluate", "demo", "--prompts", prompts, "--json", prompts, says="prompts.toml")

    def test_chat_templates(self):
        self.assert_refused("evaluate", "demo", "--prompts", "default", "--chat", says="no chat template")
        chat = self.write("chat.gguf", with_metadata(DEMO.read_bytes(), "tokenizer.chat_template", "{{ messages[0].content }}"))
        self.assert_refused("evaluate", chat, "--prompts", "default", "--chat", says=("does not recognize", "messages[0]"))


if __name__ == "__main__":
    main()
