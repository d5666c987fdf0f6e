"""The JSON of every command: its stable keys, and that its numbers are those of other programs: issue 2, section 4."""

import json
import math

from support import DEMO, Gguf, ProgramTest, bf16s, floats, gauss, gguf_py, halves, main, small_model

INSPECT_KEYS = {"schema_version", "file", "architecture", "tensors", "types"}
INSPECT_TENSOR_KEYS = {"name", "type", "shape", "count", "bytes", "effective_precision", "low16_zero_fraction", "distinct_count", "min",
                       "max", "mean", "std", "nan_count", "inf_count"}
DIFFERENCE_KEYS = {"changed_count", "max_abs", "mean_abs", "max_rel", "mean_rel", "rmse", "snr_db", "cosine", "new_nonfinite",
                   "store_max_abs"}
TENSOR_KEYS = DIFFERENCE_KEYS | {"name", "format", "rule", "type_before", "type_after"}


class StableKeys(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = small_model()
        self.input = self.write("in.gguf", self.model)
        self.output = self.path("out.gguf")

    def test_inspect(self):
        result = self.run_json("inspect", self.input)
        self.assertLessEqual(INSPECT_KEYS, set(result))
        self.assertEqual((result["schema_version"], result["file"], result["architecture"]), (1, str(self.input), "llama"))
        for tensor in result["tensors"]:
            self.assertLessEqual(INSPECT_TENSOR_KEYS, set(tensor), tensor["name"])
        by_type = {"F16": [t for t in result["tensors"] if t["type"] == "F16"], "F32": [t for t in result["tensors"] if t["type"] == "F32"]}
        self.assertEqual(result["types"], {name: {"tensors": len(tensors), "bytes": sum(t["bytes"] for t in tensors)}
                                           for name, tensors in by_type.items()})
        self.assertEqual(result["file_bytes"], len(self.model.bytes))
        self.assertEqual(result["bits_per_weight"],
                         8 * sum(t["bytes"] for t in result["tensors"]) / sum(t["count"] for t in result["tensors"]))

    def test_inspect_of_a_selection_still_tells_of_the_whole_file(self):
        whole = self.run_json("inspect", self.input)
        part = self.run_json("inspect", self.input, "--tensors", "ffn_norm", "--layers", "1")
        self.assertEqual([t["name"] for t in part["tensors"]], ["blk.1.ffn_norm.weight"])
        self.assertEqual(part["types"], whole["types"])
        self.assertEqual(part["tensors"][0], next(t for t in whole["tensors"] if t["name"] == "blk.1.ffn_norm.weight"))

    def test_quantize(self):
        result = self.run_json("quantize", self.input, self.output, "--tensors", "norm", "--format", "BF16:RTZ")
        self.assertEqual(result["schema_version"], 1)
        self.assertEqual(len(result["tensors"]), 5)
        for tensor in result["tensors"]:
            self.assertLessEqual(TENSOR_KEYS, set(tensor))
            self.assertEqual((tensor["format"], tensor["rule"], tensor["type_before"], tensor["type_after"]),
                             ("bf16:rtz", "command line", "F32", "F32"))
        self.assertLessEqual(DIFFERENCE_KEYS, set(result["total"]))
        self.check_total(result)

    def check_total(self, result):
        tensors, total = result["tensors"], result["total"]
        count = sum(t["count"] for t in tensors)
        self.assertEqual(total["count"], count)
        for key in ("changed_count", "new_nonfinite"):
            self.assertEqual(total[key], sum(t[key] for t in tensors))
        for key in ("max_abs", "max_rel"):
            self.assertEqual(total[key], max(t[key] for t in tensors))
        for key in ("mean_abs", "mean_rel"):
            self.assertAlmostEqual(total[key], sum(t[key] * t["count"] for t in tensors) / count, delta=1e-12)
        self.assertAlmostEqual(total["rmse"], math.sqrt(sum(t["rmse"] ** 2 * t["count"] for t in tensors) / count), delta=1e-12)

    def test_compare(self):
        self.run_ok("quantize", self.input, self.output, "--tensors", "matrices", "--format", "int4:group=32")
        result = self.run_json("compare", self.input, self.output)
        self.assertLessEqual({"schema_version", "tensors", "total", "only_in_a", "only_in_b", "metadata"}, set(result))
        self.assertEqual(len(result["tensors"]), len(self.model.place))
        for tensor in result["tensors"]:
            self.assertLessEqual(TENSOR_KEYS, set(tensor))
            for key in ("histogram_before", "histogram_after"):
                self.assertEqual(sum(count for _, _, count in tensor[key]), tensor["count"], key)
        self.check_total(result)

    def test_compare_agrees_with_quantize(self):
        for form in ("int4:group=32", "bf16:rtz", "q4_0", "tf32", "int8:tensor:asym"):
            with self.subTest(form):
                said = self.run_json("quantize", self.input, self.output, "--tensors", "all", "--format", form, "--skip-unfit", "--force")
                found = {t["name"]: t for t in self.run_json("compare", self.input, self.output)["tensors"]}
                for tensor in said["tensors"]:
                    for key in DIFFERENCE_KEYS - {"store_max_abs"}:
                        self.assertEqual(found[tensor["name"]][key], tensor[key], f"{tensor['name']} {key}")

    def test_dry_run_has_the_plan_alone(self):
        result = self.run_json("quantize", self.input, self.output, "--tensors", "ffn_up", "--format", "q4_0", "--dry-run")
        self.assertEqual((result["dry_run"], result["tensors"][0]["bits_per_weight"]), (True, 4.5))
        self.assertEqual(result["plan"]["chosen_bits_per_weight"], 4.5)
        self.assertEqual(result["plan"]["bytes_after"], len(self.model.bytes))
        self.assertFalse(self.output.exists())

    def test_formats(self):
        formats = self.run_json("formats")["formats"]
        self.assertEqual(len({f["name"] for f in formats}), len(formats))
        for entry in formats:
            self.assertLessEqual({"name", "full_name", "family", "summary", "parameters"}, set(entry))
            one = self.run_json("formats", entry["name"])["formats"]
            self.assertEqual(one, [entry])

    def test_standard_output_is_pure_json_and_a_file_holds_the_same(self):
        for command in (("inspect", self.input, "--metadata", "--grids"), ("formats",), ("compare", self.input, "demo"),
                        ("quantize", self.input, self.output, "--tensors", "norm", "--format", "bf16", "--force")):
            with self.subTest(command[0]):
                printed = self.run_ok(*command, "--json", "-")
                file = self.path("result.json")
                shown = self.run_ok(*command, "--json", file)
                self.assertEqual(json.loads(file.read_text()), json.loads(printed.stdout))
                self.assertEqual(file.read_text(), printed.stdout)
                self.assertGreater(len(shown.stdout), 50)
                self.assertEqual(self.run_ok(*command, "--json", file, "--quiet").stdout, "")
        self.assertFalse([p for p in self.folder.iterdir() if p.name.startswith(".")])

    def test_warnings_do_not_go_to_standard_output(self):
        result = self.run_ok("quantize", self.input, self.output, "--tensors", "matrices", "--format", "int4:group=32", "--json", "-")
        json.loads(result.stdout)
        self.assertIn("warning", result.stderr)

    def test_what_json_has_no_number_for_is_null(self):
        path = self.write("nan.gguf", Gguf([("a.weight", "F32", (2,), floats([math.nan, math.nan]))]))
        tensor = self.run_json("inspect", path)["tensors"][0]
        self.assertEqual((tensor["min"], tensor["max"], tensor["mean"], tensor["std"], tensor["nan_count"]), (None, None, None, None, 2))
        self.assertEqual(tensor["effective_precision"] in ("constant", "e5m2", "bf16", "e4m3"), True)


class OddComparisons(ProgramTest):
    def test_tensors_in_one_file_only_shapes_and_types_that_differ(self):
        values = gauss(64, 5)
        a = self.write("a.gguf", Gguf([("same.weight", "F32", (64,), floats(values)), ("shape.weight", "F32", (64,), floats(values)),
                                       ("type.weight", "F32", (64,), floats([1.0, 2.0] * 32)), ("a.weight", "F32", (1,), floats([1]))],
                                      {"general.architecture": "llama", "x.number": 1, "x.gone": "old"}))
        b = self.write("b.gguf", Gguf([("type.weight", "F16", (64,), halves([1.0, 2.0] * 32)), ("b.weight", "F32", (1,), floats([1])),
                                       ("shape.weight", "F32", (32, 2), floats(values)), ("same.weight", "F32", (64,), floats(values))],
                                      {"general.architecture": "llama", "x.number": ("u64", 1), "x.new": True}))
        result = self.run_json("compare", a, b)
        self.assertEqual((result["only_in_a"], result["only_in_b"]), (["a.weight"], ["b.weight"]))
        tensors = {t["name"]: t for t in result["tensors"]}
        self.assertEqual(set(tensors), {"same.weight", "shape.weight", "type.weight"})
        self.assertIsNotNone(tensors["shape.weight"]["incomparable"])
        self.assertEqual((tensors["type.weight"]["type_before"], tensors["type.weight"]["type_after"],
                          tensors["type.weight"]["changed_count"]), ("F32", "F16", 0))
        keys = {d["key"]: d for d in result["metadata"]}
        self.assertLessEqual({"x.gone", "x.new", "x.number"}, set(keys))
        self.assertIsNone(keys["x.new"]["a"])
        self.assertIsNone(keys["x.gone"]["b"])
        text = self.run_ok("compare", a, b).stdout
        for word in ("tensor only in A: a.weight", "tensor only in B: b.weight", "shape.weight", "x.gone", "F32 / F16"):
            self.assertIn(word, text)

    def test_distribution_shift(self):
        values = [float(i) for i in range(256)]
        a = self.write("a.gguf", Gguf([("t.weight", "F32", (256,), floats(values))]))
        moved = self.write("b.gguf", Gguf([("t.weight", "F32", (256,), floats([v + 3 for v in values]))]))
        shuffled = self.write("c.gguf", Gguf([("t.weight", "F32", (256,), floats(values[::-1]))]))
        self.assertAlmostEqual(self.run_json("compare", a, moved)["tensors"][0]["wasserstein1"], 3.0, delta=1e-9)
        tensor = self.run_json("compare", a, shuffled)["tensors"][0]
        self.assertEqual((tensor["wasserstein1"], tensor["histogram_kl_nats"]), (0, 0))
        self.assertGreater(tensor["max_abs"], 200)


class AgreementWithGgufPy(ProgramTest):
    def setUp(self):
        super().setUp()
        self.gguf = gguf_py()

    def check(self, path):
        import numpy  # pylint: disable=import-outside-toplevel
        result = self.run_json("inspect", path)
        theirs = self.gguf.GGUFReader(path)
        self.assertEqual([t["name"] for t in result["tensors"]], [t.name for t in theirs.tensors])
        for ours, other in zip(result["tensors"], theirs.tensors):
            self.assertEqual((ours["type"], ours["shape"], ours["bytes"], ours["count"], ours["offset"]),
                             (other.tensor_type.name, other.shape.tolist(), other.n_bytes, other.n_elements, other.data_offset))
            self.check_values(numpy, ours, self.gguf.quants.dequantize(other.data, other.tensor_type).reshape(-1))

    def check_values(self, numpy, ours, raw):
        values = raw.astype(numpy.float32).astype(numpy.float64)
        self.assertEqual((ours["min"], ours["max"]), (values.min(), values.max()))
        self.assertEqual((ours["zero_count"], ours["nan_count"], ours["inf_count"]), (int((values == 0).sum()), 0, 0))
        # Sums of n doubles in another order: a few units of n * 2^-53 of the sum of magnitudes.
        slack = 4 * len(values) * 2.0 ** -53
        mean, std = values.mean(), values.std()
        self.assertAlmostEqual(ours["mean"], mean, delta=slack * numpy.abs(values).mean())
        self.assertAlmostEqual(ours["std"], std, delta=slack * math.sqrt((values ** 2).mean()))
        if std > 0:
            self.assertAlmostEqual(ours["kurtosis"], ((values - mean) ** 4).mean() / std ** 4, delta=1e-9 * ours["kurtosis"])
            self.assertAlmostEqual(ours["largest_outlier_std"], numpy.abs(values - mean).max() / std, delta=1e-9 * ours["kurtosis"])
        distinct = len(numpy.unique(values))
        self.assertEqual(ours["distinct_count"], distinct if distinct <= 65536 else None)

    def test_the_demo_model(self):
        self.check(DEMO)

    def test_every_type_we_write(self):
        values = gauss(70000 + 64, 9)[:70016]
        self.check(self.write("in.gguf", Gguf([
            ("a.weight", "F32", (70016,), floats(values)), ("b.weight", "F16", (64, 2, 3), halves(gauss(384, 1))),
            ("c.weight", "BF16", (64, 6), bf16s(gauss(384, 2))),
            ("d.weight", "Q8_0", (64, 1), (b"\x01\x1e" + bytes(range(32))) * 2), ("e.weight", "Q4_0", (32,), b"\x01\x1e" + bytes(range(16))),
            ("f.weight", "F32", (1,), floats([3.0]))], {"general.architecture": "llama"}, alignment=64)))


class GridsOfInspect(ProgramTest):
    """--grids: an upcast matrix is recognised as what it was."""

    def test_matrices_that_were_rounded_before(self):
        values = gauss(256 * 8, 12)
        source = self.write("in.gguf", Gguf([("a.weight", "F32", (256, 8), floats(values))]))
        for form in ("q4_0", "q8_0", "int8:row", "int4:group=32", "q4_0"):
            with self.subTest(form):
                self.run_ok("quantize", source, self.path("out.gguf"), "--tensors", "all", "--format", form, "--force")
                tensor = self.run_json("inspect", self.path("out.gguf"), "--grids")["tensors"][0]
                found = " ".join(tensor["grids"])
                self.assertIn(form.split(":")[0], found)
                self.assertIn("exactly on", self.run_ok("inspect", self.path("out.gguf"), "--grids").stdout)
        self.assertEqual(self.run_json("inspect", source, "--grids")["tensors"][0]["grids"], [])
        self.assertEqual(self.run_json("inspect", self.path("out.gguf"))["tensors"][0]["grids"], [])

    def test_an_f16_matrix_that_is_an_upcast(self):
        source = self.write("in.gguf", Gguf([("a.weight", "Q4_0", (256, 8), b"".join(
            b"\x00\x1c" + bytes((i * 37 + j * 11) % 256 for j in range(15)) + b"\x0f" for i in range(64)))]))
        self.run_ok("quantize", source, self.path("f16.gguf"), "--tensors", "all", "--format", "f32", "--store", "f16")
        self.assertEqual(self.run_json("compare", source, self.path("f16.gguf"))["total"]["changed_count"], 0)
        tensor = self.run_json("inspect", self.path("f16.gguf"), "--grids")["tensors"][0]
        self.assertIn("q4_0", tensor["grids"])

    def test_formats_with_the_granularity_of_their_scales(self):
        for form, scales, bits in (
                ("e4m3", "no scale", 8), ("e4m3:row", "F32 scale per row", 8 + 32 / 512), ("e4m3:group=128", "F32 scale per 128", 8.25),
                ("mxfp4", "power-of-two scale per 32", 4.25), ("mxfp8_e4m3", "power-of-two scale per 32", 8.25),
                ("nvfp4", "E4M3 scale per 16 and F32 scale per tensor", 4.5 + 32 / (512 * 256)), ("nf4", "F32 scale per 64", 4.5),
                ("q8_0", "F16 scale per 32", 8.5)):
            with self.subTest(form):
                output = self.path("out.gguf")
                self.run_ok("quantize", "demo", output, "--tensors", "blk.0.ffn_down.weight", "--format", form, "--force", "-q")
                tensor = self.run_json("inspect", output, "--grids", "--tensors", "blk.0.ffn_down.weight")["tensors"][0]
                self.assertEqual(tensor["grids"], [d["format"] for d in tensor["grid_details"]])
                found = {d["format"]: d for d in tensor["grid_details"]}
                self.assertIn(form, found)
                self.assertEqual(found[form]["scales"], scales)
                self.assertAlmostEqual(found[form]["bits_per_weight"], bits, places=12)
                text = self.run_ok("inspect", output, "--grids", "--tensors", "blk.0.ffn_down.weight").stdout
                first = tensor["grid_details"][0]
                self.assertIn("F16 in name and ", text)
                if first["format"] == form:
                    self.assertIn(f"exactly on {form} ({scales})", text)
                    self.assertIn(f"{form} ({scales}) in fact", text)

    def test_what_narrowing_would_take(self):
        output = self.path("out.gguf")
        self.run_ok("quantize", "demo", output, "--tensors", "ffn_down", "--format", "q4_0", "--store", "f32", "-q")
        cheap = self.run_json("inspect", output)
        self.assertEqual({t["narrow_type"] for t in cheap["tensors"]}, {None})
        full = self.run_json("inspect", output, "--grids")
        self.assertEqual({t["narrow_type"] for t in full["tensors"] if ".ffn_down." in t["name"]}, {"Q4_0"})
        self.assertEqual({t["narrow_type"] for t in full["tensors"] if ".ffn_down." not in t["name"]}, {None})
        narrow = self.path("narrow.gguf")
        self.run_ok("quantize", output, narrow, "--tensors", "all", "--format", "f32", "--store", "narrow", "-q")
        saved = output.stat().st_size - narrow.stat().st_size
        self.assertLess(abs(saved - full["narrow_saves_bytes"]), 64 * len(full["tensors"]))  # but for padding
        self.assertEqual(self.run_json("compare", output, narrow)["total"]["changed_count"], 0)


if __name__ == "__main__":
    main()
