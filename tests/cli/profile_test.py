"""quantize --profile, --seed, and bits that were requested and achieved: issue 3."""

import json
import math
import struct

from support import (DEMO, Gguf, ProgramTest, floats, gauss, halves, main, run, small_model)

DIFFERENCES = ("rmse", "snr_db", "max_abs", "mean_abs", "cosine", "count", "changed_count", "new_nonfinite", "nonfinite_changes")


def mixed_model():
    """F32 matrices with rows of 256, 64 and 172 values in three roles, an F16 one and a norm."""
    tensors = []
    for layer in range(2):
        tensors += [(f"blk.{layer}.ffn_up.weight", "F32", (256, 5), floats(gauss(1280, layer, 0.02))),
                    (f"blk.{layer}.attn_q.weight", "F32", (64, 3), floats(gauss(192, 10 + layer, 0.5))),
                    (f"blk.{layer}.ffn_down.weight", "F16", (172, 4), halves(gauss(688, 20 + layer, 0.02))),
                    (f"blk.{layer}.ffn_norm.weight", "F32", (256,), floats(gauss(256, 30 + layer, 0.1, 1.0)))]
    return Gguf(tensors, {"general.architecture": "llama"})


def imatrix(entries):
    """The older form of llama-imatrix's files: name -> one value per column."""
    data = struct.pack("<i", len(entries))
    for name, values in entries.items():
        data += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 1, len(values)) + floats(values)
    return data


class Numbers(ProgramTest):
    def setUp(self):
        super().setUp()
        self.input = self.write("in.gguf", small_model(matrix_type="F32", width=256))

    def test_cells_and_totals_are_the_differences_that_quantize_prints(self):
        forms = ("bf16", "int8", "int4:group=32", "q4_k", "q8_0", "nvfp4", "mxfp4", "nf4", "e4m3:sr", "int5:tensor:asym", "e4m3:row")
        result = self.run_json("quantize", "--profile", self.input, "--format", ",".join(forms), "--seed", 3)
        self.assertEqual([r["role"] for r in result["roles"]], ["token_embd", "attn_q", "ffn_up", "ffn_down"])
        self.assertEqual(len(result["formats"]), len(forms))
        for form, found in zip(forms, result["formats"]):
            for cell in [*found["cells"], found["total"]]:
                role = cell.get("role", "matrices")
                with self.subTest(form=form, role=role):
                    done = self.run_json("quantize", self.input, self.path("o"), "--tensors", role, "--format", form, "--seed", 3, "--force")
                    self.assertEqual({k: cell[k] for k in DIFFERENCES}, {k: done["total"][k] for k in DIFFERENCES})
                    self.assertEqual(cell["bits_per_weight"], done["plan"]["chosen_bits_per_weight"])
                    self.assertEqual((cell["requested"], cell["achieved"]), (done["plan"]["requested"], done["plan"]["achieved"]))
                    self.assertEqual(cell["measured_tensors"], len(done["tensors"]))
            self.assertEqual(done["tensors"][0]["format"], found["name"])

    def test_a_row_of_the_table_by_hand(self):
        values = [1.0, -2.0, 0.5, 0.25]  # int2, one scale per row: codes -1, 0 and 1 times 2
        path = self.write("t.gguf", Gguf([("a.weight", "F32", (4, 1), floats(values))]))
        total = self.run_json("quantize", "--profile", path, "--tensors", "all", "--format", "int2")["formats"][0]["total"]
        errors = [1.0, 0.0, 0.5, 0.25]  # 1 / 2 lies between two codes: to the even one, 0
        squares = sum(e * e for e in errors)
        self.assertEqual((total["count"], total["changed_count"], total["max_abs"]), (4, 3, 1.0))
        self.assertAlmostEqual(total["rmse"], math.sqrt(squares / 4), delta=1e-15)
        self.assertAlmostEqual(total["snr_db"], 10 * math.log10(sum(v * v for v in values) / squares), delta=1e-12)
        self.assertEqual(total["measured"], {"bits": 4 * 2 + 32, "weights": 4})

    def test_results_do_not_depend_on_the_number_of_threads(self):
        path = self.write("big.gguf", Gguf([("blk.0.ffn_up.weight", "F32", (256, 2000), floats(gauss(256, 1) * 2000)),
                                            ("blk.0.ffn_down.weight", "F32", (1 << 18, 2), floats(gauss(4096, 2) * 128))]))
        texts = {self.run_ok("quantize", "--profile", path, "--format", "int4:tensor,q4_0,bf16:sr,nvfp4,int8", "--json", "-", "-t", t).stdout
                 for t in (1, 2, 5)}
        self.assertEqual(len(texts), 1)

    def test_an_importance_matrix_changes_what_ggml_does(self):
        weights = [100.0 if i % 7 == 0 else 0.01 for i in range(256)]
        matrix = self.write("im.dat", imatrix({"blk.0.ffn_up.weight": weights}))
        command = ("--tensors", "ffn_up", "--layers", "0", "--imatrix", matrix)
        cell = self.run_json("quantize", "--profile", self.input, "--format", "q4_k,iq2_xs", *command)["formats"]
        done = self.run_json("quantize", self.input, self.path("o"), "--format", "q4_k", *command)
        self.assertEqual(cell[0]["total"]["rmse"], done["total"]["rmse"])
        self.assertEqual(cell[1]["total"]["measured_tensors"], 1)
        plain = self.run_json("quantize", "--profile", self.input, "--format", "q4_k", *command[:4])["formats"][0]
        self.assertGreater(cell[0]["total"]["rmse"], plain["total"]["rmse"])
        warned = self.run_ok("quantize", "--profile", self.input, "--format", "q4_k", "--tensors", "ffn_up,attn_q", "--imatrix", matrix).stderr
        self.assertIn("has no entry for blk.0.attn_q.weight, blk.1.attn_q.weight, blk.1.ffn_up.weight: rounded without importance", warned)


class Tables(ProgramTest):
    def test_formats_by_roles_for_a_person(self):
        result = self.run_ok("quantize", "--profile", "demo", "--layers", "0-1")
        self.assertEqual(result.stderr, "")
        for word in ("Signal-to-noise ratio", "higher is better", "RMSE", "lower is better", "Bits per weight", "attn_q", "all",
                     "14 tensors of 7 roles", "Every format fits every tensor"):
            self.assertIn(word, result.stdout)
        lines = result.stdout.split("\n")
        first = lines.index(next(line for line in lines if line.startswith("format")))
        rows = [line.split() for line in lines[first + 1:first + 18]]
        names = [row[0] for row in rows]
        for name in ("bf16:rne", "q4_k", "mxfp4:scale=floor:rne", "nvfp4:rne", "int4:group=32:restricted:rne"):
            self.assertIn(name, names)
        bits = [float(row[1]) for row in rows]
        self.assertEqual(bits, sorted(bits, reverse=True))
        self.assertEqual({len(row) for row in rows}, {2 + 7 + 1})
        # What is shown is what JSON says.
        total = {f["name"]: f["total"] for f in self.run_json("quantize", "--profile", "demo", "--layers", "0-1")["formats"]}
        for row in rows:
            self.assertEqual(row[-1], f"{total[row[0]]['snr_db']:.2f}")

    def test_one_column_of_bits_when_roles_do_not_differ(self):
        text = self.run_ok("quantize", "--profile", "demo", "--format", "bf16,q4_0").stdout
        self.assertNotIn("Bits per weight: codes", text)
        self.assertIn("bits", text)

    def test_a_usual_model_and_one_of_many_roles_fit_a_screen(self):
        roles = [f"some_long_role_{i:02}_of_many" for i in range(23)]
        many = self.write("many.gguf", Gguf([(f"blk.0.{r}.weight", "F32", (32, 2), floats(gauss(64, i))) for i, r in enumerate(roles)]))
        for path in (DEMO, many):
            with self.subTest(path):
                lines = self.run_ok("quantize", "--profile", path).stdout.split("\n")
                start, end = (next(i for i, line in enumerate(lines) if line.startswith(word)) for word in ("Signal", "RMSE"))
                self.assertLessEqual(max(map(len, lines[start:end])), 120)
                heads = [line for line in lines[start:end] if line.startswith("format")]
                self.assertEqual(len(heads) > 1, path == many)
        for i in range(23):
            self.assertEqual(sum(f"_{i:02}_" in line for line in lines[start:end]), 1)

    def test_it_writes_nothing_and_replaces_nothing(self):
        path = self.write("in.gguf", small_model())
        before = path.read_bytes()
        self.run_ok("quantize", "--profile", path, "--format", "bf16")
        self.assert_only("in.gguf")
        self.assertEqual(path.read_bytes(), before)
        self.assert_refused("quantize", "--profile", path, "--format", "bf16", "--json", path)
        self.assertEqual(path.read_bytes(), before)

    def test_quiet_and_json(self):
        path = self.write("in.gguf", small_model())
        self.assertEqual(self.run_ok("quantize", "--profile", path, "-q").stdout, "")
        shown = self.run_ok("quantize", "--profile", path, "--format", "int8,q4_0", "--json", self.path("r.json"))
        self.assertIn("Signal-to-noise", shown.stdout)
        self.assertEqual(json.loads(self.path("r.json").read_text()), self.run_json("quantize", "--profile", path, "--format", "int8,q4_0"))

    def test_names_from_the_file_are_made_safe(self):
        path = self.write("in.gguf", Gguf([("evil\x1b[31m.weight", "F32", (32, 2), floats(gauss(64, 1)))]))
        text = self.run_ok("quantize", "--profile", path, "--format", "bf16").stdout
        self.assertNotIn("\x1b", text)
        self.assertIn("\\x1b", text)


class Unfit(ProgramTest):
    def setUp(self):
        super().setUp()
        self.input = self.write("in.gguf", mixed_model())

    def test_cells_say_what_was_measured_and_what_was_not(self):
        result = self.run_json("quantize", "--profile", self.input, "--format", "q4_0,q4_k,int8")
        q4_0, q4_k, int8 = result["formats"]
        cells = {c["role"]: c for c in q4_k["cells"]}
        self.assertEqual((cells["ffn_up"]["measured_tensors"], cells["ffn_up"]["left_out"]), (2, []))
        self.assertEqual((cells["attn_q"]["measured_tensors"], cells["attn_q"]["rmse"], cells["attn_q"]["snr_db"],
                          cells["attn_q"]["bits_per_weight"]), (0, None, None, None))
        self.assertEqual([t["name"] for t in cells["attn_q"]["left_out"]], ["blk.0.attn_q.weight", "blk.1.attn_q.weight"])
        self.assertIn("rows of 64 values", cells["attn_q"]["left_out"][0]["reason"])
        self.assertEqual((q4_k["total"]["measured_tensors"], q4_k["total"]["left_out_tensors"]), (2, 4))
        self.assertEqual(q4_k["total"]["measured"], {"bits": 2560 // 256 * 144 * 8, "weights": 2560})
        self.assertEqual(q4_k["total"]["requested"]["bits"], 4320 * 9 // 2)  # at 4.5 bits, fit or not
        self.assertEqual(q4_k["total"]["achieved"]["bits"], 10 * 144 * 8 + 384 * 32 + 1376 * 16)
        self.assertEqual(q4_0["total"]["left_out_tensors"], 2)
        self.assertEqual(int8["total"]["left_out_tensors"], 0)

    def test_the_table_marks_them_and_says_why(self):
        text = self.run_ok("quantize", "--profile", self.input, "--format", "q4_k,int8").stdout
        row = next(line for line in text.split("\n") if line.startswith("q4_k")).split()
        self.assertEqual((row[0], row[1], row[3], row[4]), ("q4_k", "4.5", "-", "-"))
        self.assertTrue(row[5].endswith("*"))
        for words in ("blk.0.attn_q.weight, blk.1.attn_q.weight:\n  q4_k: its rows of 64 values are no multiple of q4_k's block of 256; the "
                      "nearest format that fits is q4_0", "its rows of 172 values", "q4_k           4     4.5000   10.6074"):
            self.assertIn(words, text)

    def test_the_default_formats_leave_out_what_nothing_takes(self):
        result = self.run_json("quantize", "--profile", self.input, "--tensors", "attn_q")
        self.assertEqual([f["name"] for f in result["not_measured"]], ["q6_k", "q5_k", "q4_k", "q3_k"])
        self.assertIn("rows of 64 values", result["not_measured"][0]["reason"])
        self.assertIn("Not shown, since none of these tensors takes them: q6_k, q5_k, q4_k, q3_k",
                      self.run_ok("quantize", "--profile", self.input, "--tensors", "attn_q").stdout)
        self.assertEqual(self.run_json("quantize", "--profile", self.input, "--tensors", "ffn_up")["not_measured"], [])

    def test_values_that_a_type_of_ggml_refuses(self):
        values = gauss(256, 1)
        values[7] = math.nan
        path = self.write("nan.gguf", Gguf([("a.weight", "F32", (64, 4), floats(values)), ("b.weight", "F32", (64, 4), floats(gauss(256, 2)))]))
        q8_0, int8 = self.run_json("quantize", "--profile", path, "--format", "q8_0,int8")["formats"]
        self.assertEqual((q8_0["total"]["measured_tensors"], q8_0["total"]["count"]), (1, 256))
        self.assertIn("NaN", q8_0["cells"][0]["left_out"][0]["reason"])
        self.assertEqual(int8["total"]["measured_tensors"], 2)

    def test_values_that_become_nan_are_no_small_error(self):
        values = gauss(64, 1)
        values[7] = math.inf
        path = self.write("inf.gguf", Gguf([("a.weight", "F32", (32, 2), floats(values))]))
        result = self.run_ok("quantize", "--profile", path, "--format", "mxfp4")
        self.assertIn("mxfp4:scale=floor:rne: 31 finite values became NaN or Inf", result.stderr)
        self.assertIn("-inf", result.stdout)

    def test_a_missing_importance_matrix(self):
        result = self.run_json("quantize", "--profile", self.input, "--format", "iq2_xxs,bf16", "--tensors", "ffn_up")
        self.assertIn("--imatrix", result["formats"][0]["cells"][0]["left_out"][0]["reason"])

    def test_nothing_at_all_can_be_measured(self):
        path = self.write("i.gguf", Gguf([("a.weight", "F64", (4, 1), struct.pack("<4d", 1, 2, 3, 4))]))
        self.assert_refused("quantize", "--profile", path, "--tensors", "all", says=("1 chosen tensor", "'a.weight'", "F64"))


class WrongInputs(ProgramTest):
    def test_what_a_profile_does_not_take(self):
        recipe = self.write("r.toml", b'[[rule]]\nformat = "bf16"\n')
        for extra, word in ((("out.gguf",), "OUT"), (("--recipe", recipe), "--recipe"), (("--store", "auto"), "--store"), (("--stamp",), "--stamp"),
                            (("--dry-run",), "--dry-run"), (("--skip-unfit",), "--skip-unfit"), (("--force",), "--force"),
                            (("--epsilon", "1"), "--epsilon")):
            with self.subTest(word):
                self.assert_usage("quantize", "--profile", "demo", *extra, says=(word, "writes nothing"), cwd=self.folder)
        self.assert_only("r.toml")

    def test_wrong_lists(self):
        for form, word in (("", "empty value"), (",", "format"), ("bf16,", "format"), ("bf16,,int4", "format"), ("int4,int4:row", "given twice"),
                           ("bf16,q4k", "'q4k'"), ("bf16,int4:group=0", "int4:group=0"), ("bf16;int4", "bf16;int4")):
            with self.subTest(form):
                self.assert_usage("quantize", "--profile", "demo", "--format", form, says=word)

    def test_lists_are_for_profiles(self):
        self.assert_usage("quantize", "demo", self.path("o"), "--tensors", "norm", "--format", "bf16,f16", says=("--profile", "bf16,f16"))
        self.assert_only()

    def test_a_file_to_write_is_required_without_it(self):
        self.assert_usage("quantize", "demo", "--tensors", "norm", "--format", "bf16", says=("OUT", "--profile"))

    def test_selections(self):
        self.assert_refused("quantize", "--profile", "demo", "--tensors", "ffn_nrom", says="did you mean ffn_norm")
        self.assert_refused("quantize", "--profile", "demo", "--layers", "77", says="77")
        path = self.write("norms.gguf", Gguf([("output_norm.weight", "F32", (32,), floats(gauss(32, 1)))]))
        self.assert_refused("quantize", "--profile", path, says="matrices")
        self.assertEqual(self.run_json("quantize", "--profile", path, "--tensors", "norm", "--format", "bf16")["roles"],
                         [{"role": "output_norm", "tensors": 1, "weights": 32}])

    def test_help_teaches_it(self):
        text = self.run_ok("quantize", "--help").stdout
        for words in ("--profile", "--seed", "quantize --profile in.gguf", "e4m3:sr --seed 7", "mxfp8_e4m3"):
            self.assertIn(words, text)


class Bits(ProgramTest):
    def setUp(self):
        super().setUp()
        self.input = self.write("in.gguf", mixed_model())
        self.command = ("quantize", self.input, self.path("out.gguf"), "--tensors", "matrices", "--format", "q4_k", "--skip-unfit", "--force")

    def test_what_was_asked_for_and_what_is_reached(self):
        norms = 2 * 256 * 32
        achieved = 10 * 144 * 8 + 384 * 32 + 1376 * 16
        for extra in (("--dry-run", "--store", "auto"), ("--store", "auto")):
            plan = self.run_json(*self.command, *extra)["plan"]
            self.assertEqual(plan["chosen_bits_per_weight"], 4.5)
            self.assertEqual(plan["requested"], {"bits": 4320 * 9 // 2, "weights": 4320})
            self.assertEqual(plan["achieved"], {"bits": achieved, "weights": 4320})
            self.assertEqual(plan["model_requested"], {"bits": 4320 * 9 // 2 + norms, "weights": 4832})
            self.assertEqual(plan["model"], {"bits": achieved + norms, "weights": 4832})
            # Rounded to q4_k and stored in F32 as before.
            self.assertEqual(plan["file"], {"bits": 2560 * 32 + 384 * 32 + 1376 * 16 + norms, "weights": 4832})
            for key in ("requested", "achieved", "file"):
                self.assertEqual(plan[f"{key}_bits_per_weight"], plan[key]["bits"] / plan[key]["weights"])
            self.assertEqual(plan["model_bits_per_weight"], (achieved + norms) / 4832)

    def test_of_each_tensor_that_was_left(self):
        result = self.run_json(*self.command)
        skipped = {t["name"]: t for t in result["skipped"]}
        self.assertEqual(len(skipped), 4)
        self.assertEqual((skipped["blk.0.attn_q.weight"]["requested_bits_per_weight"], skipped["blk.0.attn_q.weight"]["achieved_bits_per_weight"]),
                         (4.5, 32))
        self.assertEqual(skipped["blk.1.ffn_down.weight"]["achieved_bits_per_weight"], 16)
        tensor = result["tensors"][0]
        self.assertEqual((tensor["requested_bits_per_weight"], tensor["achieved_bits_per_weight"], tensor["bits_per_weight"]), (4.5,) * 3)

    def test_the_text_says_both_and_why(self):
        for extra in (("--dry-run",), ()):
            text = self.run_ok(*self.command, *extra).stdout
            for words in ("Requested 4.5000, achieved 10.6074 bits per weight in the 6 chosen tensors: 4 do not fit and stay as they are (2 F32, "
                          "2 F16)", "The whole model: requested 7.4139, achieved 12.8742 bits per weight.", "bits per weight stored",
                          "left as it is"):
                self.assertIn(words, text)

    def test_one_line_when_everything_fits(self):
        text = self.run_ok("quantize", self.input, self.path("o"), "--tensors", "ffn_up", "--format", "q4_k").stdout
        self.assertIn("Requested 4.5000, achieved 4.5000 bits per weight in the 2 chosen tensors; the whole model", text)
        self.assertNotIn("left as it is", text)

    def test_tensors_that_stay_f32_count_as_the_file_stores_them(self):
        result = self.run_json("quantize", self.input, self.path("o"), "--tensors", "ffn_down", "--format", "f32")
        self.assertEqual((result["plan"]["requested_bits_per_weight"], result["plan"]["achieved_bits_per_weight"]), (16, 16))
        self.assertEqual(result["tensors"][0]["bits_per_weight"], 16)


class Seeds(ProgramTest):
    def setUp(self):
        super().setUp()
        self.values = {f"blk.{i}.ffn_up.weight": floats(gauss(256 * 600, i, 0.1)) for i in range(3)}
        self.input = self.model("in.gguf", sorted(self.values))

    def model(self, file_name, order):
        return self.write(file_name, Gguf([(name, "F32", (256, 600), self.values[name]) for name in order]))

    def quantize(self, source, *options, form="e4m3:sr"):
        output = self.path("out.gguf")
        self.run_ok("quantize", source, output, "--tensors", "all", "--format", form, "--force", "--no-sync", *options)
        return output.read_bytes()

    def test_the_same_seed_gives_the_same_file_for_any_number_of_threads(self):
        self.assertEqual(len({self.quantize(self.input, "--seed", 9, "-t", t) for t in (1, 2, 5)}), 1)
        self.assertEqual(self.quantize(self.input), self.quantize(self.input, "--seed", 0))

    def test_other_seeds_and_other_tensors_draw_otherwise(self):
        largest = (1 << 64) - 1
        self.assertEqual(len({self.quantize(self.input, "--seed", seed) for seed in (0, 1, 2, 1 << 32, largest)}), 5)
        self.values = {name: self.values["blk.0.ffn_up.weight"] for name in self.values}
        result = self.run_json("quantize", "--profile", self.model("same.gguf", sorted(self.values)), "--format", "e4m3:sr")
        self.assertGreater(result["formats"][0]["total"]["rmse"], 0)
        outputs = self.quantize(self.path("same.gguf"))
        size = 256 * 600 * 4
        self.assertNotEqual(outputs[-size:], outputs[-2 * size:-size])

    def test_the_order_of_tensors_and_what_else_is_chosen_do_not_matter(self):
        size = 256 * 600 * 4
        ordered = self.quantize(self.input, "--seed", 5)
        turned = self.quantize(self.model("turned.gguf", sorted(self.values, reverse=True)), "--seed", 5)
        self.assertEqual(ordered[-size:], turned[-3 * size:-2 * size])
        self.assertEqual(ordered[-3 * size:-2 * size], turned[-size:])
        self.run_ok("quantize", self.input, self.path("one.gguf"), "--layers", "2", "--format", "e4m3:sr", "--seed", 5)
        self.assertEqual(self.path("one.gguf").read_bytes()[-size:], ordered[-size:])

    def test_the_seed_stands_in_text_json_and_stamp(self):
        command = ("quantize", self.input, self.path("o"), "--tensors", "all", "--force", "--no-sync")
        for extra in ((), ("--dry-run",)):
            self.assertIn("Stochastic rounding: seed 7.\n", self.run_ok(*command, "--format", "bf16:sr", "--seed", 7, *extra).stdout)
            self.assertEqual(self.run_json(*command, "--format", "bf16:sr", "--seed", 7, *extra)["seed"], 7)
            self.assertEqual(self.run_json(*command, "--format", "bf16:sr", *extra)["seed"], 0)
            self.assertIsNone(self.run_json(*command, "--format", "bf16", *extra)["seed"])
        self.assertNotIn("seed", self.run_ok(*command, "--format", "bf16").stdout)
        key = b"fakequant.seed"
        stamped = self.quantize(self.input, "--seed", 7, "--stamp")
        self.assertIn(key + struct.pack("<IQ", 8, 1) + b"7", stamped)
        self.assertNotIn(key, self.quantize(self.input, "--stamp", form="bf16"))
        profile = ("quantize", "--profile", self.input, "--format", "bf16:sr", "--seed", 7)
        self.assertEqual(self.run_json(*profile)["seed"], 7)
        self.assertIn("Stochastic rounding: seed 7.\n", self.run_ok(*profile).stdout)

    def test_a_seed_that_nothing_draws_from_is_warned_of(self):
        said = "warning: --seed has no effect: no chosen format rounds stochastically"
        for command in (("quantize", self.input, self.path("o"), "--tensors", "all"), ("quantize", "--profile", self.input)):
            self.assertIn(said, self.run_ok(*command, "--format", "bf16", "--seed", 7).stderr)
            self.path("o").unlink(missing_ok=True)
            self.assertNotIn(said, self.run_ok(*command, "--format", "bf16:sr", "--seed", 7).stderr)

    def test_wrong_seeds(self):
        for seed in ("-1", "x", "1.5", "18446744073709551616", "0x7", " 7"):
            with self.subTest(seed):
                result = run("quantize", self.input, self.path("o"), "--tensors", "all", "--format", "bf16:sr", f"--seed={seed}")
                self.assertEqual(result.returncode, 2)
                self.assertIn("whole number", result.stderr)


if __name__ == "__main__":
    main()
