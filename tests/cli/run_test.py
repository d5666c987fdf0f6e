"""`fakequant run`: what is kept, what a second run does, how runs end, and that numbers are those of the other commands."""

import json
import os
import resource
import signal
import struct
import subprocess
import time
import unittest

from support import DATA, DEMO, DONE, FAILED, LIMIT_CROSSED, PROGRAM, SANITIZED, SKIP_SANITIZED, ProgramTest, main, run

TEXT = DATA / "demo-wordnet-heldout.txt"
INTERRUPTED = 128 + signal.SIGINT

NORMS = """
title = "Norms"
model = "demo"
[[text]]
file = "demo"
chunks = 3
[[prompt]]
prompt = "A small"
tokens = 6
temperature = 0
[[stage]]
name = "first"
[[stage.variant]]
name = "one"
tensors = "ffn_norm"
layers = "0"
format = "bf16:rtz"
[[stage]]
name = "rest"
requires = ["ln_ppl_ratio < 0.05", "new_nonfinite == 0"]
[[stage.variant]]
name = "all"
tensors = "ffn_norm"
format = "bf16:rtz"
[[stage.variant]]
name = "blocks"
tensors = "ffn_down"
format = "mxfp4"
[[criterion]]
name = "small"
check = "mean_rel < 1"
"""
# Work that takes many seconds, so that a test can come in between.
LONG = NORMS.replace("chunks = 3", "chunks = 150")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def timeless(record):
    """A record without what depends on time."""
    if isinstance(record, dict):
        speed = record.get("kind") == "speed"
        return {key: timeless(value) for key, value in record.items()
                if key not in ("seconds", "finished", "tokens_per_second") and not (speed and key == "result")}
    return [timeless(value) for value in record] if isinstance(record, list) else record


def timeless_journal(folder):
    return [timeless(record) for record in lines(folder / "journal.jsonl")]


class RunTest(ProgramTest):
    def experiment(self, text=NORMS, name="e.toml"):
        return self.write(name, text.encode())

    def start(self, *arguments, **options):
        return subprocess.Popen([str(PROGRAM), "run", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **options)

    def wait_for(self, condition, process):
        end = time.monotonic() + 120
        while not condition():
            if process.poll() is not None:
                self.fail(f"it ended before: {process.communicate()}")
            self.assertLess(time.monotonic(), end, "nothing happened")
            time.sleep(0.01)

    def kinds(self, folder):
        path = folder / "journal.jsonl"
        if not path.exists():
            return []
        return [json.loads(line).get("kind") for line in path.read_text().split("\n")[:-1]]

    def of(self, folder, kind):
        return [record for record in lines(folder / "journal.jsonl") if record.get("kind") == kind]


class Kept(RunTest):
    def test_a_second_run_does_nothing(self):
        experiment, out = self.experiment(), self.path("out")
        first = self.run_ok("run", experiment, "--out", out)
        before = (out / "journal.jsonl").read_bytes()
        self.assertIn("ln PPL ratio", first.stdout)
        second = self.run_ok("run", experiment, "--out", out)
        self.assertEqual((out / "journal.jsonl").read_bytes(), before)
        self.assertEqual(first.stdout.split("\n\n")[0], second.stdout.split("\n\n")[0])
        log = lines(out / "log.jsonl")[1:]
        self.assertEqual([line["kind"] for line in log], ["start", "end"] * 2)
        self.assertEqual(log[1]["outcome"], "done")
        self.assertEqual((log[3]["measured"], log[3]["kept"]), (0, log[1]["measured"]))
        self.assertEqual((out / "experiment.toml").read_text(), NORMS)

    def test_the_folder_has_a_default_name(self):
        experiment = self.experiment(name="small.toml")
        self.run_ok("run", experiment, cwd=self.folder)
        self.assert_only("experiment.toml", "journal.jsonl", "log.jsonl", folder=self.path("small.run"))

    def test_numbers_do_not_depend_on_threads_or_on_the_run(self):
        experiment = self.experiment()
        for name, threads in (("a", 1), ("b", 2), ("c", 2)):
            self.run_ok("run", experiment, "--out", self.path(name), "-t", threads, "-q")
        found = [timeless_journal(self.path(name)) for name in "abc"]
        self.assertEqual(found[1], found[2])
        for journal in found[:2]:
            for record in journal:
                record.get("settings", {}).pop("threads", None)
        self.assertEqual(found[0], found[1])

    def test_a_changed_experiment_measures_only_what_is_new(self):
        out = self.path("out")
        self.run_ok("run", self.experiment(), "--out", out)
        before = len(self.kinds(out))
        changed = NORMS.replace('format = "mxfp4"', 'format = "e4m3"').replace("Norms", "Others")
        self.run_ok("run", self.experiment(changed), "--out", out)
        added = self.kinds(out)[before:]
        self.assertEqual(added.count("experiment"), 1)
        self.assertEqual([kind for kind in added if kind in ("difference", "load", "divergence", "generation", "perplexity")],
                         ["difference", "load", "divergence", "generation"])

    def test_notes_are_kept_beside_a_run(self):
        experiment, out = self.experiment(), self.path("out")
        self.assert_refused("run", experiment, "--out", out, "--note", "too early", says="found no journal.jsonl")
        self.run_ok("run", experiment, "--out", out, "-q")
        self.run_ok("run", experiment, "--out", out, "--note", "looks fine")
        self.assertEqual(lines(out / "log.jsonl")[-1]["text"], "looks fine")


class Numbers(RunTest):
    """What a run measures is what the commands print of the same thing."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.result = {}

    def setUp(self):
        super().setUp()
        self.out = self.path("out")
        self.run_ok("run", self.experiment(), "--out", self.out, "-q")
        self.variants = {variant["name"]: variant["id"] for variant in self.of(self.out, "experiment")[0]["variants"]}

    def measured(self, kind, variant=None):
        wanted = self.variants[variant] if variant else None
        return next(record["result"] for record in self.of(self.out, kind) if record.get("variant") == wanted)

    def test_difference_is_that_of_quantize(self):
        written = self.path("written.gguf")
        wanted = self.run_json("quantize", "demo", written, "--tensors", "ffn_down", "--format", "mxfp4")
        found = self.measured("difference", "blocks")
        self.assertEqual(found["plan"], wanted["plan"])
        self.assertEqual(found["total"], wanted["total"])
        for ours, theirs in zip(found["tensors"], wanted["tensors"], strict=True):
            self.assertEqual({key: ours[key] for key in theirs if key != "rule"}, {key: theirs[key] for key in theirs if key != "rule"})
            self.assertEqual(sum(count for _, _, count in ours["histogram_before"]), ours["count"])
            self.assertEqual(sum(count for _, _, count in ours["histogram_after"]), ours["count"])
            self.assertLessEqual(len(ours["histogram_before"]), 64)
            self.assertEqual(ours["role"], "ffn_down")
        self.assertEqual(found["file"]["bytes_after"], written.stat().st_size)
        self.assertEqual(found["file"]["tensors_changed"], 6)
        after = {tensor["name"]: tensor for tensor in self.run_json("inspect", written)["tensors"]}
        for tensor in found["tensors"]:
            self.assertEqual(tensor["effective_precision_after"], after[tensor["name"]]["effective_precision"])

    def test_inspect_is_that_of_inspect(self):
        wanted = self.run_json("inspect", "demo")
        found = self.measured("inspect")
        for ours, theirs in zip(found["tensors"], wanted["tensors"], strict=True):
            self.assertEqual({key: ours[key] for key in theirs}, theirs)

    def test_divergence_and_texts_are_those_of_evaluate(self):
        prompts = self.write("p.toml", b'[[prompt]]\nprompt = "A small"\ntokens = 6\ntemperature = 0\n')
        wanted = self.run_json("evaluate", "demo", "-f", TEXT, "--chunks", 3, "--tensors", "ffn_down", "--format", "mxfp4",
                               "--prompts", prompts)
        found = timeless(self.measured("divergence", "blocks"))
        theirs = timeless(wanted["texts"][0])
        for key in ("tokens", "chunks", "scored_tokens", "model", "baseline", "divergence"):
            self.assertEqual(found[key], theirs[key], key)
        self.assertEqual(found["recipe"]["difference"], wanted["recipe"]["difference"])
        perplexity = self.measured("perplexity")
        self.assertEqual(perplexity["model"], theirs["baseline"])
        texts = self.measured("generation", "blocks")
        ours = [text["text"] for text in texts["runs"][0]["variants"]]
        self.assertIn(ours[0], [text["text"] for text in wanted["generation"][0]["runs"][0]["variants"]])


class Ends(RunTest):
    def test_a_stage_is_left_out_where_its_condition_does_not_hold(self):
        out = self.path("out")
        text = NORMS.replace("ln_ppl_ratio < 0.05", "mean_rel < 1e-9")
        result = self.run_ok("run", self.experiment(text), "--out", out)
        decision = self.of(out, "decision")[-1]
        self.assertEqual((decision["stage"], decision["action"]), ("rest", "skip"))
        self.assertIn("mean_rel < 1e-9 does not hold", result.stderr)
        self.assertEqual(len(self.of(out, "load")), 1)

    def test_a_criterion_that_fails_gives_its_own_exit_code(self):
        text = NORMS.replace("mean_rel < 1", "mean_rel < 1e-9")
        self.run_ok("run", self.experiment(text), "--out", self.path("out"), code=LIMIT_CROSSED)
        stopping = text + "stop = true\n"
        out = self.path("stopped")
        result = self.run_ok("run", self.experiment(stopping), "--out", out, code=LIMIT_CROSSED)
        self.assertIn("Stopped early", result.stdout)
        self.assertEqual(self.of(out, "decision")[-1]["action"], "stop")
        self.assertEqual(lines(out / "log.jsonl")[-1]["outcome"], "stopped")

    def test_a_model_of_no_numbers_fails_and_the_run_goes_on(self):
        data = bytearray(DEMO.read_bytes())
        listed = self.run_json("inspect", DEMO)["tensors"]
        norm = next(tensor for tensor in listed if tensor["name"] == "blk.2.attn_norm.weight")
        data[norm["offset"]:norm["offset"] + 4] = struct.pack("<f", float("nan"))
        model, out = self.write("nan.gguf", bytes(data)), self.path("out")
        self.run_ok("run", self.experiment(), "--model", model, "--out", out, code=FAILED)
        failed = [record for record in lines(out / "journal.jsonl") if "failure" in record]
        first, *others = [record["failure"] for record in failed if record["kind"] in ("perplexity", "divergence")]
        self.assertIn("found NaN", first)
        self.assertTrue(others)
        for other in others:
            self.assertEqual(other, "not tried, for its baseline failed: " + first)
        self.assertEqual(len(self.of(out, "inspect")), 1)
        self.assertEqual(self.of(out, "decision")[-1]["action"], "skip")

    def test_the_time_limit_ends_a_run_cleanly(self):
        out = self.path("out")
        result = self.run_ok("run", self.experiment(NORMS + "[limits]\ntime = \"1 ms\"\n"), "--out", out, code=LIMIT_CROSSED)
        self.assertIn("may take are over", result.stdout)
        self.run_ok("run", self.experiment(), "--out", out)

    def test_folders_of_others_are_refused(self):
        out = self.path("out")
        out.mkdir()
        (out / "letter.txt").write_text("dear")
        self.assert_refused("run", self.experiment(), "--out", out, says="found 'letter.txt'")
        self.assert_only("letter.txt", folder=out)

    def test_unknown_versions_are_refused_and_left(self):
        out = self.path("out")
        out.mkdir()
        (out / "journal.jsonl").write_text('{"fakequant_journal": 2}\n')
        self.assert_refused("run", self.experiment(), "--out", out, says="found version 2")
        self.assertEqual((out / "journal.jsonl").read_text(), '{"fakequant_journal": 2}\n')

    def test_a_line_that_was_cut_short_is_repaired(self):
        experiment, out = self.experiment(), self.path("out")
        self.run_ok("run", experiment, "--out", out, "-q")
        whole = timeless_journal(out)
        data = (out / "journal.jsonl").read_bytes()
        (out / "journal.jsonl").write_bytes(data[:len(data) * 2 // 3])
        self.run_ok("run", experiment, "--out", out, "-q")
        self.assertEqual(timeless_journal(out), whole)


@unittest.skipIf(SANITIZED, SKIP_SANITIZED)
class Disturbed(RunTest):
    def begin(self, experiment, out, kind="divergence", **options):
        """A run in which a measurement of that kind is about to be made."""
        process = self.start(experiment, "--out", out, **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        before = {"divergence": "perplexity", "difference": "inspect"}[kind]
        self.wait_for(lambda: before in self.kinds(out), process)
        return process

    def workers(self, process):
        children = (f"/proc/{process.pid}/task/{process.pid}/children")
        return [int(word) for word in open(children, encoding="ascii").read().split()]

    def test_ctrl_c_stops_cleanly_and_the_run_goes_on_later(self):
        experiment, out = self.experiment(LONG), self.path("out")
        process = self.begin(experiment, out, "difference")
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=120)
        self.assertEqual(process.returncode, INTERRUPTED, messages)
        self.assertEqual(lines(out / "log.jsonl")[-1]["outcome"], "interrupted")
        self.assertFalse(any("failure" in record for record in lines(out / "journal.jsonl")))
        small = self.experiment(NORMS)
        self.run_ok("run", small, "--out", out)

    def test_two_ctrl_c_do_not_wait(self):
        experiment, out = self.experiment(LONG), self.path("out")
        process = self.begin(experiment, out)
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, INTERRUPTED)

    def test_a_worker_that_is_killed_fails_its_measurement_alone(self):
        for number in (signal.SIGKILL, signal.SIGSEGV):
            with self.subTest(number):
                experiment, out = self.experiment(LONG.replace("150", "40")), self.path(f"out{number}")
                process = self.begin(experiment, out)
                worker, = self.workers(process)
                os.kill(worker, number)
                output, messages = process.communicate(timeout=300)
                failed = [record for record in lines(out / "journal.jsonl") if "failure" in record]
                self.assertEqual(len(failed), 1, failed)
                self.assertEqual(process.returncode, FAILED, output + messages)
                self.assertIn("decision", self.kinds(out))

    def test_the_worker_dies_with_the_run(self):
        process = self.begin(self.experiment(LONG), self.path("out"))
        worker, = self.workers(process)
        process.kill()
        process.wait()
        end = time.monotonic() + 60
        while os.path.exists(f"/proc/{worker}"):
            self.assertLess(time.monotonic(), end, "the worker lives on")
            time.sleep(0.01)

    def test_a_second_run_is_refused_and_a_note_is_not(self):
        experiment, out = self.experiment(LONG), self.path("out")
        process = self.begin(experiment, out)
        self.assert_refused("run", experiment, "--out", out, says=["found it open for writing", str(process.pid)])
        self.run_ok("run", experiment, "--out", out, "--note", "still at it")
        process.kill()
        process.wait()
        self.assertEqual(lines(out / "log.jsonl")[-1]["text"], "still at it")

    def test_a_full_disk_is_waited_for(self):
        experiment, out = self.experiment(), self.path("out")
        limit = 8000

        def limit_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

        process = self.start(experiment, "--out", out, preexec_fn=limit_files)
        self.addCleanup(process.kill)
        message = ""
        while "disk is full" not in message:
            line = process.stderr.readline()
            self.assertNotEqual(line, "", "it ended: " + message)
            message += line
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        process.communicate(timeout=120)
        self.assertEqual(process.returncode, DONE)
        whole = self.path("whole")
        self.run_ok("run", experiment, "--out", whole, "-q")
        self.assertEqual(timeless_journal(out), timeless_journal(whole))

    def test_a_full_disk_can_be_given_up(self):
        out = self.path("out")
        process = self.start(self.experiment(), "--out", out,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8000, resource.RLIM_INFINITY)))
        self.addCleanup(process.kill)
        while "disk is full" not in process.stderr.readline():
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, INTERRUPTED)
        self.run_ok("run", self.experiment(), "--out", out)


if __name__ == "__main__":
    main()
