#!/usr/bin/env python3
"""`run` and `report` on models that surprise: where norms are BF16 in fact nothing changes and the report says why; where llama.cpp cannot
run a variant, that variant alone fails."""

import json

import made_models
from support import DONE, FAILED, SOURCE, STORIES, ProgramTest, main, run

EXAMPLE = SOURCE / "experiments" / "ffn_norm_bf16.toml"
ROPE = """
title = "Norms and rope_freqs"
model = "demo"
[[text]]
file = "demo"
chunks = 1
[settings]
control = "none"
[[prompt]]
prompt = "a tall tree"
temperature = 0
tokens = 8
[[variant]]
name = "norms"
tensors = "norm"
format = "bf16:rtz"
[[variant]]
name = "with rope_freqs"
tensors = "norm, rope_freqs"
format = "bf16:rtz"
"""


class Experiments(ProgramTest):
    def carry_out(self, experiment, *options, code=DONE):
        """Measurements of the run by kind and variant's name; what `report` says; its JSON."""
        folder = self.path("a.run")
        result = run("run", experiment, "--out", folder, *options)
        self.assertEqual(result.returncode, code, result.stderr)
        records = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()[1:]]
        names = {variant["id"]: variant["name"] for variant in records[0]["variants"]}
        measured = {(r["kind"], names.get(r.get("variant"))): r for r in records if "key" in r and r["kind"] != "experiment"}
        self.run_ok("report", folder, "--format", "md,json,html,csv")
        said = " ".join(self.run_ok("report", folder).stdout.split())
        return measured, said, json.loads((folder / "report.json").read_text())

    def example(self, **replaced):
        """The norm experiment, as far as a test has time for it."""
        text = EXAMPLE.read_text()
        for old, new in {"seed = [42, 123]": "seed = 42", "temperature = [0.1, 0.7, 0.8]": "temperature = [0.1, 0.8]", "tokens = 48": "tokens = 6",
                         "speed = true": "speed = false", "chunks = 32": "chunks = 1", **replaced}.items():
            self.assertIn(old, text)
            text = text.replace(old, new)
        return self.write("example.toml", text.encode())


class LikeTinyLlama(Experiments):
    def test_the_norm_experiment_changes_nothing_and_says_why(self):
        model = made_models.tinyllama_like(self.path("model.gguf"))
        measured, said, report = self.carry_out(self.example(), "--model", model)
        variants = ["test 1: layer 0", "layers 0-2", "layers 0-9", "layers all"]
        for name in variants:
            self.assertEqual(measured["difference", name]["result"]["total"]["changed_count"], 0)
            divergence = measured["divergence", name]["result"]
            self.assertEqual([divergence["divergence"][key] for key in ("ln_ppl_ratio", "kld_max", "kld_mean", "flip_share")], [0, 0, 0, 0])
            self.assertEqual(divergence["model"]["perplexity"], divergence["baseline"]["perplexity"])
            made = measured["generation", name]["result"]["totals"]
            made = made[0] if isinstance(made, list) else made
            self.assertEqual((made["texts"], made["identical"]), (8, 8))
        self.assertIn("No weight changes: all 22 ffn_norm tensors are BF16 in fact (stored as F32), so bf16:rtz is exact. Perplexity, every "
                      "distribution and all 32 generated texts are the same as the baseline's for that reason, not because of an error.", said)
        self.assertNotIn("!", said)
        self.assertTrue(report)


class LikeLlama32(Experiments):
    def test_rope_freqs_alone_changes(self):
        model = made_models.llama32_like(self.path("model.gguf"))
        experiment = self.write("rope.toml", ROPE.encode())
        measured, said, _ = self.carry_out(experiment, "--model", model)
        self.assertEqual(measured["difference", "norms"]["result"]["total"]["changed_count"], 0)
        self.assertEqual(measured["divergence", "norms"]["result"]["divergence"]["kld_max"], 0)
        changed = measured["difference", "with rope_freqs"]["result"]
        self.assertEqual([t["name"] for t in changed["tensors"] if t["changed_count"] > 0], ["rope_freqs.weight"])
        self.assertEqual(changed["total"]["changed_count"], 3)
        self.assertGreater(measured["divergence", "with rope_freqs"]["result"]["divergence"]["kld_max"], 0)
        self.assertIn("No weight changes in norms: all 13 tensors are BF16 in fact", said)

    def test_a_model_without_the_tensor_refuses_the_experiment(self):
        result = run("run", self.write("rope.toml", ROPE.encode()), "--out", self.path("a.run"))
        self.assertEqual(result.returncode, FAILED)
        self.assertIn("rope.toml:17: variant 'with rope_freqs': the model has no tensor of the role or name 'rope_freqs'", result.stderr)
        self.assertFalse(self.path("a.run").exists())


class OddCaches(Experiments):
    def test_caches_that_do_not_fit_are_refused_before_anything_is_measured(self):
        """Heads of 8 values have no blocks of 32: no quantized cache of them."""
        if not STORIES.exists():
            self.skipTest("no shared models here")
        experiment = SOURCE / "experiments" / "kv_cache.toml"
        result = run("run", experiment, "--model", STORIES, "--out", self.path("a.run"))
        self.assertEqual(result.returncode, FAILED)
        problems = result.stderr.splitlines()
        self.assertGreater(len(problems), 10)
        self.assertIn("variant 'keys q8_0, values f16': cache_k: q8_0 has blocks of 32 values, found heads of 8 in this model", result.stderr)
        self.assertNotIn("'keys f16, values f16'", result.stderr)
        self.assertFalse(self.path("a.run").exists())


if __name__ == "__main__":
    main()
