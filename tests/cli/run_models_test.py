"""`fakequant run` with other models than the demo, with models that break, and with all that an experiment can ask for besides."""

import json
import re
import shutil

from run_test import TEXT, RunTest, lines, timeless_journal
from strange_models_test import DEMO_BYTES, Header
from support import DEMO, FAILED, LIMIT_CROSSED, main

SMALL = """
model = "demo"
[settings]
control = "none"
[[text]]
file = "demo"
chunks = 2
[[variant]]
name = "norms"
tensors = "ffn_norm"
format = "bf16:rtz"
"""
# Models against another one, all on one text.
FILES = """
baseline = "{baseline}"
models = [{models}]
[settings]
control = "none"
[[text]]
file = "demo"
chunks = 2
"""


def strange(key, value):
    """The demo model with a value of its metadata exchanged."""
    header = Header(DEMO_BYTES)
    header.pair(key)[2] = value
    return header.file()


class ModelTest(RunTest):
    def failures(self, folder):
        return {(record["kind"], record.get("variant") or record["model"]): record["failure"]
                for record in lines(folder / "journal.jsonl") if "failure" in record}

    def variant_ids(self, folder):
        return {variant["name"]: variant["id"] for variant in self.of(folder, "experiment")[-1]["variants"]}


class ToldAtOnce(ModelTest):
    """What cannot be measured is told before anything is."""

    def refused(self, text, says, count):
        out = self.path("out")
        message = self.assert_refused("run", self.experiment(text), "--out", out, says=says, lines=count)
        self.assertEqual(self.kinds(out), [None, "experiment"])
        self.assertEqual(lines(out / "log.jsonl")[-1]["outcome"], "failed")
        return message

    def test_every_text_that_is_too_short(self):
        for name in ("a.txt", "b.txt"):
            self.write(name, b"Too short.")
        text = SMALL + f'[[text]]\nfile = "{self.path("a.txt")}"\n[[text]]\nfile = "{self.path("b.txt")}"\n'
        self.refused(text, ["a.txt: found", "b.txt: found"], 2)
        self.assert_refused("run", self.experiment(text), "--check", says=["a.txt: found", "b.txt: found"], lines=2)

    def test_a_model_that_llama_cpp_does_not_know(self):
        header = Header(DEMO_BYTES)
        header.pair("general.architecture")[2] = b"unheard-of"
        other = self.write("other.gguf", header.file())
        self.write("a.txt", b"Too short.")
        text = SMALL.replace('model = "demo"', f'models = ["{other}", "demo"]') + f'[[text]]\nfile = "{self.path("a.txt")}"\n'
        self.refused(text, ["other.gguf", "a.txt: found"], 2)

    def test_a_chat_template_that_is_missing(self):
        text = SMALL + '[[prompt]]\nprompt = "Hi"\n[measure]\nchat = true\n'
        self.refused(text, ["chat template"], 1)

    def test_memory_that_does_not_suffice(self):
        self.refused(SMALL + '[limits]\nmemory = "1M"\n', ["demo: needs", "of memory"], 1)

    def test_a_variant_without_room_fails_by_itself(self):
        message = self.refused(SMALL + '[limits]\nmemory = "1M"\n', ["demo: needs"], 1)
        needed = float(re.search(r"needs ([0-9.]+) MiB", message)[1])
        text = SMALL + '[[variant]]\nname = "all"\ntensors = "matrices"\nformat = "e4m3"\n' \
            f'[measure]\nload = false\n[limits]\nmemory = "{int((needed + 1) * 1024)}K"\n'
        out = self.path("out")
        self.run_ok("run", self.experiment(text), "--out", out, code=FAILED)
        failed = self.failures(out)
        self.assertEqual(list(failed), [("divergence", self.variant_ids(out)["all"])])
        self.assertIn("of memory", *failed.values())


class Broken(ModelTest):
    """Where a model ends llama.cpp, what needs it has failed, and the rest is measured."""

    def test_one_of_two_models(self):
        header = Header(DEMO_BYTES)
        words = header.pair("tokenizer.ggml.tokens")[2][1]
        words[500] = words[501]
        broken, out = self.write("broken.gguf", header.file()), self.path("out")
        text = SMALL.replace('model = "demo"', f'models = ["{broken}", "demo"]')
        result = self.run_ok("run", self.experiment(text), "--out", out, code=FAILED)
        failed = self.failures(out)
        self.assertEqual({kind for kind, _ in failed}, {"load", "perplexity", "divergence"})
        self.assertEqual(len(failed), 3)
        for reason in failed.values():
            self.assertIn("llama.cpp crashed while loading it", reason)
        self.assertIn("crashed", result.stdout)
        made = [(record["kind"], record["model"]) for record in lines(out / "journal.jsonl") if "result" in record]
        self.assertEqual(sorted(made), [("difference", "m1"), ("difference", "m2"), ("divergence", "m2"), ("inspect", "m1"), ("inspect", "m2"),
                                        ("load", "m2"), ("perplexity", "m2")])

    def test_one_of_two_files_against_a_baseline(self):
        for name, value in (("load.gguf", ("llama.block_count", 513)), ("go.gguf", ("llama.attention.layer_norm_rms_epsilon", -1e-5))):
            self.write(name, strange(*value))
        shutil.copy(DEMO, self.path("same.gguf"))
        models = ", ".join(f'"{self.path(name)}"' for name in ("load.gguf", "go.gguf", "same.gguf"))
        out = self.path("out")
        self.run_ok("run", self.experiment(FILES.format(baseline="demo", models=models)), "--out", out, code=FAILED)
        failed, ids = self.failures(out), {name.rsplit("/", 1)[-1]: id for name, id in self.variant_ids(out).items()}
        self.assertEqual({variant for _, variant in failed}, {ids["load.gguf"], ids["go.gguf"]})
        self.assertIn("load.gguf: llama.cpp crashed while loading it", failed["divergence", ids["load.gguf"]])
        self.assertIn("go.gguf: llama.cpp crashed while running it", failed["divergence", ids["go.gguf"]])
        found, = (record["result"] for record in self.of(out, "divergence") if "result" in record)
        self.assertEqual(found["divergence"]["kld_mean"], 0)


class Asked(ModelTest):
    def test_files_that_are_compared_with_a_baseline(self):
        out, other = self.path("out"), self.path("q8.gguf")
        self.run_ok("quantize", "demo", other, "--tensors", "matrices", "--format", "q8_0")
        self.run_ok("run", self.experiment(FILES.format(baseline="demo", models=f'"{other}"')), "--out", out, "-q")
        wanted = self.run_json("evaluate", other, "--baseline", "demo", "-f", TEXT, "--chunks", 2)
        found = self.of(out, "divergence")[0]["result"]
        theirs = wanted["texts"][0] if "texts" in wanted else wanted["variants"][0]["texts"][0]
        self.assertEqual(found["divergence"], theirs["divergence"])

    def test_another_file_as_a_variant_beside_a_rounded_one(self):
        out, other = self.path("out"), self.path("copy.gguf")
        shutil.copy(DEMO, other)
        text = SMALL + f'[[variant]]\nname = "copy"\nmodel = "{other}"\n'
        self.run_ok("run", self.experiment(text), "--out", out, "-q")
        found = {record["variant"]: record["result"]["divergence"]["kld_mean"] for record in self.of(out, "divergence")}
        ids = self.variant_ids(out)
        self.assertEqual(found[ids["copy"]], 0)
        self.assertGreater(found[ids["norms"]], 0)

    def test_speed(self):
        out = self.path("out")
        text = SMALL + "[measure]\nspeed = true\nspeed_repetitions = 6\nload = false\ndivergence = false\n"
        self.run_ok("run", self.experiment(text), "--out", out, "-q")
        subjects = self.of(out, "speed")[0]["result"]["subjects"]
        self.assertEqual(len(subjects), 2)
        self.assertGreater(subjects[1]["generation"]["ratio"]["median"], 0)
        again = self.path("again")
        self.run_ok("run", self.experiment(text), "--out", again, "-q")
        self.assertEqual(timeless_journal(out), timeless_journal(again))

    def test_files_of_variants(self):
        out, wanted = self.path("out"), self.path("wanted.gguf")
        self.run_ok("run", self.experiment(SMALL + "[output]\nfiles = true\n"), "--out", out, "-q")
        written, = (out / "files").iterdir()
        self.run_ok("quantize", "demo", wanted, "--tensors", "ffn_norm", "--format", "bf16:rtz")
        self.assert_same_file(written, wanted)

    def test_reports_and_json(self):
        for name, criterion, code in (("done", "mean_rel < 1", 0), ("stopped", "mean_rel < 1e-9", LIMIT_CROSSED)):
            out = self.path(name)
            text = SMALL + f'[output]\nreport = ["md", "json"]\n[[criterion]]\nname = "small"\ncheck = "{criterion}"\nstop = true\n'
            printed = self.run_ok("run", self.experiment(text), "--out", out, code=code)
            self.assert_only("experiment.toml", "journal.jsonl", "log.jsonl", "report.json", "report.md", folder=out)
            for report in ("report.json", "report.md"):
                self.assertIn(str(out / report), printed.stdout)
            summary = self.run_json("run", self.experiment(text), "--out", out, code=code)
            self.assertEqual(summary["outcome"], name)
            self.assertEqual(summary["reports"], [str(out / "report.md"), str(out / "report.json")])
            self.assertEqual(summary["exit_code"], code)
            self.assertEqual(summary["failed"], 0)
            self.assertTrue(json.loads((out / "report.json").read_text()))

    def test_a_stop_that_holds_no_longer_is_withdrawn(self):
        """A model that could not be loaded for want of memory, say: here a journal that says so."""
        text = SMALL + '[[criterion]]\nname = "loads"\ncheck = "loads == 1"\nstop = true\n'
        out = self.path("out")
        experiment = self.experiment(text)
        self.run_ok("run", experiment, "--out", out, "-q")
        kept = []
        for line in (out / "journal.jsonl").read_text().splitlines():
            record = json.loads(line)
            if record.get("kind") == "load":
                record["failure"] = "not enough memory"
                del record["result"]
            kept.append(json.dumps(record))
            if record.get("kind") == "load":
                break
        (out / "journal.jsonl").write_text("\n".join(kept) + "\n")
        self.run_ok("run", experiment, "--out", out, "-q", code=LIMIT_CROSSED)
        self.assertEqual(self.of(out, "decision")[-1]["action"], "stop")
        result = self.run_ok("run", experiment, "--out", out, "--retry")
        self.assertEqual(self.of(out, "decision")[-1]["action"], "go_on")
        self.assertNotIn("stopped", result.stdout.lower())
        self.assertNotIn("stopped", self.run_ok("report", out).stdout.lower())


if __name__ == "__main__":
    main()
