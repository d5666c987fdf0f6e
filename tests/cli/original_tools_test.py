#!/usr/bin/env python3
"""docs/original-tools.md: every command line in it works as it stands; and the original experiment's findings, on models like its own."""

import json
import re
import shlex
import shutil
import subprocess

import made_models
from support import DATA, PROGRAM, SOURCE, ProgramTest, main

DOCUMENT = SOURCE / "docs" / "original-tools.md"
SCRIPT = "scripts/get-wikitext-2.sh"
FFN_NORM = ("--tensors", "ffn_norm", "--format", "bf16:rtz")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)


def command_lines():
    return [line for block in blocks("sh") for line in block.splitlines()]


class Document(ProgramTest):
    def setUp(self):
        super().setUp()
        for block in blocks("toml"):
            name = re.match(r"# (\S+\.toml)\n", block)
            self.assertIsNotNone(name, block)
            self.path(name[1]).write_text(block)
        # What get-wikitext-2.sh would have fetched: its own test has a server for it.
        shutil.copy(DATA / "demo-wordnet-heldout.txt", self.path("wiki.test.raw"))
        if (SOURCE / "experiments").is_dir():
            self.path("experiments").symlink_to(SOURCE / "experiments")

    def test_every_command_line_works_as_it_stands(self):
        seen = set()
        for line in command_lines():
            words = shlex.split(line)
            if words[0] == SCRIPT:
                continue
            self.assertEqual(words[0], "fakequant", line)
            with self.subTest(line=line):
                result = subprocess.run([PROGRAM, *words[1:]], cwd=self.folder, capture_output=True, text=True, timeout=300, check=False,
                                        stdin=subprocess.DEVNULL)
                self.assertEqual(result.returncode, 0, f"{line}\n{result.stdout}\n{result.stderr}")
                self.assertNotIn("error", result.stderr)
                seen.add(words[1])
        self.assertLessEqual({"quantize", "inspect", "compare", "evaluate", "run", "report"}, seen)

    def test_command_lines_of_the_script_have_its_options(self):
        shown = subprocess.run([SOURCE / SCRIPT, "--help"], capture_output=True, text=True, check=True).stdout
        lines = [shlex.split(line) for line in command_lines() if line.startswith(SCRIPT)]
        self.assertGreaterEqual(len(lines), 2)
        for words in lines:
            for option in words[1:]:
                if option.startswith("-"):
                    self.assertIn(option, shown)

    def test_every_tool_of_the_table_is_told_of(self):
        rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", DOCUMENT.read_text(), re.MULTILINE)[1:]
        self.assertEqual(len(rows), 11)
        commands = {word for line in command_lines() for word in shlex.split(line)[:2] if word != "fakequant"}
        for _, now, _ in rows:
            for command in re.findall(r"fakequant (\w+)", now):
                self.assertIn(command, commands)

    def test_every_link_leads_somewhere(self):
        for target in re.findall(r"\]\(([^)#]+)\)", DOCUMENT.read_text()):
            self.assertTrue((DOCUMENT.parent / target).exists(), target)


class LikeTinyLlama(ProgramTest):
    """45 norms that are BF16 in fact: nothing changes, and the program says why."""

    def setUp(self):
        super().setUp()
        self.model = made_models.tinyllama_like(self.path("model.gguf"))

    def test_has_the_tensors_of_tinyllama(self):
        tensors = self.run_json("inspect", self.model)["tensors"]
        self.assertEqual(len(tensors), 201)
        count = {kind: sum(t["type"] == kind for t in tensors) for kind in ("F32", "Q4_K", "Q6_K")}
        self.assertEqual(count, {"F32": 45, "Q4_K": 135, "Q6_K": 21})
        more_bits = {0, 1, 4, 7, 10, 13, 16, 19, 20, 21}  # as llama-quantize's Q4_K_M treats 22 layers
        wanted = {f"blk.{layer}.{role}.weight" for layer in more_bits for role in ("attn_v", "ffn_down")} | {"output.weight"}
        self.assertEqual({t["name"] for t in tensors if t["type"] == "Q6_K"}, wanted)
        norms = [t for t in tensors if t["type"] == "F32"]
        self.assertEqual({t["low16_zero_fraction"] for t in norms}, {1.0})
        self.assertEqual(sum("ffn_norm" in t["name"] for t in norms), 22)

    def test_bf16_changes_nothing_and_the_reason_is_told(self):
        out = self.path("out.gguf")
        result = self.run_ok("quantize", self.model, out, *FFN_NORM)
        self.assertIn("F32 in name and bf16 in fact", result.stdout)
        self.assertIn("Nothing changed: the output is equal to the input byte for byte.", result.stdout)
        self.assert_same_file(self.model, out)

    def test_perplexity_and_texts_stay_the_same(self):
        prompts = self.path("prompts.toml")
        prompts.write_text('[[prompt]]\nprompt = "a tall tree"\ntemperature = [0.1, 0.7, 0.8]\nseed = [42, 123]\ntokens = 8\n')
        self.run_ok("evaluate", self.model, *FFN_NORM, "-f", DATA / "demo-wordnet-heldout.txt", "-c", "256", "-b", "8", "--chunks", "1",
                    "--control", "none", "--prompts", prompts, "--json", self.path("out.json"))
        result = json.loads(self.path("out.json").read_text())
        (generation,) = result["generation"]
        self.assertEqual([text["identical"] for made in generation["runs"] for text in made["variants"]], [True] * 6)
        (text,) = result["texts"]
        self.assertEqual(text["model"]["perplexity"], text["baseline"]["perplexity"])
        self.assertEqual([text["divergence"][measure] for measure in ("kld_max", "ln_ppl_ratio", "p_diff_max")], [0, 0, 0])


class LikeLlama32(ProgramTest):
    """Norms that are BF16 in fact, and rope_freqs, which is not: what proved that the tool works."""

    def setUp(self):
        super().setUp()
        self.model = made_models.llama32_like(self.path("model.gguf"))

    def test_only_rope_freqs_changes(self):
        result = self.run_json("quantize", self.model, self.path("out.gguf"), "--tensors", "norm,rope_freqs", "--format", "bf16:rtz")
        changed = [t for t in result["tensors"] if t["changed_count"] > 0]
        self.assertEqual([t["name"] for t in changed], ["rope_freqs.weight"])
        self.assertEqual(changed[0]["changed_count"], 3)
        self.assertAlmostEqual(changed[0]["max_abs"], 4.17e-2, delta=5e-5)
        self.assertAlmostEqual(changed[0]["mean_abs"], 1.74e-3, delta=5e-6)
        self.assertAlmostEqual(changed[0]["max_rel"], 0.0043, delta=5e-5)

    def test_llama_cpp_evaluates_it(self):
        options = ("-f", DATA / "demo-wordnet-heldout.txt", "-c", "256", "--chunks", "2")
        (own,) = self.run_json("evaluate", self.model, *options)["texts"]
        (demo,) = self.run_json("evaluate", "demo", *options)["texts"]
        ratio = own["model"]["perplexity"] / demo["model"]["perplexity"]
        self.assertLess(abs(ratio - 1), 0.1)


if __name__ == "__main__":
    main()
