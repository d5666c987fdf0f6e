"""How the commands are used: exit codes, help, near names, selections, order, limits, threads: design.md, "The commands"."""

import os
import pty
import subprocess

from support import (DEMO, DONE, FAILED, LIMIT_CROSSED, PROGRAM, WRONG_USAGE, Gguf, ProgramTest, floats, gauss, main, run, small_model)

COMMANDS = ("inspect", "formats", "quantize", "compare", "evaluate")
BF16_NORMS = ("--tensors", "norm", "--format", "bf16:rtz")


class Help(ProgramTest):
    def test_every_command_and_every_option_is_explained(self):
        text = self.run_ok("--help").stdout
        for command in COMMANDS:
            self.assertIn(command, text)
            of_command = self.run_ok(command, "--help")
            self.assertEqual(of_command.stderr, "")
            for option in ("--json", "--threads", "--quiet", "--verbose", "--help"):
                self.assertIn(option, of_command.stdout, command)
            self.assertEqual(of_command.stdout, self.run_ok(command, "-h").stdout)
        for option in ("--tensors", "--layers", "--format", "--recipe", "--store", "--imatrix", "--skip-unfit", "--dry-run", "--force",
                       "--no-sync", "--stamp", "--epsilon"):
            self.assertIn(option, self.run_ok("quantize", "--help").stdout)
        for option in ("--focus-layer", "--sort", "--top", "--fail-if", "--epsilon"):
            self.assertIn(option, self.run_ok("compare", "--help").stdout)
        for option in ("--grids", "--tensors", "--layers"):
            self.assertIn(option, self.run_ok("inspect", "--help").stdout)

    def test_version_names_llama_cpp_and_its_commit(self):
        text = self.run_ok("--version").stdout
        self.assertRegex(text, r"^fakequant \d+\.\d+\.\d+\n")
        self.assertRegex(text, r"llama\.cpp v\d+\.\d+\.\d+ \([0-9a-f]{12}\)")

    def test_formats_lists_everything(self):
        text = self.run_ok("formats").stdout
        wanted = ["bf16", "f16", "tf32", "e4m3", "e2m1", "mxfp4", "nvfp4", "nf4", "eXmY:KIND", "q1_0", "q2_0", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0",
                  "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "iq4_nl",
                  "iq4_xs", "tq1_0", "tq2_0", "mxfp4_ggml", "nvfp4_ggml", "f32"]
        listed = [line.split()[0] for line in text.splitlines() if line.strip()]
        for name in wanted:
            self.assertIn(name, listed)
        self.assertIn("int2 ... int16 ", text)  # on one line
        integers = {f"int{n}" for n in range(2, 17)}
        self.assertEqual({f["name"] for f in self.run_json("formats")["formats"]} - set(listed), integers - {"int2"})

    def test_one_format_in_full(self):
        text = self.run_ok("formats", "int4:group=32").stdout
        for word in ("int4:group=32:restricted:rne", "-7 to 7", "asym", "group=N"):
            self.assertIn(word, text)
        self.assertIn("rtz", self.run_ok("formats", "bf16").stdout)

    def test_man_page_and_completions(self):
        for what, word in (("man", ".TH FAKEQUANT 1"), ("bash", "complete"), ("zsh", "compdef"), ("fish", "complete -c fakequant")):
            text = self.run_ok("generate", what).stdout
            self.assertIn(word, text)
            for command in COMMANDS:
                self.assertIn(command, text)
        completion = self.write("completion.bash", self.run_ok("generate", "bash").stdout.encode())
        subprocess.run(["bash", "-n", completion], check=True)
        self.assertNotEqual(run("generate", "powershell").returncode, DONE)


class WrongUsage(ProgramTest):
    def test_near_names(self):
        for arguments, meant in (
                (("inspct", "demo"), "inspect"), (("qauntize",), "quantize"), (("comprae", "demo", "demo"), "compare"),
                (("inspect", "demo", "--tensor", "norm"), "--tensors"), (("inspect", "demo", "--layer=0"), "--layers"),
                (("quantize", "demo", "x", "--formt", "bf16"), "--format"), (("compare", "demo", "demo", "--sortt", "name"), "--sort"),
                (("quantize", "demo", "x", "--tensors", "norm", "--format", "bf61"), "bf16"), (("formats", "q4k"), "q4_k"),
                (("quantize", "demo", "x", "--tensors", "norm", "--format", "int4:restrictd"), "restricted"),
                (("quantize", "demo", "x", *BF16_NORMS, "--store", "atuo"), "auto"),
                (("compare", "demo", "demo", "--sort", "max_ab"), "max_abs"),
                (("compare", "demo", "demo", "--fail-if", "max_re>1"), "max_rel"),
                (("inspect", "demo", "--layers", "3-1"), "1-3")):
            with self.subTest(arguments):
                text = self.assert_usage(*arguments, cwd=self.folder)
                self.assertIn(meant, text.split("did you mean")[-1])
                self.assertIn("did you mean", text)
        self.assert_only()

    def test_options_of_several_letters_after_one_dash(self):
        text = self.write("text.txt", b"a text\n" * 1000)
        for word, meant in (("-ngk", "-ngl"), ("-ng", "-ngl"), ("-gnl", "-ngl"), ("-nglx=3", "-ngl"), ("-fla", "-fa"), ("-fs", "-fa"),
                            ("-ctx", "-ctk, -ctv or --ctx-size"), ("-ctkk", "-ctk"), ("-ctz=f16", "-ctk or -ctv"), ("--ctxsize", "--ctx-size"),
                            ("--n-gpu-layer", "--n-gpu-layers"), ("--chunk", "--chunks")):
            with self.subTest(word):
                said = self.assert_usage("evaluate", "demo", "-f", text, "-c", "64", "--chunks", "1", word, "3", says=word.split("=")[0])
                self.assertIn(f"did you mean {meant}", said)
        # Values and flags may still stand without a space, and what comes after -- is no option.
        self.run_ok("evaluate", "demo", f"-f{text}", "-c64", "--chunks=1", "-ngl=0", "-qv")
        self.assert_refused("evaluate", "-f", text, "--", "-ngk", says="-ngk: cannot be opened")
        self.assertNotIn("did you mean", self.assert_usage("inspect", "demo", "-ngk", says="-ngk"))  # which has no -ngl

    def test_near_roles_of_this_model(self):
        text = self.assert_refused("inspect", "demo", "--tensors", "ffn_nrom", says="did you mean ffn_norm")
        self.assertIn("'ffn_nrom'", text)

    def test_what_is_missing_or_too_much(self):
        for arguments, word in (((), "required"), (("inspect",), "odel"), (("compare", "demo"), "B"), (("quantize", "demo"), "OUT"),
                                (("inspect", "demo", "more"), "more"), (("inspect", "demo", "--json"), "--json"),
                                (("inspect", "demo", "-z"), "-z"), (("inspect", "demo", "-t", "x"), "threads"),
                                (("inspect", "demo", "-t", "-1"), "threads"), (("compare", "demo", "demo", "--top", "-1"), "--top"),
                                (("compare", "demo", "demo", "--epsilon", "0"), "--epsilon"),
                                (("compare", "demo", "demo", "--fail-if", "max_rel"), "max_rel>0.01"),
                                (("compare", "demo", "demo", "--fail-if", "max_rel>x"), "'x'"),
                                (("quantize", "demo", "x", "--tensors", "norm"), "--format")):
            with self.subTest(arguments):
                self.assertIn(word, self.assert_usage(*arguments, cwd=self.folder))
        self.assert_only()

    def test_quantize_without_selection_lists_the_roles(self):
        text = self.assert_usage("quantize", "demo", self.path("out.gguf"), "--format", "bf16")
        for role in ("token_embd (1)", "attn_norm (6)", "ffn_norm (6)", "ffn_down (6)", "output_norm (1)", "output (1)"):
            self.assertIn(role, text)
        self.assertIn("--tensors", text)

    def test_recipe_and_selection_exclude_each_other(self):
        recipe = self.write("r.toml", b'[[rule]]\nformat = "bf16"\n')
        for extra in (("--tensors", "norm"), ("--layers", "0"), ("--format", "bf16")):
            self.assert_usage("quantize", "demo", self.path("out.gguf"), "--recipe", recipe, *extra, says="--recipe")

    def test_bad_formats(self):
        for form, word in (("int4:group=0", "group=N"), ("int4:group=", "group=N"), ("int4:group=1.5", "group"), ("int17", "int17"),
                           ("int1", "int1"), ("q4_k:rtz", "takes no parameters"), ("bf16:rtz:rne", "twice"), ("", "empty value"), (":", "format"),
                           ("bf16::rtz", "parameter"), ("bf16:group=32", "group=32"), ("b\x1bf16", "format")):
            with self.subTest(form):
                text = self.assert_usage("quantize", "demo", self.path("out.gguf"), "--tensors", "norm", "--format", form)
                self.assertNotIn("\x1b", text)
                self.assertIn(word, text)

    def test_a_pipe_that_closes_is_no_crash(self):
        reader = subprocess.Popen([str(PROGRAM), "inspect", str(DEMO)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        reader.stdout.close()
        reader.stderr.read()
        reader.stderr.close()
        self.assertIn(reader.wait(timeout=60), (FAILED, -13))  # SIGPIPE ends every filter


class Selections(ProgramTest):
    def setUp(self):
        super().setUp()
        self.input = self.write("in.gguf", small_model(layers=12, metadata={}))

    def names(self, *selection):
        return [t["name"] for t in self.run_json("inspect", self.input, *selection)["tensors"]]

    def test_layers(self):
        def layers(text):
            return sorted({int(n.split(".")[1]) for n in self.names("--layers", text)})
        self.assertEqual(layers("0"), [0])
        self.assertEqual(layers("0-2,5,10-"), [0, 1, 2, 5, 10, 11])
        self.assertEqual(layers("all"), list(range(12)))
        self.assertNotIn("output_norm.weight", self.names("--layers", "all"))

    def test_roles_globs_expressions_and_what_is_left_out(self):
        self.assertEqual(self.names("--tensors", "ffn_norm", "--layers", "3"), ["blk.3.ffn_norm.weight"])
        self.assertEqual(len(self.names("--tensors", "norm")), 25)
        self.assertEqual(self.names("--tensors", "norm,!blk.*"), ["output_norm.weight"])
        self.assertEqual(self.names("--tensors", "/^blk\\.1[01]\\.ffn_up/"), ["blk.10.ffn_up.weight", "blk.11.ffn_up.weight"])
        self.assertEqual(self.names("--tensors", "*.attn_q.weight", "--layers", "7"), ["blk.7.attn_q.weight"])
        self.assertEqual(len(self.names("--tensors", "matrices")), 12 * 3 + 1)
        self.assertEqual(len(self.names("--tensors", "ffn")), 24)  # no norms
        self.assertEqual(self.names("--tensors", "embedding"), ["token_embd.weight"])
        self.assertEqual(len(self.names("--tensors", "all")), 12 * 5 + 2)
        self.assertEqual(len(self.names()), 12 * 5 + 2)

    def test_errors(self):
        for selection, words, code in (
                (("--layers", "12"), ("no layer 12", "0-11"), FAILED), (("--layers", "0-99"), ("0-99", "0-11"), FAILED),
                (("--layers", "x"), ("'x'", "0-2"), WRONG_USAGE), (("--layers", "1,,2"), ("comma",), WRONG_USAGE),
                (("--layers", "99999999999999999999"), ("is not a layer",), WRONG_USAGE), (("--layers", "9999999"), ("largest",), WRONG_USAGE),
                (("--tensors", "nothing_like_it*"), ("nothing_like_it", "roles"), FAILED), (("--tensors", "norm,!norm"), ("excludes",), FAILED),
                (("--tensors", "/(/"), ("/(/",), WRONG_USAGE), (("--tensors", "!"), ("!",), WRONG_USAGE),
                (("--tensors", "output_norm", "--layers", "0"), ("output_norm.weight", "outside"), FAILED),
                (("--tensors", "a" * 70000), ("longest",), WRONG_USAGE)):
            with self.subTest(selection):
                for command in (("inspect", self.input), ("quantize", self.input, self.path("out.gguf"), "--format", "bf16")):
                    text = self.assert_refused(*command, *selection, code=code, lines=None)
                    for word in words:
                        self.assertIn(word, text)
        self.assert_only("in.gguf")

    def test_a_model_without_layers(self):
        path = self.write("flat.gguf", Gguf([("output_norm.weight", "F32", (4,), floats([1, 2, 3, 4]))]))
        self.assert_refused("inspect", path, "--layers", "0", says="no layers")

    def test_unfit_tensors(self):
        command = ("quantize", self.input, self.path("out.gguf"), "--tensors", "attn_q,ffn_norm", "--format", "q4_k")
        text = self.assert_refused(*command, lines=None, says=("24 tensors", "--skip-unfit", "blk.0.attn_q.weight", "256", "nearest format"))
        self.assertIn("q4_0", text)
        self.assert_only("in.gguf")
        mixed = self.write("mixed.gguf", Gguf([("a.weight", "F32", (256, 2), floats(gauss(512, 1))),
                                               ("b.weight", "F32", (64, 2), floats(gauss(128, 2)))]))
        command = ("quantize", mixed, self.path("mixed-out.gguf"), "--tensors", "all", "--format", "q4_k")
        self.assert_refused(*command, says=("b.weight", "q4_k", "--skip-unfit"))
        result = self.run_ok(*command, "--skip-unfit")
        self.assertIn("left as it is: 'b.weight'", result.stderr)
        found = self.run_json(*command, "--skip-unfit", "--force")
        self.assertEqual([t["name"] for t in found["tensors"]], ["a.weight"])
        self.assertEqual((found["skipped"][0]["name"], found["skipped"][0]["format"]), ("b.weight", "q4_k"))
        self.assertIn("64", found["skipped"][0]["reason"])


class Comparing(ProgramTest):
    def setUp(self):
        super().setUp()
        self.a = self.write("a.gguf", small_model(layers=3, matrix_type="F32"))
        self.b = self.path("b.gguf")
        self.run_ok("quantize", self.a, self.b, "--tensors", "norm,ffn_up", "--format", "bf16:rtz")

    def names(self, *options, code=DONE):
        return [t["name"] for t in self.run_json("compare", self.a, self.b, *options, code=code)["tensors"]]

    def test_focus_layer(self):
        self.assertEqual({n.split(".")[1] for n in self.names("--focus-layer", "2")}, {"2"})
        self.assertEqual(len(self.names("--focus-layer", "2")), 5)
        self.assert_refused("compare", self.a, self.b, "--focus-layer", "3", says="layer 3")

    def test_sort(self):
        in_file = self.names()
        self.assertEqual(self.names("--sort", "file"), in_file)
        self.assertEqual(self.names("--sort", "name"), sorted(in_file))
        for key, measure in (("max_abs", "max_abs"), ("mean_abs", "mean_abs"), ("max_rel", "max_rel"), ("mean_rel", "mean_rel"),
                             ("rmse", "rmse"), ("changed", "changed_count"), ("wasserstein1", "wasserstein1")):
            values = [t[measure] for t in self.run_json("compare", self.a, self.b, "--sort", key)["tensors"]]
            self.assertEqual(values, sorted(values, reverse=True), key)
        noise = [t["snr_db"] for t in self.run_json("compare", self.a, self.b, "--sort", "snr_db")["tensors"]]
        finite = [v for v in noise if v is not None]
        self.assertEqual(noise, sorted(finite) + [None] * (len(noise) - len(finite)))

    def test_top_shortens_what_a_person_reads_and_nothing_else(self):
        text = self.run_ok("compare", self.a, self.b, "--sort", "max_abs", "--top", "2").stdout
        worst = self.names("--sort", "max_abs")
        self.assertIn(worst[0], text)
        self.assertIn(worst[1], text)
        self.assertNotIn(worst[2], text)
        self.assertRegex(text, r"\(8 [^\n]*--top 0")
        self.assertEqual(len(self.names("--top", "2")), len(self.names()))

    def test_what_holds_the_same_values_is_not_listed(self):
        text = self.run_ok("compare", self.a, self.b).stdout
        self.assertNotIn("attn_q", text)
        self.assertIn("blk.0.ffn_up.weight", text)
        self.assertIn("Metadata is equal", text)
        self.assertIn("The models hold the same values", self.run_ok("compare", self.a, self.a).stdout)

    def test_fail_if(self):
        for limit, code in (("max_rel>0.01", DONE), ("max_rel>0.001", LIMIT_CROSSED), ("max_rel > 1e-3", LIMIT_CROSSED),
                            ("changed_count>=1", LIMIT_CROSSED), ("snr_db<20", DONE), ("snr_db<90", LIMIT_CROSSED), ("cosine<0.9", DONE),
                            ("new_nonfinite>0", DONE)):
            with self.subTest(limit):
                result = self.run_ok("compare", self.a, self.b, "--fail-if", limit, code=code)
                self.assertEqual("limit crossed" in result.stderr, code == LIMIT_CROSSED)
                self.assertIn("The values are the same in", result.stdout)
        found = self.run_json("compare", self.a, self.b, "--fail-if", "max_rel>0.001", "--fail-if", "cosine<0", code=LIMIT_CROSSED)
        self.assertTrue(any("blk.0.ffn_norm.weight: max_rel>0.001" in text for text in found["limits_crossed"]))
        self.run_ok("compare", "--fail-if", "max_rel>0.001", self.a, self.a)

    def test_what_is_not_compared_crosses_every_limit(self):
        other = self.write("other.gguf", Gguf([("elsewhere.weight", "F32", (4,), floats([1.0] * 4))]).bytes)
        result = self.run_ok("compare", self.a, other, "--fail-if", "max_abs>1e9", code=LIMIT_CROSSED)
        self.assertIn("only in A", result.stderr)
        found = self.run_json("compare", self.a, other, "--fail-if", "max_abs>1e9", code=LIMIT_CROSSED)
        self.assertIn("elsewhere.weight: only in B", found["limits_crossed"])
        self.run_ok("compare", self.a, other)

    def test_a_change_to_nan_crosses_every_measure(self):
        values = floats([1.0, 2.0, 3.0, 4.0])
        good = self.write("good.gguf", Gguf([("x.weight", "F32", (4,), values)]).bytes)
        bad = self.write("bad.gguf", Gguf([("x.weight", "F32", (4,), floats([1.0, float("nan"), 3.0, 4.0]))]).bytes)
        for limit in ("max_abs>1e9", "mean_rel>1e9", "rmse>1e9", "snr_db<-999", "cosine<-2"):
            self.run_ok("compare", good, bad, "--fail-if", limit, code=LIMIT_CROSSED)
            self.run_ok("compare", bad, bad, "--fail-if", limit)
        self.run_ok("compare", good, bad, "--fail-if", "new_nonfinite>1")
        self.assertIn("inf", self.run_ok("compare", good, bad).stdout)

    def test_empty_values_are_refused(self):
        for option in ("--layers", "--tensors", "--json"):
            self.assertIn("empty value", self.run_ok("inspect", self.a, option, "", code=WRONG_USAGE).stderr)

    def test_an_epsilon_that_is_none(self):
        for epsilon in ("0", "-1", "nan", "inf", "1e999", "x"):
            for command in (("compare", self.a, self.b), ("quantize", self.a, self.path("o.gguf"), "--tensors", "all", "--format", "bf16")):
                result = run(*command, "--epsilon", epsilon)
                self.assertEqual(result.returncode, WRONG_USAGE, result.stderr)
                self.assertIn("finite number above 0", result.stderr)
        self.assertFalse(self.path("o.gguf").exists())


class DryRun(ProgramTest):
    def test_it_writes_nothing(self):
        path = self.write("in.gguf", small_model())
        output = self.write("out.gguf", b"old")
        for extra in ((), ("--force",), ("--stamp",), ("--store", "f32"), ("--store", "auto")):
            result = self.run_ok("quantize", path, output, "--tensors", "matrices", "--format", "q4_0", "--dry-run", *extra)
            for word in ("blk.0.attn_q.weight", "q4_0", "4.5", "bits per weight", "nothing written"):
                self.assertIn(word, result.stdout)
        self.assertEqual(output.read_bytes(), b"old")
        self.assert_only("in.gguf", "out.gguf")

    def test_the_sizes_it_shows_are_those_of_the_file(self):
        path = self.write("in.gguf", small_model())
        for extra in ((), ("--stamp",), ("--store", "f32"), ("--store", "auto"), ("--store", "narrow")):
            command = ("quantize", path, self.path("out.gguf"), "--tensors", "matrices", "--format", "int4:group=32", *extra, "--force")
            planned = self.run_json(*command, "--dry-run")["plan"]
            done = self.run_json(*command)["plan"]
            self.assertEqual(planned, done)
            self.assertEqual(planned["bytes_after"], self.path("out.gguf").stat().st_size)

    def test_bits_per_weight(self):
        path = self.write("in.gguf", small_model())
        for form, bits in (("int4:group=32", 5.0), ("int4:row", 4.5), ("int4:group=64:scale_type=f16", 4.25), ("bf16", 16), ("q8_0", 8.5),
                           ("int8:group=64:asym", 8.625)):
            plan = self.run_json("quantize", path, self.path("o"), "--tensors", "attn_q", "--format", form, "--dry-run")["plan"]
            self.assertEqual(plan["chosen_bits_per_weight"], bits, form)


class Threads(ProgramTest):
    def test_results_do_not_depend_on_their_number(self):
        rows = 3000  # several pieces of work a tensor
        path = self.write("in.gguf", Gguf([
            ("blk.0.ffn_up.weight", "F32", (256, rows), floats(gauss(256, 1) * rows)),
            ("blk.0.ffn_down.weight", "F32", (2 * 1048576,), floats(gauss(4096, 2) * 512)),
            ("blk.0.ffn_norm.weight", "F32", (256,), floats(gauss(256, 3)))], {"general.architecture": "llama"}))
        for form in ("int4:tensor", "int8:row:asym", "q4_k", "bf16:rtz"):
            seen = set()
            for threads in (1, 2, 5):
                with self.subTest(form=form, threads=threads):
                    output = self.path("out.gguf")
                    done = self.run_ok("quantize", path, output, "--tensors", "all", "--format", form, "--no-sync", "--force", "-t", threads,
                                       "--json", "-").stdout
                    compared = self.run_ok("compare", path, output, "-t", threads, "--json", "-").stdout
                    inspected = self.run_ok("inspect", output, "-t", threads, "--json", "-").stdout
                    seen.add((output.read_bytes(), done, compared, inspected))
            self.assertEqual(len(seen), 1, form)


class Terminal(ProgramTest):
    def on_terminal(self, *arguments, **environment):
        leader, follower = pty.openpty()
        environment = {**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, "TERM": "xterm", **environment}
        process = subprocess.Popen([str(PROGRAM), *arguments], stdout=follower, stderr=follower, stdin=subprocess.DEVNULL, env=environment)
        os.close(follower)
        text = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            text += part
        os.close(leader)
        self.assertEqual(process.wait(timeout=60), 0)
        return text

    def test_no_color(self):
        command = ("inspect", str(DEMO), "--tensors", "norm")
        self.assertTrue(b"\x1b[" in self.on_terminal(*command))
        self.assertFalse(b"\x1b[" in self.on_terminal(*command, NO_COLOR="1"))
        self.assertNotIn("\x1b", self.run_ok(*command).stdout)


class DemoModel(ProgramTest):
    def test_demo_stands_for_the_model_that_comes_with_the_program(self):
        self.assertEqual(self.run_json("inspect", "demo")["tensors"], self.run_json("inspect", DEMO)["tensors"])
        environment = {**os.environ, "FAKEQUANT_DATA": str(self.folder)}
        self.assert_refused("inspect", "demo", says=("demo-4.6m-f16.gguf", str(self.folder)), env=environment)


if __name__ == "__main__":
    main()
