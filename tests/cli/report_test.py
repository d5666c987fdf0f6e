#!/usr/bin/env python3
"""fakequant report: what it prints and writes, what it refuses, on folders made by sample_runs.py and on one by
fakequant run."""

import csv
import json
import os
import pathlib
import re
import shutil
import statistics
import tempfile
import unittest

import sample_runs
import support


# Rows of ffn_up have 256 values and do not fit the groups; those of ffn_down have 512.
REAL = """
title = "A real run"
model = "demo"
settings = {context = 64}
measure = {per_chunk = true}
[[text]]
file = "demo"
chunks = 9
[[prompt]]
prompt = "A small"
tokens = 4
temperature = 0
[[stage]]
name = "only"
[[stage.variant]]
name = "norms"
tensors = "ffn_norm"
format = "bf16:rtz"
[[stage.variant]]
name = "down"
tensors = "ffn_down"
layers = "0-1"
format = "DOWN"
[[stage.variant]]
name = "some"
tensors = "ffn_up,ffn_down"
layers = "0"
format = "int4:group=512"
skip_unfit = true
[[criterion]]
name = "small"
check = "mean_rel < 0.01"
"""


def small(**more):
    """A quick run: two variants on one text."""
    return {"title": "small run", "model": "demo", "model_name": "demo", "chunks": 2, "histograms": False,
            "texts": [("held out", support.DATA / "demo-wordnet-heldout.txt")], "stages": [("one", None)],
            "variants": [("norms", "one", sample_runs.norms("0")), ("matrices", "one", [{"tensors": "ffn", "format": "int4:group=32"}])],
            "prompts": [("Hello", 0, 42, 8)], "criteria": sample_runs.CRITERIA, **more}


class ReportTest(support.ProgramTest):
    """Runs are made once for the class: each test works on a copy."""

    @classmethod
    def setUpClass(cls):
        cls.made = pathlib.Path(tempfile.mkdtemp(prefix="fakequant-runs-"))
        cls.addClassCleanup(shutil.rmtree, cls.made, ignore_errors=True)
        sample_runs.Builder(cls.made / "small", small()).build()
        sample_runs.Builder(cls.made / "cut", small(title="cut run", unfinished=["matrices"], killed=True)).build()

    def run_folder(self, name="small"):
        folder = self.path(name)
        shutil.copytree(self.made / name, folder)
        return folder

    def records(self, folder):
        return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]

    def test_prints_the_answer_and_names_the_files(self):
        folder = self.run_folder()
        result = self.run_ok("report", folder)
        self.assertTrue(result.stdout.startswith("small run\n"), result.stdout)
        self.assertRegex(result.stdout.replace("\n  ", " "), r"matrices \(ffn in int4:group=32, [0-9.]+ bits per weight of the model\): perplexity")
        self.assertTrue(result.stdout.endswith(f"{folder}/report.html\n{folder}/report.md\n"), result.stdout)
        self.assertEqual(sorted(p.name for p in folder.iterdir()),
                         ["experiment.toml", "journal.jsonl", "log.jsonl", "report.html", "report.md"])

    def test_the_same_folder_gives_the_same_bytes(self):
        folder = self.run_folder()
        formats = "html,md,csv,json"
        self.run_ok("report", folder, "--format", formats, "-o", self.path("a"))
        self.run_ok("report", folder, "--format", formats, "-o", self.path("b"))
        names = sorted(p.relative_to(self.path("a")) for p in self.path("a").rglob("*") if p.is_file())
        self.assertGreater(len(names), 10)
        for name in names:
            self.assertEqual((self.path("a") / name).read_bytes(), (self.path("b") / name).read_bytes(), name)

    def test_every_line_mark_is_a_line_with_that_number(self):
        folder = self.run_folder()
        self.run_ok("report", folder, "--format", "md")
        records = self.records(folder)
        text = (folder / "report.md").read_text()
        row = next(line for line in text.splitlines() if line.startswith("| matrices ") and "held out" in line)
        line = int(re.findall(r"\[J(\d+)\]", row)[-1])
        record = records[line - 1]
        self.assertEqual((record["kind"], record["variant"]), ("divergence", "v2"))
        self.assertIn(f"{record['result']['model']['perplexity']:.4g}", row)
        for mark in re.findall(r"\[J(\d+)\]", text.rsplit("\n[J12]", 1)[0]):
            self.assertLessEqual(int(mark), len(records))

    def test_csv_has_the_numbers_in_full(self):
        folder = self.run_folder()
        self.run_ok("report", folder, "--format", "csv")
        with open(folder / "report_csv" / "divergence.csv", newline="", encoding="utf-8") as file:
            rows = {row["variant"]: row for row in csv.DictReader(file)}
        record = next(r for r in self.records(folder) if r.get("kind") == "divergence" and r["variant"] == "v2")
        measured = record["result"]["divergence"]
        self.assertEqual(float(rows["matrices"]["kld_mean"]), measured["kld_mean"])
        self.assertEqual(float(rows["matrices"]["ln_ppl_ratio"]), measured["ln_ppl_ratio"])
        self.assertEqual(float(rows["matrices"]["kld_mean_error"]), measured["kld_error_chunks"] or measured["kld_error"])

    def test_json_has_everything(self):
        folder = self.run_folder()
        report = self.run_json("report", folder)
        self.assertEqual(report["schema_version"], 1)
        self.assertTrue(report["finished"])
        self.assertIn("divergence", report["tables"])
        quantiles = report["tables"]["quantiles"]["rows"]
        record = next(r for r in self.records(folder) if r.get("kind") == "divergence" and r["variant"] == "v2")
        largest = [row["kld"] for row in quantiles if row["variant"] == "matrices" and row["tokens_below"] == 1]
        self.assertIn(record["result"]["divergence"]["kld_max"], largest)
        self.assertTrue(report["tables"]["confidence"]["rows"])
        baselines = report["tables"]["baselines"]["rows"]
        self.assertTrue(all(row["perplexity"] > 1 for row in baselines), baselines)
        kinds = {finding["kind"] for finding in report["findings"]}
        self.assertTrue({"cost", "criteria_passed", "criteria_failed"} <= kinds, kinds)
        self.run_ok("report", folder, "--format", "json", "-o", self.path("one.json"))
        self.assertEqual(json.loads(self.path("one.json").read_text()), report)

    def test_an_unfinished_run_says_so_first(self):
        folder = self.run_folder("cut")
        result = self.run_ok("report", folder, "--format", "md")
        self.assertIn("! This run is not finished (it was killed, or is still running): ", result.stdout)
        head = (folder / "report.md").read_text()[:600]
        self.assertIn("> **This run is not finished", head)

    def test_compares_two_runs(self):
        a, b = self.run_folder(), self.run_folder("cut")
        result = self.run_ok("report", a, "--compare", a, "--format", "html,md,csv,json")
        self.assertIn("identical to the last digit", result.stdout)
        result = self.run_ok("report", a, "--compare", b, "--format", "md", "-o", self.path("c.md"))
        self.assertTrue(self.path("c.md").read_text().startswith("<!-- fakequant report -->\n# Two runs: small and cut\n"))

    def test_replaces_reports_and_nothing_else(self):
        folder = self.run_folder()
        self.run_ok("report", folder, "--format", "md,csv,html,json")
        self.run_ok("report", folder, "--format", "md,csv,html,json")
        (folder / "report.md").write_text("my own notes\n")
        before = (folder / "report.html").stat().st_mtime_ns
        result = self.run_ok("report", folder, code=support.FAILED)
        self.assertIn("report.md: exists and is no report of fakequant", result.stderr)
        self.assertEqual((folder / "report.html").stat().st_mtime_ns, before, "all files appear, or none")
        self.assertEqual((folder / "report.md").read_text(), "my own notes\n")
        self.run_ok("report", folder, "--force")
        self.assertIn("small run", (folder / "report.md").read_text())
        result = self.run_ok("report", folder, "--format", "md", "-o", folder / "journal.jsonl", code=support.FAILED)
        self.assertIn("is part of a run", result.stderr)

    def test_never_replaces_what_a_run_is_kept_in(self):
        folder, other = self.run_folder(), self.run_folder("cut")
        before = {path: path.read_bytes() for run in (folder, other) for path in run.iterdir()}
        link = self.path("link")
        link.symlink_to(folder / "journal.jsonl")
        for target in (*before, link):
            for force in ((), ("--force",)):
                with self.subTest(target=target, force=force):
                    result = self.run_ok("report", folder, "--format", "md", "-o", target, *force, code=support.FAILED)
                    self.assertIn("is part of a run", result.stderr)
                    self.assertEqual(result.stderr.count("\n"), 1)
                    self.run_ok("report", folder, "--compare", other, "--format", "md", "-o", target, *force, code=support.FAILED)
            result = self.run_ok("report", folder, "--json", target, code=support.FAILED)
            self.assertIn("is part of a run", result.stderr)
        self.assertEqual({path: path.read_bytes() for run in (folder, other) for path in run.iterdir()}, before)

    def test_writes_one_format_to_standard_output(self):
        folder = self.run_folder()
        names = sorted(path.name for path in folder.iterdir())
        empty = self.path("empty")
        empty.mkdir()
        printed = self.run_ok("report", folder, "--format", "md", "-o", "-", cwd=empty).stdout
        compared = self.run_ok("report", folder, "--compare", folder, "--format", "json", "-o", "-", cwd=empty).stdout
        self.assertEqual(list(empty.iterdir()), [])
        self.assertEqual(sorted(path.name for path in folder.iterdir()), names)
        json.loads(compared)
        self.run_ok("report", folder, "--format", "md")
        self.assertEqual(printed, (folder / "report.md").read_text())
        for more in ((), ("--format", "csv"), ("--format", "md,json"), ("--format", "md", "--json", "-")):
            with self.subTest(more):
                result = self.run_ok("report", folder, "-o", "-", *more, code=support.WRONG_USAGE, cwd=empty)
                self.assertEqual(result.stdout, "")
                self.assertIn("standard output", result.stderr)

    def test_charts_that_cannot_be_drawn_there_are_refused_in_one_sentence(self):
        folder, other = self.run_folder(), self.run_folder("cut")
        nowhere = {**os.environ, "TMPDIR": str(self.path("nowhere"))}
        result = self.run_ok("report", folder, "--charts", self.path("charts"), code=support.FAILED, env=nowhere)
        self.assertRegex(result.stderr, r"^fakequant: .*temporary files.*TMPDIR")
        self.assertEqual(result.stderr.count("\n"), 1)
        for place in (folder, other, f"{folder}/."):
            result = self.run_ok("report", folder, "--charts", place, code=support.FAILED)
            self.assertIn("found the folder of a run, wanted one for images", result.stderr)
        self.assertEqual(len(list(folder.iterdir())), 3)

    def test_a_run_without_a_title_has_the_name_of_its_folder(self):
        folder = self.run_folder()
        journal = folder / "journal.jsonl"
        journal.write_text(journal.read_text().replace('"title": "small run"', '"title": ""', 1))
        result = self.run_ok("report", folder, "--format", "md,html")
        self.assertTrue(result.stdout.startswith("small\n\n"), result.stdout)
        self.assertIn("\n# small\n", (folder / "report.md").read_text())
        self.assertIn("<h1>small</h1>", (folder / "report.html").read_text())

    def test_tables_of_an_earlier_report_do_not_stay(self):
        folder = self.run_folder()
        self.run_ok("report", folder, "--format", "csv")
        tables = folder / "report_csv"
        shutil.copy(tables / "divergence.csv", tables / "earlier.csv")
        (tables / "own.csv").write_text("mine\n", encoding="utf-8")
        self.run_ok("report", folder, "--format", "csv")
        self.assertFalse((tables / "earlier.csv").exists())
        self.assertTrue((tables / "own.csv").exists(), "what is no table of ours is not touched")
        self.assertTrue((tables / "divergence.csv").exists())

    def test_leaves_nothing_behind_where_it_fails(self):
        folder = self.run_folder()
        if os.geteuid() == 0:
            self.skipTest("root may write everywhere")
        folder.chmod(0o555)
        self.addCleanup(folder.chmod, 0o755)
        self.run_ok("report", folder, code=support.FAILED)
        self.assertEqual(len(list(folder.iterdir())), 3)

    def test_says_what_is_wrong_in_one_sentence(self):
        folder = self.run_folder()
        journal = folder / "journal.jsonl"
        good = journal.read_text()
        cases = [
            (good.replace('"fakequant_journal": 1', '"fakequant_journal": 9', 1), r"journal.jsonl:1: "),
            (good.replace('"weights": 4590848', '"weights": "many"', 1), r'journal.jsonl:2: models\[0\]\.weights: found the text "many", wanted'),
            (good.replace('"outcome": "pass"', '"outcome": "perhaps"', 1), r"outcome: found the text \"perhaps\", wanted one of pass, fail"),
            (good.split("\n", 1)[0] + "\n", r"no experiment"),
        ]
        for text, wanted in cases:
            with self.subTest(wanted):
                journal.write_text(text)
                result = self.run_ok("report", folder, code=support.FAILED)
                self.assertRegex(result.stderr, wanted)
                self.assertEqual(result.stderr.count("\n"), 1)
                self.assertEqual(result.stdout, "")
        result = self.run_ok("report", self.path("nowhere"), code=support.FAILED)
        self.assertIn("nowhere", result.stderr)

    def test_refuses_wrong_usage(self):
        folder = self.run_folder()
        result = self.run_ok("report", folder, "--format", "htlm", code=support.WRONG_USAGE)
        self.assertIn("did you mean html?", result.stderr)
        self.run_ok("report", folder, "--compare", folder, "--charts", self.path("x"), code=support.WRONG_USAGE)
        result = self.run_ok("report", folder, "-o", folder / "journal.jsonl", code=support.FAILED)
        self.assertIn("wanted a folder for 2 files", result.stderr)

    def test_names_are_shown_and_never_obeyed(self):
        folder = self.run_folder()
        journal = folder / "journal.jsonl"
        evil = '<img src=x onerror=alert(1)>|[x](http://e)\\u001b[31m'
        journal.write_text(journal.read_text().replace('"name": "matrices"', f'"name": "{evil}"'))
        result = self.run_ok("report", folder)
        self.assertNotIn("\x1b", result.stdout)
        markdown = (folder / "report.md").read_text()
        self.assertIn("\\<img src=x onerror=alert(1)>\\|\\[x\\](http\\://e)", markdown)
        self.assertNotIn("\x1b", markdown)
        self.assertNotIn("<img src=x", (folder / "report.html").read_text())

    def make_real(self, name, down="e4m3"):
        """A run by the program itself, of a few seconds."""
        file = self.path(f"{name}.toml")
        file.write_text(REAL.replace("DOWN", down))
        self.run_ok("run", file, "--out", self.path(name), code=support.LIMIT_CROSSED)
        return self.path(name)

    def test_reads_what_the_program_itself_writes(self):
        folder = self.make_real("real")
        result = self.run_ok("report", folder, "-v", "--format", "html,md,csv,json")
        said = " ".join(result.stdout.split())
        self.assertRegex(said, r"(?i)^A real run .*perplexity .*noise")
        self.assertRegex(said, r"some: 1 tensor does not fit its format and stayed as it was: blk.0.ffn_up.weight\.")
        self.assertRegex(said, r"! .*\bsmall\b")
        records = self.records(folder)
        report = json.loads((folder / "report.json").read_text())
        self.assertTrue(report["finished"])
        for number, record in enumerate(records, 1):
            if record.get("kind") == "divergence" and record["variant"] == "v2":
                row = next(line for line in (folder / "report.md").read_text().splitlines() if line.startswith("| down ") and f"[J{number}]" in line)
                self.assertIn(f"{record['result']['model']['perplexity']:.4g}", row)
                self.assertEqual(len(record["result"]["per_chunk"]), 9)
        skipped = {r["variant"]: r["result"]["skipped"] for r in records if r.get("kind") == "difference"}
        self.assertEqual([t["name"] for t in skipped["v3"]], ["blk.0.ffn_up.weight"])
        self.assertEqual(skipped["v2"], [])

    def test_compares_real_runs_chunk_by_chunk(self):
        a, b = self.make_real("a"), self.make_real("b", "e5m2")
        result = self.run_ok("report", a, "--compare", a, "--format", "md")
        self.assertIn("Settings, versions, models and texts are the same.", result.stdout)
        result = self.run_ok("report", a, "--compare", b, "--format", "csv")
        with open(a / "comparison_csv" / "results.csv", newline="", encoding="utf-8") as file:
            rows = {row["variant"]: row for row in csv.DictReader(file)}
        self.assertEqual({name: row["errors"] for name, row in rows.items() if name in ("norms", "down", "some")},
                         {"norms": "identical", "down": "paired", "some": "identical"})
        chunks = [[chunk["kld_mean"] for r in self.records(folder) if r.get("kind") == "divergence" and r["variant"] == "v2"
                   for chunk in r["result"]["per_chunk"]] for folder in (a, b)]
        differences = [y - x for x, y in zip(*chunks)]
        error = statistics.stdev(differences) / len(differences) ** 0.5
        self.assertAlmostEqual(float(rows["down"]["kld_errors_apart"]), abs(statistics.mean(differences)) / error, 4)

    def test_removes_tables_of_an_earlier_report_and_nothing_else(self):
        a, b = self.run_folder(), self.run_folder("cut")
        journal = b / "journal.jsonl"
        journal.write_text(journal.read_text().replace('"name": "matrices"', '"name": "others"').replace('"threads": 2', '"threads": 3'))
        self.run_ok("report", a, "--compare", b, "--format", "csv")
        folder = a / "comparison_csv"
        self.assertTrue({"only.csv", "settings.csv"} <= {p.name for p in folder.iterdir()})
        mine = {"my.csv": "a,b\r\n1,2\r\n", "notes.txt": "kind,journal_lines\r\n", "empty.csv": "", "late.csv": "a\njournal_lines\r\n"}
        for name, text in mine.items():
            (folder / name).write_text(text, newline="")
        self.run_ok("report", a, "--compare", a, "--format", "csv")
        names = {p.name for p in folder.iterdir()}
        self.assertNotIn("only.csv", names)
        self.assertNotIn("settings.csv", names)
        self.assertTrue({"findings.csv", "results.csv", *mine} <= names, names)

    def test_one_file_that_cannot_appear_keeps_all_others_from_it(self):
        folder = self.run_folder()
        self.run_ok("report", folder, "--format", "html")
        (folder / "report.html").write_text((folder / "report.html").read_text() + "<!-- earlier -->")
        before = (folder / "report.html").read_bytes()
        # While charts are drawn, what was to become report.md is lost.
        tools = self.path("tools")
        tools.mkdir()
        (tools / "node").write_text(f'#!/bin/sh\nrm "{folder}"/.report.md.*\nfor f in "$2"/*.vl.json; do : > "${{f%.vl.json}}.svg"; done\n')
        (tools / "rsvg-convert").write_text('#!/bin/sh\nfor a; do case "$a" in --output=*) : > "${a#--output=}";; esac; done\n')
        for tool in tools.iterdir():
            tool.chmod(0o755)
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        arguments = ("report", folder, "--format", "csv,html,md", "--charts", self.path("charts"))
        result = self.run_ok(*arguments, code=support.FAILED, env=environment)
        self.assertIn("report.md: cannot be written", result.stderr)
        self.assertEqual((folder / "report.html").read_bytes(), before)
        self.assertEqual(list((folder / "report_csv").iterdir()), [])
        self.assertEqual([p.name for p in folder.iterdir() if p.name.startswith(".")], [])
        (tools / "node").write_text('#!/bin/sh\nfor f in "$2"/*.vl.json; do : > "${f%.vl.json}.svg"; done\n')
        self.run_ok(*arguments, env=environment)
        self.assertNotIn(b"<!-- earlier -->", (folder / "report.html").read_bytes())


if __name__ == "__main__":
    support.main()
