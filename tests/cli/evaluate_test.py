"""`fakequant evaluate`: what it prints and refuses. Its numbers are held against llama-perplexity in tests/reference."""

import json
import re
import struct

from support import DATA, DEMO, FAILED, ProgramTest, floats, gguf_py, main, run, small_model

TEXT = DATA / "demo-wordnet-heldout.txt"
FAST = ("-c", "64", "-t", "1")


class Results(ProgramTest):
    def test_one_model(self):
        result = self.run_json("evaluate", "demo", "-f", TEXT, *FAST, "--chunks", "9")
        self.assertEqual(result["schema_version"], 1)
        self.assertEqual((result["context"], result["batch"], result["training_context"]), (64, 2048, 256))
        text, = result["texts"]
        self.assertEqual((text["file"], text["chunks"], text["scored_tokens"]), (str(TEXT), 9, 9 * 31))
        self.assertGreater(text["tokens"], 50000)
        model = text["model"]
        self.assertEqual(len(model["running"]), 9)
        self.assertEqual(model["running"][-1], model["perplexity"])
        self.assertGreater(model["perplexity_error"], 0)
        self.assertGreater(model["perplexity_error_chunks"], 0)

    def test_the_table_names_both_errors(self):
        printed = self.run_ok("evaluate", "demo", "-f", TEXT, *FAST, "--chunks", "7").stdout
        for words in ("+/- tokens", "+/- chunks", "n/a", "perplexity", "Chunks of 64 tokens"):
            self.assertIn(words, printed)
        self.assertNotIn("[7]", printed)
        self.assertIn("[7]", self.run_ok("evaluate", "demo", "-f", TEXT, *FAST, "--chunks", "7", "-v").stdout)
        self.assertEqual(self.run_ok("evaluate", "demo", "-f", TEXT, *FAST, "--chunks", "2", "-q").stdout, "")

    def test_several_texts_and_their_average(self):
        other = self.write("other.txt", TEXT.read_bytes()[:20000])
        result = self.run_json("evaluate", "demo", "-f", TEXT, "-f", other, *FAST, "--chunks", "8")
        values = [t["model"]["perplexity"] for t in result["texts"]]
        self.assertEqual([t["file"] for t in result["texts"]], [str(TEXT), str(other)])
        self.assertAlmostEqual(result["macro_average"]["perplexity"], sum(values) / 2, places=9)
        self.assertIn("macro average", self.run_ok("evaluate", "demo", "-f", TEXT, "-f", other, *FAST, "--chunks", "1").stdout)

    def test_several_models(self):
        coarse = self.path("coarse.gguf")
        self.run_ok("quantize", "demo", coarse, "--tensors", "matrices", "--format", "int3:row", "-q")
        result = self.run_json("evaluate", "demo", coarse, "-f", TEXT, *FAST, "--chunks", "4")
        self.assertNotIn("texts", result)
        first, second = result["variants"]
        self.assertEqual((first["model_file"], second["model_file"]), ("demo", str(coarse)))
        self.assertGreater(second["texts"][0]["model"]["perplexity"], 1.1 * first["texts"][0]["model"]["perplexity"])
        alone = self.run_json("evaluate", coarse, "-f", TEXT, *FAST, "--chunks", "4")
        self.assertEqual(alone["texts"][0]["model"], second["texts"][0]["model"])

    def test_the_context_follows_the_training_context(self):
        self.assertEqual(self.run_json("evaluate", "demo", "-f", TEXT, "--chunks", "1", "-t", "1")["context"], 256)
        result = run("evaluate", "demo", "-f", TEXT, "-c", "300", "--chunks", "1", "-t", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("warning: demo: -c 300 is more than the 256 tokens that the model was trained on", result.stderr)
        self.assertEqual(run("evaluate", "demo", "-f", TEXT, *FAST, "--chunks", "1").stderr, "")

    def test_one_token_to_score_has_no_error(self):
        model = self.run_json("evaluate", "demo", "-f", TEXT, "-c", "4", "-b", "4", "--chunks", "1", "-t", "1")["texts"][0]["model"]
        self.assertIsNone(model["perplexity_error"])
        self.assertIsNone(model["perplexity_error_chunks"])

    def test_spellings_of_options(self):
        common = ("evaluate", "demo", "-f", TEXT, *FAST, "--chunks", "2")
        short = self.run_json(*common, "-ctk", "q8_0", "-ctv=q4_0", "-fa", "on", "-ngl", "0")
        long = self.run_json(*common, "--cache-type-k", "q8_0", "--cache-type-v=q4_0", "--flash-attn", "on", "--n-gpu-layers", "0")
        for result in (short, long):
            del result["texts"][0]["seconds"]
        self.assertEqual(short, long)
        self.assertEqual((short["cache_type_k"], short["cache_type_v"], short["flash_attention"]), ("q8_0", "q4_0", "on"))

    def test_json_goes_to_a_file(self):
        output = self.path("out.json")
        self.run_ok("evaluate", "demo", "-f", TEXT, *FAST, "--chunks", "1", "--json", output)
        self.assertEqual(json.loads(output.read_text())["texts"][0]["chunks"], 1)


class Refusals(ProgramTest):
    def test_texts(self):
        short = self.write("short.txt", b"a tall tree")
        self.assert_refused("evaluate", "demo", "-f", short, says=("short.txt", "found", "tokens, wanted at least 512", "-c 256"))
        self.assert_refused("evaluate", "demo", "-f", TEXT, "-c", "40000", says=("tokens, wanted at least 80,000", "-c 40000"))
        self.assert_refused("evaluate", "demo", "-f", self.write("empty.txt", b""), says=("empty.txt", "empty file"))
        self.assert_refused("evaluate", "demo", "-f", self.path("none.txt"), says=("none.txt", "no such file"))
        self.assert_refused("evaluate", "demo", "-f", self.folder, says="found a folder")
        # Every text is checked before the first is evaluated.
        self.assert_refused("evaluate", "demo", "-f", TEXT, "-f", short, says="short.txt")

    def test_options(self):
        for options, says in {("-c", "0"): "--ctx-size", ("-c", "1"): "--ctx-size", ("-b", "0"): "--batch-size",
                              ("--chunks", "0"): "--chunks", ("-fa", "maybe"): "wanted on, off or auto",
                              ("-ctk", "q9"): "wanted one of f32, f16", ("-ctv", "q4_k"): "did you mean q4_0",
                              ("--cache-typ-k", "f16"): "did you mean --cache-type-k"}.items():
            self.assert_usage("evaluate", "demo", "-f", TEXT, *options, says=says)
        self.assert_usage("evaluate", "demo", says="--file is required")
        self.assert_usage("evaluate", "-f", TEXT, says="MODEL is required")
        self.assert_refused("evaluate", "demo", "-f", TEXT, "-fa", "off", "-ctv", "q8_0", says="llama.cpp cannot run this model as asked")
        self.assert_refused("evaluate", "demo", "-f", TEXT, "-c", "4", "-b", "2048", says=("-b 2048", "at most 256", "give -b 1024"))

    def test_models(self):
        self.assert_refused("evaluate", self.write("small.gguf", small_model()), "-f", TEXT,
                            says=("small.gguf: llama.cpp refuses this model", "context_length"))
        self.assert_refused("evaluate", self.write("cut.gguf", DEMO.read_bytes()[:5000]), "-f", TEXT, says="cut.gguf")
        self.assert_refused("evaluate", TEXT, "-f", TEXT, says=TEXT.name)
        # All models are opened before the first is evaluated.
        self.assert_refused("evaluate", "demo", self.path("none.gguf"), "-f", TEXT, says="none.gguf")

    def test_a_model_that_computes_nan(self):
        norm, = (t for t in gguf_py().GGUFReader(DEMO).tensors if t.name == "output_norm.weight")
        data = bytearray(DEMO.read_bytes())
        data[norm.data_offset:norm.data_offset + 4] = floats([float("nan")])
        path = self.write("nan.gguf", bytes(data))
        tensor = "'output_norm.weight' (1 NaN, at index 0)"
        result = self.run_ok("evaluate", path, "-f", TEXT, *FAST, "--chunks", "2", code=FAILED)
        warning, error = result.stderr.splitlines()
        self.assertRegex(warning, f"^warning: .*nan.gguf: found NaN or Inf among the weights: {re.escape(tensor)}$")
        self.assertRegex(error, "^fakequant: .*nan.gguf: chunk 1, position 32: found NaN .*; weights that are not finite: .*nan.gguf: "
                                + re.escape(tensor) + "$")
        self.assert_refused("evaluate", path, "-f", TEXT, *FAST, "--chunks", "2", "-q", says=tensor)

    def test_a_model_that_computes_nan_from_finite_weights(self):
        norm, = (t for t in gguf_py().GGUFReader(DEMO).tensors if t.name == "output_norm.weight")
        data = bytearray(DEMO.read_bytes())
        data[norm.data_offset:norm.data_offset + norm.n_bytes] = floats([3e38] * norm.n_elements)
        self.assert_refused("evaluate", self.write("large.gguf", bytes(data)), "-f", TEXT, *FAST, "--chunks", "2",
                            says=("large.gguf: chunk 1", "all weights in the file are finite"))

    def test_an_infinite_weight_that_matters_to_no_token(self):
        bias = self.write("inf.gguf", DEMO.read_bytes())
        embedding, = (t for t in gguf_py().GGUFReader(bias).tensors if t.name == "token_embd.weight")
        with open(bias, "r+b") as file:
            file.seek(int(embedding.data_offset) + int(embedding.n_bytes) - 2)
            file.write(struct.pack("<H", 0x7C00))  # the last token of the vocabulary, which the text does not have
        result = self.run_ok("evaluate", bias, "-f", TEXT, *FAST, "--chunks", "1")
        self.assertIn("warning: ", result.stderr)
        self.assertIn(f"'token_embd.weight' (1 Inf, at index {embedding.n_elements - 1})", result.stderr)

    def test_memory_is_checked_before_loading(self):
        self.assert_refused("evaluate", "demo", "-f", TEXT, "-c", "16384", "-b", str(16384 * 250), "-ctk", "f32",
                            says=("demo: needs", "GiB of memory with -c 16384", "free"))

    def test_a_json_file_that_is_an_input(self):
        text = self.write("text.txt", TEXT.read_bytes())
        self.assert_refused("evaluate", "demo", "-f", text, "--json", text, says="text.txt")


if __name__ == "__main__":
    main()
