"""The numbers that must come out: issue 2, section 5."""

import math

from support import DATA, STORIES, Gguf, ProgramTest, as_bf16, as_f32, floats, from_floats, gauss, main


def one_tensor(result, name):
    return next(t for t in result["tensors"] if t["name"] == name)


class RopeFrequencies(ProgramTest):
    def setUp(self):
        super().setUp()
        self.raw = (DATA / "rope_freqs_llama32_1b.f32").read_bytes()
        self.model = Gguf([("rope_freqs.weight", "F32", (32,), self.raw), ("blk.0.attn_norm.weight", "F32", (32,), self.raw)],
                          {"general.architecture": "llama"})
        self.input = self.write("in.gguf", self.model)

    def test_inspect_finds_29_of_32_values_in_bf16(self):
        tensor = one_tensor(self.run_json("inspect", self.input), "rope_freqs.weight")
        self.assertEqual(tensor["low16_zero_fraction"], 0.90625)
        self.assertEqual(tensor["effective_precision"], "f32")
        self.assertEqual(tensor["count"], 32)

    def check_differences(self, tensor):
        self.assertEqual(tensor["changed_count"], 3)
        self.assertAlmostEqual(tensor["max_abs"], 4.1731e-02, delta=0.5e-06)
        self.assertAlmostEqual(tensor["mean_abs"], 1.7386e-03, delta=0.5e-07)
        self.assertAlmostEqual(tensor["max_rel"], 0.004317, delta=0.5e-06)
        # The same from their definitions.
        pairs = [(x, as_bf16(x)) for x in from_floats(self.raw)]
        self.assertAlmostEqual(tensor["mean_rel"], sum(abs(o - q) / (abs(o) + 1e-12) for o, q in pairs) / 32, delta=1e-12)
        self.assertAlmostEqual(tensor["rmse"], math.sqrt(sum((o - q) ** 2 for o, q in pairs) / 32), delta=1e-12)
        noise = sum((o - q) ** 2 for o, q in pairs)
        self.assertAlmostEqual(tensor["snr_db"], 10 * math.log10(sum(o * o for o, _ in pairs) / noise), delta=1e-9)
        norms = math.sqrt(sum(o * o for o, _ in pairs)) * math.sqrt(sum(q * q for _, q in pairs))
        self.assertAlmostEqual(tensor["cosine"], sum(o * q for o, q in pairs) / norms, delta=1e-12)
        self.assertEqual(tensor["new_nonfinite"], 0)

    def test_bf16_truncation(self):
        output = self.path("out.gguf")
        result = self.run_json("quantize", self.input, output, "--tensors", "rope_freqs", "--format", "bf16:rtz")
        self.assertEqual([t["name"] for t in result["tensors"]], ["rope_freqs.weight"])
        self.check_differences(result["tensors"][0])
        self.check_differences(result["total"])
        written = output.read_bytes()
        self.assertEqual(from_floats(self.model.data_of("rope_freqs.weight", written)), [as_bf16(x) for x in from_floats(self.raw)])
        self.check_differences(one_tensor(self.run_json("compare", self.input, output), "rope_freqs.weight"))

    def test_what_a_person_reads(self):
        result = self.run_ok("quantize", self.input, self.path("out.gguf"), "--tensors", "rope_freqs", "--format", "bf16:rtz")
        for figure in ("bf16:rtz", "0.041731", "0.0017386", "0.004317"):
            self.assertIn(figure, result.stdout)

    def test_epsilon_is_part_of_the_relative_error(self):
        result = self.run_json("quantize", self.input, self.path("out.gguf"), "--tensors", "rope_freqs", "--format", "bf16:rtz",
                               "--epsilon", "0.5")
        wanted = max(abs(x - as_bf16(x)) / (abs(x) + 0.5) for x in from_floats(self.raw))
        self.assertAlmostEqual(result["tensors"][0]["max_rel"], wanted, delta=1e-12)


class NormThatIsBf16InFact(ProgramTest):
    def setUp(self):
        super().setUp()
        values = [as_bf16(x) for x in gauss(256, 3, 0.1, 1.0)]
        other = gauss(256, 4)
        self.input = self.write("in.gguf", Gguf([("blk.0.ffn_norm.weight", "F32", (256,), floats(values)),
                                                 ("blk.0.ffn_up.weight", "F32", (64, 4), floats(other))],
                                                {"general.architecture": "llama"}, trailing=b"behind"))

    def test_inspect_says_so(self):
        tensor = one_tensor(self.run_json("inspect", self.input), "blk.0.ffn_norm.weight")
        self.assertEqual(tensor["effective_precision"], "bf16")
        self.assertEqual(tensor["low16_zero_fraction"], 1.0)
        text = self.run_ok("inspect", self.input).stdout
        self.assertIn("1 tensor is F32 in name and bf16 in fact: blk.0.ffn_norm.weight", text)

    def test_nothing_changes_and_the_program_says_why(self):
        output = self.path("out.gguf")
        text = self.run_ok("quantize", self.input, output, "--tensors", "ffn_norm", "--format", "bf16:rtz").stdout
        self.assert_same_file(self.input, output)
        self.assertIn("Unchanged: blk.0.ffn_norm.weight: F32 in name and bf16 in fact", text)
        self.assertIn("bf16:rtz holds every value exactly", text)
        self.assertIn("equal to the input byte for byte", text)

    def test_the_difference_is_exactly_zero(self):
        for form in ("bf16", "bf16:rtz", "bf16:rna", "f32"):
            with self.subTest(form):
                output = self.path(form.replace(":", "-"))
                tensor = self.run_json("quantize", self.input, output, "--tensors", "ffn_norm", "--format", form)["tensors"][0]
                for key in ("changed_count", "max_abs", "mean_abs", "max_rel", "mean_rel", "rmse", "store_max_abs"):
                    self.assertEqual(tensor[key], 0, key)
                self.assertIsNone(tensor["snr_db"])
                self.assertEqual(tensor["cosine"], 1)
                self.assert_same_file(self.input, output)

    def test_a_tensor_that_changes_is_not_called_unchanged(self):
        text = self.run_ok("quantize", self.input, self.path("out.gguf"), "--tensors", "ffn_up", "--format", "bf16:rtz").stdout
        self.assertNotIn("nchanged", text)
        self.assertNotIn("byte for byte", text)


class EffectivePrecision(ProgramTest):
    """The first of the list that holds every value exactly: two values that the format before it cannot hold."""

    CASES = {
        "e2m1": [0.5, 6.0], "e2m3": [0.125, 7.5], "e3m2": [0.0625, 28.0], "e4m3": [2.0 ** -9, 448.0],
        "e5m2": [2.0 ** -16, 57344.0], "bf16": [1 + 2.0 ** -7, 1e38 - 1e38 % 2.0 ** 120], "f16": [3 + 2.0 ** -9, 1.0],
        "bf16+1": [1 + 2.0 ** -9, 1 + 2.0 ** -14], "tf32": [3 + 2.0 ** -9, 2.0 ** 40],
        "f32": [3 + 2.0 ** -22, 2.0 ** 40],
        "constant": [0.3, 0.3],
    }

    def test_each(self):
        tensors = [(f"{name}.weight", "F32", (2,), floats(values)) for name, values in self.CASES.items()]
        found = self.run_json("inspect", self.write("in.gguf", Gguf(tensors)))["tensors"]
        self.assertEqual({t["name"]: t["effective_precision"] for t in found}, {f"{name}.weight": name for name in self.CASES})


class Stories260K(ProgramTest):
    def setUp(self):
        super().setUp()
        if not STORIES.exists():
            self.skipTest(f"{STORIES} is not there: the shared test data is optional")

    def test_every_norm_truncated_to_bf16(self):
        result = self.run_json("quantize", STORIES, self.path("out.gguf"), "--tensors", "norm", "--format", "bf16:rtz")
        self.assertEqual(len(result["tensors"]), 11)
        for tensor in result["tensors"]:
            self.assertGreater(tensor["max_rel"], 0.005, tensor["name"])
            self.assertLess(tensor["max_rel"], 0.008, tensor["name"])
        self.assertAlmostEqual(one_tensor(result, "blk.0.ffn_norm.weight")["max_rel"], 0.006877, delta=0.5e-06)
        self.assertAlmostEqual(one_tensor(result, "output_norm.weight")["max_rel"], 0.007249, delta=0.5e-06)
        self.assertEqual(result["total"]["max_rel"], max(t["max_rel"] for t in result["tensors"]))


class FiniteAndOtherwise(ProgramTest):
    """New non-finite values are counted and named; NaN and Inf that were there are not new."""

    def test_overflow_is_counted_and_warned_of(self):
        model = self.write("in.gguf", Gguf([("a.weight", "F32", (4,), floats([1e6, -1e6, 1.0, math.inf]))]))
        result = self.run_ok("quantize", model, self.path("out.gguf"), "--tensors", "a.weight", "--format", "f16")
        self.assertIn("2 finite values became NaN or Inf", result.stderr)
        tensor = self.run_json("quantize", model, self.path("out2.gguf"), "--tensors", "a.weight", "--format", "f16")["tensors"][0]
        self.assertEqual(tensor["new_nonfinite"], 2)

    def test_saturation_of_infinity_is_counted_and_warned_of(self):
        model = self.write("in.gguf", Gguf([("a.weight", "F32", (2,), floats([math.inf, 1.0]))]))
        result = self.run_ok("quantize", model, self.path("out.gguf"), "--tensors", "a.weight", "--format", "f16:sat")
        self.assertIn("1 infinite values became finite", result.stderr)
        tensor = self.run_json("inspect", self.path("out.gguf"))["tensors"][0]
        self.assertEqual((tensor["max"], tensor["inf_count"]), (65504.0, 0))

    def test_counts_of_inspect(self):
        values = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-40, 70000.0, as_f32(6e-5), 1.0]
        model = self.write("in.gguf", Gguf([("a.weight", "F32", (9,), floats(values))]))
        tensor = self.run_json("inspect", model)["tensors"][0]
        self.assertEqual((tensor["nan_count"], tensor["inf_count"], tensor["zero_count"], tensor["subnormal_count"]), (1, 2, 2, 1))
        self.assertEqual((tensor["beyond_f16_count"], tensor["min"], tensor["max"]), (1, 0.0, 70000.0))


if __name__ == "__main__":
    main()
