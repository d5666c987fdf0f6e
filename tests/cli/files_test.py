"""What quantize writes and what it refuses to: issue 2, section 3; design.md, "What the file stores"."""

import os
import pathlib

from support import (DEMO, Gguf, ProgramTest, as_bf16, bf16s, floats, from_floats, gauss, halves, main, run, sha256, small_model)

BF16_NORMS = ("--tensors", "norm", "--format", "bf16:rtz")


def differing_ranges_are_inside(before, after, ranges):
    """Whether every byte that differs lies in one of the (start, size) ranges, and each range has one that does."""
    if len(before) != len(after):
        return False
    touched = set()
    for index in (i for i, (a, b) in enumerate(zip(before, after)) if a != b):
        inside = [r for r in ranges if r[0] <= index < r[0] + r[1]]
        if not inside:
            return False
        touched.add(inside[0])
    return touched == set(ranges)


class BytesOutsideTheChosenTensors(ProgramTest):
    def check(self, model, *selection, names, output="out.gguf"):
        path = self.write("in.gguf", model)
        before = sha256(path)
        self.run_ok("quantize", path, self.path(output), *selection)
        written = self.path(output).read_bytes()
        self.assertTrue(differing_ranges_are_inside(model.bytes, written, [model.place[n] for n in names]))
        self.assertEqual(sha256(path), before)
        return written

    def test_version_3(self):
        self.check(small_model(), "--tensors", "ffn_norm", "--format", "bf16:rtz",
                   names=["blk.0.ffn_norm.weight", "blk.1.ffn_norm.weight"])

    def test_version_2(self):
        self.check(small_model(version=2), "--layers", "1", "--tensors", "norm", "--format", "bf16:rtz",
                   names=["blk.1.attn_norm.weight", "blk.1.ffn_norm.weight"])

    def test_other_alignments_and_bytes_behind_the_last_tensor(self):
        for alignment in (8, 64, 4096):
            with self.subTest(alignment):
                self.check(small_model(alignment=alignment, trailing=b"bytes that no tensor owns"), "--tensors", "output_norm",
                           "--format", "bf16", names=["output_norm.weight"], output=f"{alignment}.gguf")

    def test_padding_that_is_not_zero_is_kept(self):
        model = small_model(width=60)  # 240 bytes a norm: padding behind each
        data = bytearray(model.bytes)
        start, size = model.place["blk.0.attn_norm.weight"]
        data[start + size:start + size + 4] = b"\xde\xad\xbe\xef"
        model.bytes = bytes(data)
        self.check(model, *BF16_NORMS, names=[n for n in model.place if "norm" in n])

    def test_the_demo_model(self):
        output = self.path("out.gguf")
        before = sha256(DEMO)
        self.run_ok("quantize", "demo", output, "--tensors", "ffn_norm", "--layers", "0", "--format", "bf16:rtz")
        place = next(t for t in self.run_json("inspect", "demo")["tensors"] if t["name"] == "blk.0.ffn_norm.weight")
        original, written = DEMO.read_bytes(), output.read_bytes()
        start, end = place["offset"], place["offset"] + place["bytes"]
        self.assertTrue(original[:start] == written[:start] and original[end:] == written[end:])
        self.assertEqual(from_floats(written[start:end]), [as_bf16(x) for x in from_floats(original[start:end])])
        self.assertEqual(sha256(DEMO), before)

    def test_every_metadata_type_is_kept(self):
        numbers = {f"n.{kind}": (kind, 1) for kind in ("u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64")}
        model = small_model(metadata={
            **numbers, "f.f32": ("f32", float("nan")), "f.f64": ("f64", 0.1), "b.bool": True, "s.string": b"\xff not UTF-8 \x00",
            "a.strings": ("array", ("string", ["a", "", "\u00e9"])), "a.bools": ("array", ("bool", [True, False])),
            "a.empty": ("array", ("i16", [])), "a.nested": ("array", ("array", [("u8", [1, 2]), ("f64", [0.5])]))})
        result = run("inspect", self.write("probe.gguf", model), "-q")
        if result.returncode != 0:  # ggml refuses nested arrays, and so do we
            self.assertIn("array", result.stderr)
            model = small_model(metadata={
                **numbers, "f.f32": ("f32", float("nan")), "f.f64": ("f64", 0.1), "b.bool": True, "s.string": b"\xff not UTF-8 \x00",
                "a.strings": ("array", ("string", ["a", "", "\u00e9"])), "a.bools": ("array", ("bool", [True, False])),
                "a.empty": ("array", ("i16", []))})
        self.check(model, *BF16_NORMS, names=[n for n in model.place if "norm" in n])
        # With a type changed the header is a new one, but every pair stands in it as it was.
        self.run_ok("quantize", self.path("in.gguf"), self.path("wide.gguf"), *BF16_NORMS, "--store", "bf16", "-q")
        comparison = self.run_json("compare", self.path("in.gguf"), self.path("wide.gguf"))
        self.assertEqual(comparison["metadata"], [])
        pairs_end = model.bytes.index(b"token_embd.weight") - 8
        self.assertEqual(self.path("wide.gguf").read_bytes()[:pairs_end], model.bytes[:pairs_end])

    def test_a_format_that_leaves_everything(self):
        for form in ("f32", "bf16:rtz"):
            model = small_model(norm_type="BF16")
            path = self.write("in.gguf", model)
            text = self.run_ok("quantize", path, self.path("out.gguf"), "--tensors", "norm", "--format", form, "--force").stdout
            self.assert_same_file(path, self.path("out.gguf"))
            self.assertIn("equal to the input byte for byte", text)


class OldAndOddFiles(ProgramTest):
    def test_big_endian_is_refused_by_name(self):
        big = b"GGUF" + (3).to_bytes(4, "big") + (0).to_bytes(16, "big")
        self.assert_refused("inspect", self.write("big.gguf", big), says=("big.gguf", "big-endian"))

    def test_what_is_no_gguf(self):
        for name, data in (("empty", b""), ("text", b"hello, world"), ("v1", b"GGUF" + (1).to_bytes(4, "little") + bytes(16)),
                           ("v4", b"GGUF" + (4).to_bytes(4, "little") + bytes(16))):
            with self.subTest(name):
                self.assert_refused("inspect", self.write(name, data), says=name)
        self.assert_refused("inspect", self.path("absent.gguf"), says=("absent.gguf", "No such file"))
        self.assert_refused("inspect", self.folder, says="folder")
        os.mkfifo(self.path("pipe"))
        self.assert_refused("inspect", self.path("pipe"), says="pipe", timeout=10)

    def test_truncated_data_is_refused(self):
        model = small_model()
        for size in (len(model.bytes) - 32, model.header_size + 10, model.header_size, model.header_size // 2, 23, 4):
            with self.subTest(size):
                path = self.write("cut.gguf", model.bytes[:size])
                self.assert_refused("inspect", path, says="cut.gguf")
                self.assert_refused("quantize", path, self.path("out.gguf"), *BF16_NORMS, says="cut.gguf")
                self.assert_refused("compare", path, "demo", says="cut.gguf")
        self.assert_only("cut.gguf")

    def test_an_error_names_place_and_what_was_wanted(self):
        model = small_model()
        data = bytearray(model.bytes)
        at = data.index(b"blk.0.attn_norm.weight") + len("blk.0.attn_norm.weight") + 4 + 8
        data[at:at + 4] = (99).to_bytes(4, "little")
        self.assert_refused("inspect", self.write("in.gguf", bytes(data)), says=("in.gguf", "at byte", "blk.0.attn_norm.weight", "99"))

    def test_no_tensors(self):
        path = self.write("in.gguf", Gguf([], {"general.architecture": "llama"}))
        self.assertEqual(self.run_json("inspect", path)["tensors"], [])
        self.assertEqual(self.run_json("compare", path, path)["tensors"], [])
        self.assertNotEqual(run("quantize", path, self.path("out.gguf"), *BF16_NORMS).returncode, 0)

    def test_a_tensor_without_values(self):
        path = self.write("in.gguf", Gguf([("a.weight", "F32", (0, 4), b""), ("b.weight", "F32", (4,), floats([1, 2, 3, 4]))]))
        result = run("inspect", path)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        if result.returncode == 0:
            self.run_ok("quantize", path, self.path("out.gguf"), "--tensors", "all", "--format", "int4:group=32", "--skip-unfit")

    def test_names_that_are_not_printable(self):
        name = "a\x1b[31m\nb.weight"
        path = self.write("in.gguf", Gguf([(name, "F32", (4,), floats([1, 2, 3, 0.1]))], {"general.architecture": "x\x1b[2J"}))
        for text in (self.run_ok("inspect", path, "--metadata").stdout,
                     self.run_ok("quantize", path, self.path("out.gguf"), "--tensors", "all", "--format", "bf16").stdout):
            self.assertNotIn("\x1b", text)
        self.assertEqual(self.run_json("inspect", path)["tensors"][0]["name"], name)

    def test_types_internal_to_ggml_are_listed_and_refused(self):
        path = self.write("in.gguf", Gguf([("a.weight", "Q8_1", (32,), bytes(36))]))
        tensor = self.run_json("inspect", path)["tensors"][0]
        self.assertEqual((tensor["type"], tensor["effective_precision"]), ("Q8_1", "q8_1"))
        self.assert_refused("quantize", path, self.path("out.gguf"), "--tensors", "all", "--format", "bf16", says=("a.weight", "Q8_1"))
        self.run_ok("compare", path, path)


class SplitModels(ProgramTest):
    def setUp(self):
        super().setUp()
        whole = small_model(layers=3)
        self.names = list(whole.place)
        groups = [self.names[:5], self.names[5:12], self.names[12:]]
        self.whole = self.write("whole.gguf", whole)
        self.parts = []
        for number, group in enumerate(groups):
            tensors = []
            for name in group:
                matrix = "norm" not in name
                shape = (64,) if not matrix else (64, 8) if name.startswith("token") else (64, 4)
                tensors.append((name, "F16" if matrix else "F32", shape, whole.data_of(name)))
            metadata = {"general.architecture": "llama"} if number == 0 else {}
            metadata.update({"split.no": ("u16", number), "split.count": ("u16", 3), "split.tensors.count": ("i32", len(self.names))})
            self.parts.append(self.write(f"in-{number + 1:05}-of-00003.gguf", Gguf(tensors, metadata)))

    def test_any_part_stands_for_the_model(self):
        for part in self.parts:
            result = self.run_json("inspect", part)
            self.assertEqual([t["name"] for t in result["tensors"]], self.names)
            self.assertEqual(result["file_bytes"], sum(p.stat().st_size for p in self.parts))
            self.assertEqual(result["architecture"], "llama")
        self.assertEqual(self.run_json("compare", self.whole, self.parts[2])["total"]["changed_count"], 0)

    def test_splits_stay_splits(self):
        single = self.path("single.gguf")
        self.run_ok("quantize", self.whole, single, *BF16_NORMS)
        for number, part in enumerate(self.parts):
            with self.subTest(part=number + 1):
                result = self.run_json("quantize", part, self.path(f"out{number}.gguf"), *BF16_NORMS)
                outputs = [self.path(f"out{number}-{i:05}-of-00003.gguf") for i in (1, 2, 3)]
                self.assertEqual([pathlib.Path(p) for p in result["outputs"]], outputs)
                for before, after in zip(self.parts, outputs):
                    self.assertEqual(before.stat().st_size, after.stat().st_size)
                    self.assertEqual(before.read_bytes()[:100], after.read_bytes()[:100])
                self.assertEqual(self.run_json("compare", single, outputs[1])["total"]["changed_count"], 0)
        self.assertFalse(any(name.startswith(".") for name in os.listdir(self.folder)))

    def test_json_onto_any_part_is_refused(self):
        before = [part.read_bytes() for part in self.parts]
        for part in self.parts:
            self.assertEqual(run("inspect", self.parts[0], "--json", part).returncode, 1)
            self.assertEqual(run("compare", self.parts[0], self.parts[0], "--json", part).returncode, 1)
        self.assertEqual([part.read_bytes() for part in self.parts], before)

    def test_an_output_may_be_named_as_a_part(self):
        self.run_ok("quantize", self.parts[0], self.path("o-00002-of-00003.gguf"), *BF16_NORMS)
        self.assertTrue(self.path("o-00001-of-00003.gguf").exists())
        self.assert_refused("quantize", self.parts[0], self.path("o-00001-of-00002.gguf"), *BF16_NORMS, says="00003")

    def test_a_part_that_is_missing_or_in_the_way(self):
        self.write("taken-00002-of-00003.gguf", b"mine")
        self.assert_refused("quantize", self.parts[0], self.path("taken.gguf"), *BF16_NORMS, says="taken-00002-of-00003.gguf")
        self.assertEqual(self.path("taken-00002-of-00003.gguf").read_bytes(), b"mine")
        self.assertFalse(self.path("taken-00001-of-00003.gguf").exists())
        self.assert_refused("quantize", self.parts[0], self.path("in.gguf"), *BF16_NORMS, "--force", says="same file as the input")
        self.parts[1].unlink()
        self.assert_refused("inspect", self.parts[0], says=("in-00002-of-00003.gguf", "part 2 of 3"))

    def test_a_part_of_another_model_is_refused(self):
        self.write("in-00002-of-00003.gguf", self.parts[2].read_bytes())
        self.assert_refused("inspect", self.parts[0], says="split.no")

    def test_types_change_in_parts(self):
        self.run_ok("quantize", self.parts[1], self.path("wide.gguf"), "--tensors", "matrices", "--format", "f32", "--store", "f32")
        result = self.run_json("compare", self.parts[0], self.path("wide-00003-of-00003.gguf"))
        self.assertEqual((result["total"]["changed_count"], result["metadata"]), (0, []))
        self.assertEqual({t["type_after"] for t in result["tensors"]}, {"F32"})

    def test_a_stamp_goes_into_every_part(self):
        self.run_ok("quantize", self.parts[1], self.path("s.gguf"), *BF16_NORMS, "--stamp")
        for number in (1, 2, 3):
            self.assertTrue(b"fakequant.version" in self.path(f"s-{number:05}-of-00003.gguf").read_bytes())


class Storage(ProgramTest):
    """--store: what the file holds for the chosen tensors."""

    def setUp(self):
        super().setUp()
        self.input = self.write("in.gguf", Gguf([
            ("half.weight", "F16", (64, 2), halves(gauss(128, 1))), ("brain.weight", "BF16", (64, 2), bf16s(gauss(128, 2))),
            ("full.weight", "F32", (64, 2), floats(gauss(128, 3))), ("norm.weight", "F32", (64,), floats([1.0] * 63 + [2.0])),
            ("short.weight", "F32", (64, 2), floats([i * 0.25 for i in range(128)])),
            ("wide.weight", "F32", (64, 2), floats([2.0 ** i for i in range(64)] * 2)),
            # Codes of scales that need every bit of theirs; the second is beyond F16.
            ("q8.weight", "Q8_0", (64, 2), (b"\x01\x1e" + bytes([127, *range(1, 32)])) * 4),
            ("huge_q8.weight", "Q8_0", (64, 2), (b"\x01\x7a" + bytes([127, *range(1, 32)])) * 4)],
            {"general.architecture": "llama"}))

    def store(self, tensors, form, store, *options, output="out.gguf"):
        result = self.run_json("quantize", self.input, self.path(output), "--tensors", tensors, "--format", form, "--store", store,
                               "--force", *options)
        return {t["name"]: t for t in result["tensors"]}

    def check_file(self, wanted):
        """The types in the file, and that compare finds the very differences that quantize reported."""
        found = {t["name"]: t["type"] for t in self.run_json("inspect", self.path("out.gguf"))["tensors"]}
        self.assertEqual({name: found[name] for name in wanted}, wanted)

    def test_keep_measures_what_storing_adds(self):
        result = self.run_ok("quantize", self.input, self.path("out.gguf"), "--tensors", "half.weight", "--format", "int4:group=32")
        self.assertIn("storing changed", result.stderr)
        self.assertIn("--store auto", result.stderr)
        tensor = self.store("half.weight", "int4:group=32", "keep")["half.weight"]
        self.assertEqual((tensor["type_before"], tensor["type_after"]), ("F16", "F16"))
        self.assertGreater(tensor["store_max_abs"], 0)
        exact = self.store("half.weight", "int4:group=32", "f32", output="exact.gguf")["half.weight"]
        self.assertEqual(exact["store_max_abs"], 0)
        # store_max_abs is the largest difference between the two files.
        between = self.run_json("compare", self.path("exact.gguf"), self.path("out.gguf"))["tensors"][0]
        self.assertEqual(between["max_abs"], tensor["store_max_abs"])
        # Differences are of what the file holds.
        held = self.run_json("compare", self.input, self.path("out.gguf"))["tensors"][0]
        for key in ("changed_count", "max_abs", "mean_abs", "max_rel", "mean_rel", "rmse", "snr_db", "cosine"):
            self.assertEqual(held[key], tensor[key], key)

    def test_auto_widens_just_what_needs_it(self):
        text = ("half.weight,brain.weight,full.weight,norm.weight,q8.weight", "int4:group=32", "auto")
        tensors = self.store(*text)
        self.assertEqual({n: t["type_after"] for n, t in tensors.items()},
                         {"half.weight": "F32", "brain.weight": "F32", "full.weight": "F32", "norm.weight": "F32", "q8.weight": "F32"})
        self.assertEqual({t["store_max_abs"] for t in tensors.values()}, {0})
        tensors = self.store("half.weight,brain.weight,full.weight", "bf16", "auto")
        self.assertEqual({n: t["type_after"] for n, t in tensors.items()},
                         {"half.weight": "F16", "brain.weight": "BF16", "full.weight": "F32"})
        self.check_file({"q8.weight": "Q8_0", "half.weight": "F16"})

    def test_auto_takes_the_smallest_exact_type(self):
        self.assertEqual(self.store("huge_q8.weight", "bf16", "auto")["huge_q8.weight"]["type_after"], "BF16")
        self.assertEqual(self.store("q8.weight", "bf16", "auto")["q8.weight"]["type_after"], "F16")
        self.assertEqual(self.store("q8.weight", "f16", "auto")["q8.weight"]["type_after"], "F16")
        self.assertEqual(self.store("q8.weight", "tf32", "auto")["q8.weight"]["type_after"], "F16")
        self.assertEqual(self.store("q8.weight", "q8_0", "auto")["q8.weight"]["type_after"], "Q8_0")  # nothing to change

    def test_narrow_stores_matrices_in_the_smallest_exact_type(self):
        tensors = self.store("all", "f32", "narrow")
        self.assertEqual({n: t["type_after"] for n, t in tensors.items()},
                         {"half.weight": "F16", "brain.weight": "BF16", "full.weight": "F32", "norm.weight": "F32",
                          "short.weight": "Q5_1", "wide.weight": "BF16", "q8.weight": "Q8_0", "huge_q8.weight": "Q8_0"})
        self.assertEqual({t["changed_count"] for t in tensors.values()}, {0})
        result = self.run_json("compare", self.input, self.path("out.gguf"))
        self.assertEqual((result["total"]["changed_count"], result["metadata"]), (0, []))

    def test_narrow_stores_a_ggml_format_as_the_codes_that_rounding_found(self):
        # A second search would find other codes for restored values: Q5_K's and Q3_K's does.
        for form in ("q5_k", "q3_k", "iq4_xs", "q8_0"):
            options = ("--tensors", "blk.0.ffn_up.weight,blk.0.attn_norm.weight", "--force")
            tensors = self.run_json("quantize", "demo", self.path("narrow.gguf"), "--format", form, "--store", "narrow", *options)["tensors"]
            self.assertEqual({t["name"]: t["type_after"] for t in tensors},
                             {"blk.0.ffn_up.weight": form.upper(), "blk.0.attn_norm.weight": "F32"}, form)
            self.assertEqual({t["store_max_abs"] for t in tensors}, {0})
            self.run_ok("quantize", "demo", self.path("wide.gguf"), "--format", form, "--store", "f32", *options)
            self.assertEqual(self.run_json("compare", self.path("wide.gguf"), self.path("narrow.gguf"))["total"]["changed_count"], 0)

    def test_what_had_to_be_widened_is_said(self):
        text = self.run_ok("quantize", "demo", self.path("out.gguf"), "--tensors", "blk.0.ffn_up.weight", "--format", "nf4", "--store", "narrow").stdout
        self.assertIn("1 tensor is stored in a wider type than before", text)
        self.assertIn("blk.0.ffn_up.weight", text)

    def test_a_change_of_zeros_sign_alone_is_called_one(self):
        options = ("--tensors", "blk.0.ffn_up.weight", "--force")
        self.run_ok("quantize", "demo", self.path("wide.gguf"), "--format", "mxfp4", "--store", "f32", *options)
        text = self.run_ok("quantize", self.path("wide.gguf"), self.path("narrow.gguf"), "--format", "f32", "--store", "narrow", *options).stdout
        self.assertIn("Unchanged: blk.0.ffn_up.weight: but for -0, which became 0, since MXFP4 has none.", text)
        text = self.run_ok("compare", self.path("wide.gguf"), self.path("narrow.gguf")).stdout
        self.assertIn("The values are the same in 56 of 57 tensors, but for the sign of zeros in 1 more; 1 is stored in another type.", text)

    def test_inspect_says_what_narrowing_would_save(self):
        result = self.run_json("inspect", self.input)
        self.assertEqual(result["narrow_saves_bytes"], 2 * 128 * 2)
        text = self.run_ok("inspect", self.input).stdout
        self.assertIn("2 matrices saves 512 B", text)
        self.assertIn("--store narrow", text)
        # With --grids quantized types count as well, and then it is just what the file saves.
        saves = self.run_json("inspect", self.input, "--grids")["narrow_saves_bytes"]
        self.assertGreater(saves, 512)
        self.run_ok("quantize", self.input, self.path("out.gguf"), "--tensors", "matrices", "--format", "f32", "--store", "narrow")
        self.assertEqual(self.input.stat().st_size - self.path("out.gguf").stat().st_size, saves)

    def test_forced_types(self):
        for store in ("f32", "f16", "bf16"):
            tensors = self.store("all,!*q8.weight", "f32", store)
            self.assertEqual({t["type_after"] for t in tensors.values()}, {store.upper()})
            self.check_file({"full.weight": store.upper(), "q8.weight": "Q8_0"})
            held = {t["name"]: t for t in self.run_json("compare", self.input, self.path("out.gguf"))["tensors"]}
            for name, tensor in tensors.items():
                self.assertEqual(held[name]["max_abs"], tensor["max_abs"])

    def test_one_dimension_in_another_type_is_warned_of(self):
        result = self.run_ok("quantize", self.input, self.path("out.gguf"), "--tensors", "norm.weight", "--format", "bf16",
                             "--store", "bf16")
        self.assertIn("1 tensor of one dimension will be stored in 16 bits (norm.weight)", result.stderr)

    def test_quantized_storage_that_cannot_hold_the_values(self):
        for form in ("int4:group=32", "bf16:rtz", "q4_0"):
            self.assert_refused("quantize", self.input, self.path("out.gguf"), "--tensors", "q8.weight", "--format", form,
                                says=("q8.weight", "Q8_0", "--store auto"))
        self.assert_only("in.gguf")

    def test_quantized_storage_that_can(self):
        result = self.store("q8.weight", "q8_0", "keep")
        self.assertEqual((result["q8.weight"]["changed_count"], result["q8.weight"]["type_after"]), (0, "Q8_0"))
        self.assert_same_file(self.input, self.path("out.gguf"))

    def test_padding_is_zero_when_the_layout_changed(self):
        self.store("full.weight", "f32", "f16")
        self.assertEqual(self.path("out.gguf").stat().st_size % 32, 0)

    def test_an_unknown_store(self):
        self.assert_usage("quantize", self.input, self.path("out.gguf"), "--tensors", "all", "--format", "f32", "--store", "narow",
                          says=("narow", "did you mean", "narrow"))


class Stamp(ProgramTest):
    def test_it_says_what_was_done(self):
        path = self.write("in.gguf", small_model())
        self.run_ok("quantize", path, self.path("out.gguf"), *BF16_NORMS, "--stamp")
        result = self.run_json("compare", path, self.path("out.gguf"))
        self.assertEqual({d["key"] for d in result["metadata"]}, {"fakequant.version", "fakequant.llama_cpp", "fakequant.tensors"})
        self.assertTrue(all(d["a"] is None for d in result["metadata"]))
        data = self.path("out.gguf").read_bytes()
        self.assertTrue(b"blk.1.ffn_norm.weight = bf16:rtz\n" in data)
        self.assertFalse(b"token_embd.weight = " in data)
        plain = self.path("plain.gguf")
        self.run_ok("quantize", path, plain, *BF16_NORMS)
        self.assertEqual(self.run_json("compare", plain, self.path("out.gguf"))["total"]["changed_count"], 0)
        self.assertFalse(b"fakequant." in plain.read_bytes())

    def test_a_second_stamp_replaces_the_first(self):
        path = self.write("in.gguf", small_model())
        self.run_ok("quantize", path, self.path("1.gguf"), *BF16_NORMS, "--stamp")
        self.run_ok("quantize", self.path("1.gguf"), self.path("2.gguf"), "--tensors", "ffn_up", "--format", "tf32", "--stamp")
        data = self.path("2.gguf").read_bytes()
        self.assertEqual(data.count(b"fakequant.tensors"), 1)
        self.assertTrue(b"blk.0.ffn_up.weight = tf32:rne\n" in data)


class RefusedOutputs(ProgramTest):
    def setUp(self):
        super().setUp()
        self.input = self.write("in.gguf", small_model())
        self.before = sha256(self.input)

    def tearDown(self):
        self.assertEqual(sha256(self.input), self.before)

    def refuse(self, output, *options, says):
        self.assert_refused("quantize", self.input, output, *BF16_NORMS, *options, says=says)

    def test_the_input_itself_under_any_name(self):
        self.path("link.gguf").symlink_to("in.gguf")
        self.path("link2.gguf").symlink_to("link.gguf")
        os.link(self.input, self.path("hard.gguf"))
        for output in ("in.gguf", "link.gguf", "link2.gguf", "hard.gguf", "./in.gguf", "../" + self.folder.name + "/in.gguf"):
            for options in ((), ("--force",)):
                with self.subTest(output=output, options=options):
                    self.refuse(f"{self.folder}/{output}", *options, says=(output.rsplit("/", 1)[-1], "same file as the input"))
        self.assert_only("in.gguf", "link.gguf", "link2.gguf", "hard.gguf")

    def test_an_existing_output_needs_force(self):
        output = self.write("out.gguf", b"precious")
        self.refuse(output, says=("out.gguf", "exists already", "--force"))
        self.assertEqual(output.read_bytes(), b"precious")
        self.run_ok("quantize", self.input, output, *BF16_NORMS, "--force")
        self.assertEqual(output.stat().st_size, self.input.stat().st_size)
        self.assert_only("in.gguf", "out.gguf")

    def test_a_link_to_another_file_is_followed(self):
        self.path("real").mkdir()
        self.path("real/out.gguf").write_bytes(b"old")
        self.path("out.gguf").symlink_to("real/out.gguf")
        self.run_ok("quantize", self.input, self.path("out.gguf"), *BF16_NORMS, "--force")
        self.assertTrue(self.path("out.gguf").is_symlink())
        self.assertGreater(self.path("real/out.gguf").stat().st_size, 100)
        self.path("lost.gguf").symlink_to("nowhere/out.gguf")
        self.refuse(self.path("lost.gguf"), says="symbolic link that leads nowhere")

    def test_folders_that_cannot_take_it(self):
        self.refuse(self.path("absent/out.gguf"), says=("absent", "No such file"))
        self.refuse(self.path("in.gguf/out.gguf"), says="in.gguf")
        self.path("folder").mkdir()
        self.refuse(self.path("folder"), "--force", says="is a folder")
        self.refuse("/dev/null", "--force", says="not a regular file")
        self.assertEqual(run("quantize", self.input, "", *BF16_NORMS).returncode, 2)
        self.assert_only("in.gguf", "folder")

    def test_a_folder_without_permission(self):
        locked = self.path("locked")
        locked.mkdir()
        locked.chmod(0o555)
        self.addCleanup(locked.chmod, 0o755)
        if os.geteuid() != 0:
            self.refuse(locked / "out.gguf", says=("locked", "Permission denied"))
            return
        # Root may write anywhere but for what the kernel itself guards, and as another user.
        self.refuse("/proc/out.gguf", says="/proc")
        self.folder.chmod(0o755)
        self.input.chmod(0o644)
        options = {"user": 65534, "group": 65534, "extra_groups": []}
        try:
            found = run("--version", **options)
        except PermissionError as error:
            self.skipTest(f"the program cannot be run as another user: {error}")
        if found.returncode != 0:
            self.skipTest("the program cannot be run as another user")
        self.assert_refused("quantize", self.input, locked / "out.gguf", *BF16_NORMS, says=("locked", "Permission denied"), **options)
        self.assertEqual(os.listdir(locked), [])

    def test_a_name_as_long_as_names_can_be(self):
        self.run_ok("quantize", self.input, self.path("a" * 255), *BF16_NORMS)
        self.refuse(self.path("a" * 256), says="name too long")

    def test_no_sync_writes_the_same(self):
        self.run_ok("quantize", self.input, self.path("a.gguf"), *BF16_NORMS)
        self.run_ok("quantize", self.input, self.path("b.gguf"), *BF16_NORMS, "--no-sync")
        self.assert_same_file(self.path("a.gguf"), self.path("b.gguf"))

    def test_json_onto_a_model(self):
        for target in ("in.gguf", "out.gguf"):
            self.assert_refused("quantize", self.input, self.path("out.gguf"), *BF16_NORMS, "--json", self.path(target), says=target)
        self.path("link.gguf").symlink_to("in.gguf")
        for command in (("inspect", self.input), ("compare", self.input, self.input)):
            for target in ("in.gguf", "link.gguf"):
                result = run(*command, "--json", self.path(target))
                self.assertEqual(result.returncode, 1, result.stdout)
        self.assert_refused("inspect", self.input, "--json", self.path("absent/x.json"), says="absent")
        self.assert_only("in.gguf", "link.gguf")

    def test_json_onto_the_output_by_another_spelling(self):
        for output, target in (("out.gguf", self.path("out.gguf")), (self.path("out.gguf"), "./out.gguf"),
                               ("x/../out.gguf", self.path("out.gguf"))):
            self.path("x").mkdir(exist_ok=True)
            result = run("quantize", self.input, output, *BF16_NORMS, "--json", target, cwd=self.folder)
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertFalse(self.path("out.gguf").exists())

    def test_an_output_onto_a_recipe_or_an_importance_matrix(self):
        recipe = self.write("recipe.toml", b'[[rule]]\ntensors = "norm"\nformat = "bf16"\n')
        matrix = self.write("imatrix.dat", b"anything")
        self.assert_refused("quantize", self.input, recipe, "--recipe", recipe, "--force", says="recipe.toml")
        self.assert_refused("quantize", self.input, matrix, *BF16_NORMS, "--imatrix", matrix, "--force", says="imatrix.dat")
        self.assertTrue(recipe.read_bytes().startswith(b"[[rule]]"))


if __name__ == "__main__":
    main()
