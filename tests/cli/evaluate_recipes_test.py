"""`fakequant evaluate` of recipes carried out in memory: what it measures is what the file that quantize writes gives, to the last bit."""

import json
import subprocess
import time
import unittest

from made_models import longrope_demo
from support import DATA, DEMO, PROGRAM, SANITIZED, SHARED, STORIES, ProgramTest, floats, gguf_py, llama, main, run

TEXT = DATA / "demo-wordnet-heldout.txt"
WIKI = SHARED / "text" / "wiki.test.raw"
ROLES = ("norm", "ffn", "attn", "embedding", "output")
# What the sanitizers' build computes takes long: a few of the pairs do there.
FORMATS = ("e4m3",) if SANITIZED else ("bf16:rtz", "int4:group=32", "e4m3", "mxfp4", "q4_0", "q4_k")


def without_times(result):
    """What does not differ from run to run."""
    if isinstance(result, dict):
        return {key: without_times(value) for key, value in result.items() if key != "seconds"}
    return [without_times(value) for value in result] if isinstance(result, list) else result


class MemoryAndFile(ProgramTest):
    def check(self, model, text, tensors, form, *options, quantize=()):
        fake = self.path("fake.gguf")
        self.run_ok("quantize", model, fake, "--tensors", tensors, "--format", form, "--force", "--no-sync", "-q", *quantize)
        common = ("-f", text, "-t", "1", "--control", "none", "--per-chunk", *options)
        memory = self.run_json("evaluate", model, "--tensors", tensors, "--format", form, *quantize, *common)
        file = self.run_json("evaluate", fake, "--baseline", model, *common)
        self.assertEqual(without_times(memory["texts"]), without_times(file["texts"]), f"{tensors} {form}")
        self.assertIs(memory["recipe"]["restored"], True)
        return memory

    def test_the_demo_model(self):
        for role in ROLES:
            for form in FORMATS:
                found = self.check(DEMO, TEXT, role, form, "-c", "64", "--chunks", "3")
                self.assertGreater(found["texts"][0]["divergence"]["kld_mean"], 0, f"{role} {form}")

    def test_stories(self):
        if not STORIES.exists() or not WIKI.exists():
            self.skipTest(f"no {STORIES} or {WIKI}")
        for tensors, form in (("all", "bf16:rtz"), ("all", "e4m3"), ("all", "int4:group=4"), ("all,!ffn_down", "q8_0"),
                              ("all,!ffn_down", "q4_0"), ("all,!ffn_down", "mxfp4")):
            self.check(STORIES, WIKI, tensors, form, "-c", "128", "--chunks", "3")

    @unittest.skipIf(SANITIZED, "the release tree runs this: minutes with the sanitizers")
    def test_stories_known_numbers(self):
        if not STORIES.exists() or not WIKI.exists():
            self.skipTest(f"no {STORIES} or {WIKI}")
        recipe = self.write("patch.toml", b'[[rule]]\ntensors = "blk.0.ffn_norm.weight"\nformat = "bf16:rtz"\n'
                                          b'[[rule]]\ntensors = "ffn_down"\nformat = "int4:group=4"\n')
        result = self.run_json("evaluate", STORIES, "-f", WIKI, "-c", "512", "-b", "2048", "--chunks", "40", "--recipe", recipe,
                               "--control", "none")
        found = {side: "{perplexity:.4f} +/- {perplexity_error:.5f}".format(**result["texts"][0][side])
                 for side in ("model", "baseline")}
        self.assertEqual(found, {"model": "166.9697 +/- 6.66016", "baseline": "164.9042 +/- 6.57147"})

    def test_types_that_the_recipe_changes(self):
        q4 = self.path("q4.gguf")
        llama("llama-quantize", DEMO, q4, "Q4_K_M", "2")
        fast = ("-f", TEXT, "-c", "64", "--chunks", "3", "-t", "1")
        # F32 holds the unrounded values too: rounding is a patch of the widened model. F16 does not: the result is loaded.
        for store in ("f32", "auto"):
            fake = self.path("fake.gguf")
            recipe = ("--tensors", "ffn", "--layers", "0-1", "--format", "e4m3", "--store", store)
            self.run_ok("quantize", q4, fake, *recipe, "--force", "--no-sync", "-q")
            memory = self.run_json("evaluate", q4, *recipe, *fast)
            alone = self.run_json("evaluate", fake, *fast)
            self.assertEqual(memory["texts"][0]["model"], alone["texts"][0]["model"], store)
            # The baseline is the model widened alike, and what widening does is told beside.
            wide = self.path("wide.gguf")
            self.run_ok("quantize", q4, wide, "--tensors", "ffn", "--layers", "0-1", "--format", "f32", "--store", "f32", "--force",
                        "--no-sync", "-q")
            widened = self.run_json("evaluate", wide, "--baseline", q4, *fast, "--control", "none")
            self.assertEqual(memory["texts"][0]["baseline"], widened["texts"][0]["model"])
            self.assertEqual(without_times(memory["widening"]["texts"]), without_times(widened["texts"]))
            self.assertIn("6 tensors stored as F32", memory["widening"]["name"])

    def test_real_quantization_is_llama_quantizes(self):
        q8 = self.path("q8.gguf")
        llama("llama-quantize", "--pure", DEMO, q8, "Q8_0", "1")
        fast = ("-f", TEXT, "-c", "64", "--chunks", "3", "-t", "1", "--control", "none")
        result = self.run_json("evaluate", DEMO, "--tensors", "matrices", "--format", "q8_0", "--real", *fast)
        file = self.run_json("evaluate", q8, "--baseline", DEMO, *fast)
        self.assertEqual(without_times(result["real"]["texts"]), without_times(file["texts"]))
        self.assertNotEqual(result["texts"][0]["model"], result["real"]["texts"][0]["model"])


    def test_real_beside_formats_that_are_none(self):
        fast = ("-f", TEXT, "-c", "64", "--chunks", "1", "-t", "1", "--control", "none", "--tensors", "ffn")
        result = run("evaluate", DEMO, *fast, "--format", "bf16,q4_0", "--real")
        self.assertIn("--real: bf16:rne rounds no matrix", result.stderr)
        self.assertEqual(result.stdout.count("really quantized"), 1, result.stdout)


class Comparisons(ProgramTest):
    FAST = ("evaluate", "demo", "-f", TEXT, "-c", "64", "-t", "1")
    INT4 = ("--tensors", "ffn", "--format", "int4")

    def test_stable_keys(self):
        result = self.run_json(*self.FAST, "--chunks", "9", *self.INT4, "--per-chunk")
        text, = result["texts"]
        for side in ("model", "baseline"):
            for key in ("perplexity", "perplexity_error", "perplexity_error_chunks", "running"):
                self.assertIn(key, text[side])
        for key in ("kld_mean", "kld_error_chunks", "kld_median", "kld_p99", "kld_p999", "kld_max", "cvar_1pct", "same_top",
                    "ln_ppl_ratio", "ln_ppl_ratio_error_chunks"):
            self.assertIsInstance(text["divergence"][key], float, key)
        self.assertEqual(len(text["per_chunk"]), 9)
        self.assertEqual((result["schema_version"], result["baseline_file"], text["tokens"] > 50000), (1, "demo", True))
        self.assertEqual(result["recipe"]["unused_tensors"], [])
        self.assertNotIn("per_chunk", self.run_json(*self.FAST, "--chunks", "1", *self.INT4)["texts"][0])

    def test_several_formats_and_recipes_are_rows_of_one_table(self):
        result = self.run_json(*self.FAST, "--chunks", "2", "--tensors", "ffn", "--format", "bf16,int4,int3")
        means = [v["texts"][0]["divergence"]["kld_mean"] for v in result["variants"]]
        self.assertEqual([v["name"] for v in result["variants"]], ["bf16:rne", "int4:row:restricted:rne", "int3:row:restricted:rne"])
        self.assertTrue(means[0] < means[1] < means[2], means)
        recipes = [self.write(f"{name}.toml", f'[[rule]]\ntensors = "ffn"\nformat = "{name}"\n'.encode()) for name in ("int4", "int3")]
        again = self.run_json(*self.FAST, "--chunks", "2", "--recipe", recipes[0], "--recipe", recipes[1])
        self.assertEqual([v["name"] for v in again["variants"]], ["int4", "int3"])
        self.assertEqual([v["texts"][0]["divergence"] for v in again["variants"]],
                         [v["texts"][0]["divergence"] for v in result["variants"][1:]])
        printed = self.run_ok(*self.FAST, "--chunks", "2", "--tensors", "ffn", "--format", "bf16,int4").stdout
        for words in ("bf16:rne ", "int4:row", "control: bf16:rne everywhere", "mean KLD", "same top"):
            self.assertIn(words, printed)

    def test_the_control(self):
        result = self.run_json(*self.FAST, "--chunks", "2", *self.INT4)
        everywhere = self.run_json(*self.FAST, "--chunks", "2", "--tensors", "all", "--format", "bf16", "--control", "none")
        self.assertEqual(result["control"]["texts"][0]["divergence"], everywhere["texts"][0]["divergence"])
        self.assertNotIn("control", everywhere)
        other = self.run_json(*self.FAST, "--chunks", "2", *self.INT4, "--control", "e4m3")
        self.assertEqual(other["control"]["name"], "control: e4m3:rne everywhere")

    def test_a_model_against_itself(self):
        result = self.run_json(*self.FAST, "--chunks", "3", "--baseline", DEMO, "--control", "none")
        divergence = result["texts"][0]["divergence"]
        self.assertEqual((divergence["kld_mean"], divergence["kld_max"], divergence["same_top"], divergence["ln_ppl_ratio"]),
                         (0, 0, 1, 0))

    def test_neither_memory_for_logits_nor_threads_change_a_digit(self):
        command = (*self.FAST[:-2], "-b", "128", "--chunks", "7", "--tensors", "ffn", "--format", "int4,e4m3", "--per-chunk")
        one = without_times(self.run_json(*command, "-t", "1"))
        for options in (("--logits-memory", "600K", "-t", "1"), ("--logits-memory", "1.5M", "-t", "2"), ("-t", "3")):
            other = without_times(self.run_json(*command, *options))
            del other["threads"]
            self.assertEqual(other, {key: value for key, value in one.items() if key != "threads"}, options)

    def test_a_variant_that_computes_nan_is_told_of_and_the_others_are_measured(self):
        # 4,000 is beyond e4m3's Inf; the baseline's own logits do not mind so large a norm.
        norm, = (t for t in gguf_py().GGUFReader(DEMO).tensors if t.name == "output_norm.weight")
        data = bytearray(DEMO.read_bytes())
        data[norm.data_offset:norm.data_offset + 4] = floats([4000.0])
        model = self.write("large.gguf", bytes(data))
        result = run("evaluate", model, "-f", TEXT, "-c", "64", "--chunks", "2", "-t", "1", "--tensors", "output_norm", "--format",
                     "e4m3:inf,bf16", "--control", "none", "--json", self.path("out.json"))
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("e4m3:rne:inf: chunk 1, position 32: found", result.stderr)
        self.assertIn("1 value become", result.stdout.replace("values", "value"))
        self.assertIn("bf16:rne", result.stdout)

    def test_splits_are_patched_and_widened(self):
        llama("llama-gguf-split", "--split", "--split-max-tensors", "20", DEMO, self.path("demo"))
        part = sorted(self.folder.glob("demo-*.gguf"))[0]
        for recipe in (self.INT4, (*self.INT4, "--store", "f32")):
            whole = self.run_json(*self.FAST, "--chunks", "2", *recipe, "--control", "none")
            split = self.run_json("evaluate", part, *self.FAST[2:], "--chunks", "2", *recipe, "--control", "none")
            self.assertEqual(without_times(whole["texts"]), without_times(split["texts"]))

    def test_another_baseline_for_a_recipe(self):
        coarse = self.path("coarse.gguf")
        self.run_ok("quantize", "demo", coarse, "--tensors", "attn", "--format", "int4", "-q")
        fake = self.path("fake.gguf")
        self.run_ok("quantize", coarse, fake, *self.INT4, "-q")
        fast = self.FAST[2:] + ("--chunks", "2", "--baseline", "demo")
        self.assertEqual(without_times(self.run_json("evaluate", coarse, *self.INT4, *fast)["texts"]),
                         without_times(self.run_json("evaluate", fake, *fast)["texts"]))

    def test_a_recipe_of_unused_weights_is_told_as_unused(self):
        path = longrope_demo(self.path("longrope.gguf"), original_context=4096, context=8192)
        fast = ("-f", TEXT, "-c", "64", "--chunks", "2", "-t", "1", "--control", "none", "--format", "int3")
        long = run("evaluate", path, *fast, "--tensors", "rope_factors_long.weight", "--json", self.path("out.json"))
        self.assertEqual(long.returncode, 0, long.stderr)
        self.assertIn("(unused weights)", long.stdout)
        self.assertIn("unused by this model's graph", long.stdout)
        recipe = json.loads(self.path("out.json").read_text())["recipe"]
        self.assertEqual((recipe["unused_tensors"], recipe["all_unused"]), (["rope_factors_long.weight"], True))
        short = self.run_json("evaluate", path, *fast, "--tensors", "rope_factors_short.weight")
        self.assertEqual((short["recipe"]["unused_tensors"], short["recipe"]["all_unused"]), ([], False))

    def test_importance_and_seeds_reach_the_rounding(self):
        plain = self.run_json(*self.FAST, "--chunks", "2", "--tensors", "ffn", "--format", "int4:sr", "--control", "none")
        self.assertEqual(plain["seed"], 0)
        seeded = self.run_json(*self.FAST, "--chunks", "2", "--tensors", "ffn", "--format", "int4:sr", "--control", "none", "--seed", "7")
        self.assertEqual(seeded["seed"], 7)
        self.assertNotEqual(plain["texts"][0]["divergence"], seeded["texts"][0]["divergence"])


class Refusals(ProgramTest):
    def test_models_that_cannot_be_compared(self):
        if not STORIES.exists():
            self.skipTest(f"no {STORIES}")
        self.assert_refused("evaluate", "demo", "--baseline", STORIES, "-f", TEXT,
                            says=("found another vocabulary than that of demo", "512 tokens against 2,048"))

    def test_options(self):
        fast = ("evaluate", "demo", "-f", TEXT, "-c", "64", "--chunks", "2")
        ffn = ("--tensors", "ffn", "--format", "int4")
        for options, says in {("--tensors", "ffn"): "which format?", ("--format", "int4"): "which tensors",
                              (*ffn, "--repack"): "--repack excludes recipes", (*ffn, "--logits-memory", "much"): "wanted a size",
                              (*ffn, "--recipe", "r.toml"): "--recipe already says", (*ffn, "--control", "q9"): "'q9' is no format",
                              ("--real",): "--real", ("--per-chunk",): "--per-chunk", ("--control", "f16"): "--control",
                              ("--store", "auto"): "--store is for recipes", ("--seed", "1"): "--seed is for recipes",
                              ("--imatrix", "i.dat"): "--imatrix is for recipes", ("--skip-unfit",): "--skip-unfit is for recipes",
                              ("--baseline", "demo", "--store", "f32"): "--store is for recipes",
                              ("--baseline", "demo", "--repack"): "--control none"}.items():
            self.assert_usage(*fast, *options, says=says)
        self.assert_usage("evaluate", "demo", "demo", "-f", TEXT, *ffn, says="found 2 models, wanted one")
        self.assert_refused(*fast, *ffn, "--logits-memory", "10K", says=("--logits-memory: found 10.00 KiB, wanted at least",))
        self.assert_refused(*fast, "--tensors", "ffn_norm", "--format", "q4_0", "--real", "-q", says="found no recipe that rounds a matrix")
        self.assert_refused(*fast, *ffn, "--baseline", self.path("none.gguf"), says="none.gguf")
        self.assert_refused(*fast, "--recipe", self.path("none.toml"), says="none.toml")
        self.assert_refused(*fast, "--tensors", "norm", "--format", "bf16", "--store", "bf16",
                            says=("blk.0.attn_norm.weight", "wanted F32 for a tensor of one dimension", "--store keep"))

    def test_a_file_that_changes_while_it_is_evaluated(self):
        model = self.write("changing.gguf", DEMO.read_bytes())
        program = subprocess.Popen([PROGRAM, "evaluate", model, "-f", TEXT, "-c", "64", "-t", "1", "--chunks", "200"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while program.poll() is None:
            model.touch()
            time.sleep(0.02)
        printed, told = program.communicate()
        self.assertEqual((program.returncode, printed), (1, ""), told)
        self.assertIn("the file changed while it was evaluated", told)

    def test_a_default_batch_for_short_chunks(self):
        result = self.run_json("evaluate", "demo", "-f", TEXT, "-c", "5", "--chunks", "2", "-t", "1")
        self.assertEqual(result["batch"], 1280)


if __name__ == "__main__":
    main()
