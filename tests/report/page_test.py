#!/usr/bin/env python3
"""The page of fakequant report in a real browser: page_check.mjs looks at it, on runs whose names are hostile too; images of charts."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))

import sample_runs  # noqa: E402
import support  # noqa: E402

PACKAGES = os.environ.get("FAKEQUANT_PAGE_TEST_PACKAGES", "")
CHECK = pathlib.Path(__file__).with_name("page_check.mjs")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHARTS = {"perplexity", "divergence", "tails", "confidence", "frontier", "error-map", "weights", "differences", "precision-map"}

HOSTILE = """</script><script>alert(1)</script><img src=x onerror=alert(2)>"'&{{body}}\u202e"""


def spec(second_text):
    """Everything that a page can show, small: two texts, three sizes, prompts, a control."""
    return {"title": "a page to look at", "model": "demo", "model_name": "demo", "chunks": 8,
            "texts": [("first.txt", support.DATA / "demo-wordnet-heldout.txt"), ("second.txt", second_text)],
            "stages": [("one", None)],
            "variants": [("norms", "one", sample_runs.norms("0")),
                         ("ffn int4", "one", [{"tensors": "ffn", "format": "int4:group=32"}]),
                         ("attn int8", "one", [{"tensors": "attn", "format": "int8"}])],
            "prompts": [("Hello", 0, 42, 8), ("Write a short story about a robot.", 0.8, 42, 12)],
            "criteria": sample_runs.CRITERIA, "note": "looked at by a browser"}


def renamed(value, names):
    """JSON with strings that are among `names` replaced."""
    if isinstance(value, dict):
        return {key: renamed(element, names) for key, element in value.items()}
    if isinstance(value, list):
        return [renamed(element, names) for element in value]
    return names.get(value, value) if isinstance(value, str) else value


class PageTest(support.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.runs = pathlib.Path(tempfile.mkdtemp(prefix="fakequant-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.runs, ignore_errors=True)
        second_text = cls.runs / "second.txt"
        second_text.write_text((support.DATA / "demo-wordnet-heldout.txt").read_text(encoding="utf-8")[60000:], encoding="utf-8")
        sample_runs.Builder(cls.runs / "plain", spec(second_text)).build()
        cls.make_hostile()

    @classmethod
    def make_hostile(cls):
        """The same run with markup wherever a name or a text stands."""
        shutil.copytree(cls.runs / "plain", cls.runs / "hostile")
        journal = cls.runs / "hostile" / "journal.jsonl"
        strings = ["a page to look at", "norms", "ffn int4", "Hello", "first.txt", "ffn_norm of layer 0 in bf16:rtz"]
        names = {name: name + HOSTILE for name in strings}
        lines = [renamed(json.loads(line), names) for line in journal.read_text(encoding="utf-8").splitlines()]
        for record in lines:
            for made in record.get("result", {}).get("runs", []):
                made["baseline"]["text"] += HOSTILE
        journal.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    def page_of(self, name):
        page = self.path(f"{name}.html")
        self.run_ok("report", self.runs / name, "--format", "html", "-o", page, "-q")
        return page

    def test_a_browser_finds_nothing_wrong(self):
        if not CHROMIUM or not PACKAGES:
            self.skipTest("chromium is not installed (Debian: chromium)")
        pages = [self.page_of("plain"), self.page_of("hostile")]
        result = subprocess.run(["node", CHECK, PACKAGES, CHROMIUM, *pages], capture_output=True, text=True, check=False, timeout=280)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_a_page_is_small_and_asks_for_nothing(self):
        text = self.page_of("plain").read_text(encoding="utf-8")
        self.assertLess(len(text.encode()), 3_000_000)
        self.assertIn("default-src 'none'", text)
        for address in ('src="http', 'href="http', "@import", "url("):
            self.assertNotIn(address, text.split("<script>")[0])

    def test_charts_are_drawn_for_papers(self):
        if not shutil.which("rsvg-convert"):
            self.skipTest("rsvg-convert is not installed (Debian: librsvg2-bin)")
        for name in ("plain", "hostile"):
            folder = self.path(f"charts of {name}")
            self.run_ok("report", self.runs / name, "--format", "md", "-o", self.path("a.md"), "--charts", folder, "-q")
            self.assertEqual({path.name.split(".")[0] for path in folder.iterdir()}, CHARTS)
            for chart in CHARTS:
                self.assertTrue((folder / f"{chart}.svg").read_text(encoding="utf-8").startswith("<svg"), chart)
                self.assertEqual((folder / f"{chart}.png").read_bytes()[:4], b"\x89PNG", chart)
                self.assertTrue(json.loads((folder / f"{chart}.vl.json").read_text(encoding="utf-8"))["data"]["values"], chart)

    def test_without_node_nothing_appears_and_the_reason_is_told(self):
        folder = self.path("charts")
        result = self.run_ok("report", self.runs / "plain", "--format", "md", "-o", self.path("b.md"), "--charts", folder, code=support.FAILED,
                             env={**os.environ, "PATH": str(self.folder)})
        self.assertRegex(result.stderr, r"^fakequant: charts are drawn by node, which is not installed \(Debian: nodejs\)[^\n]*\n$")
        self.assertFalse(folder.exists())
        self.assertFalse((self.path("b.md")).exists())


if __name__ == "__main__":
    support.main()
