"""`fakequant evaluate` prints what llama-perplexity --no-repack prints: every digit of the running values, the estimate and its +/-."""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from support import DATA, DEMO, SHARED, STORIES, ProgramTest, llama, llama_whole, main  # noqa: E402

TEXT = DATA / "demo-wordnet-heldout.txt"
WIKI = SHARED / "text" / "wiki.test.raw"
# More threads than free processors spin in ggml's barriers; two show that their number does not matter.
DEFAULT_THREADS = "1"
CPUINFO = pathlib.Path("/proc/cpuinfo")
FINAL = re.compile(r"Final estimate: PPL = (\S+) \+/- (\d+\.\d{5})")


def llama_perplexity(model, text, *options):
    """(running values, estimate, +/-) as printed, with our options: repacking is off unless they have --repack."""
    repacking = [] if "--repack" in options else ["--no-repack"]
    options = [option for option in options if option != "--repack"]
    output, messages = llama_whole("llama-perplexity", "-m", model, "-f", text, "--no-warmup", *repacking, *options,
                                   complete=lambda out, err: FINAL.search(out + err) and out.rstrip(" ").endswith("\n"))
    final = FINAL.search(output + messages)
    running = re.findall(r"\[(\d+)\](\d+\.\d{4}),", output)
    return [value for _, value in running], final.group(1), final.group(2)


class LlamaPerplexity(ProgramTest):
    def setUp(self):
        super().setUp()
        self.text = self.write("text.txt", TEXT.read_bytes()[:12000])

    def evaluate(self, model, text, *options):
        result = self.run_json("evaluate", model, "-f", text, *options)
        found = result["texts"][0]["model"]
        return [f"{v:.4f}" for v in found["running"]], f"{found['perplexity']:.4f}", f"{found['perplexity_error']:.5f}"

    def check(self, model, *options, text=None):
        text = text or self.text
        options = list(map(str, options))
        if "-t" not in options:
            options += ["-t", DEFAULT_THREADS]
        ours = self.evaluate(model, text, *options)
        self.assertEqual(ours, llama_perplexity(model, text, *options), f"{model} {options}")
        return ours

    def test_batches_and_threads(self):
        # Last digits differ between some of these, for both programs alike.
        found = {batch: self.check(DEMO, "-c", 128, "-b", batch, "--chunks", 5) for batch in (2048, 300, 256, 100)}
        self.assertEqual(self.check(DEMO, "-c", 128, "-b", 256, "--chunks", 5, "-t", 2), found[256])

    def test_contexts(self):
        for context in (256, 33, 300):
            self.check(DEMO, "-c", context, "--chunks", 3)

    def test_flash_attention_and_caches(self):
        found = set()
        for options in (("-fa", "on"), ("-fa", "off"), ("-fa", "on", "-ctk", "q8_0", "-ctv", "q4_0"), ("-ctk", "bf16", "-ctv", "f32"),
                        ("-ngl", "0"), ("-ngl", "1"), ("-ngl", "99")):
            found.add(self.check(DEMO, "-c", 128, "--chunks", 4, *options)[1])
        self.assertGreater(len(found), 2)  # the options reach llama.cpp

    def test_repacked_weights(self):
        differ = 0
        for kind in ("Q4_0", "Q4_K_M", "Q8_0"):
            path = self.path(f"{kind}.gguf")
            llama("llama-quantize", DEMO, path, kind, "2")
            repacked = self.check(path, "-c", 256, "--chunks", 3, "--repack")
            differ += repacked != self.check(path, "-c", 256, "--chunks", 3)
        # Where the processor has instructions for some layout; Q8_0 comes out alike.
        if {"avx2", "asimd"} & set(CPUINFO.read_text(encoding="utf-8").split() if CPUINFO.exists() else ()):
            self.assertGreaterEqual(differ, 1)

    def test_storage_types(self):
        wide = self.path("f32.gguf")
        self.run_ok("quantize", "demo", wide, "--tensors", "all", "--format", "f32", "--store", "f32", "-q")
        found = {self.check(DEMO, "-c", 256, "--chunks", 3)[1], self.check(wide, "-c", 256, "--chunks", 3)[1]}
        for kind in ("Q8_0", "Q4_K_M"):
            path = self.path(f"{kind}.gguf")
            llama("llama-quantize", DEMO, path, kind, "2")
            found.add(self.check(path, "-c", 256, "--chunks", 3)[1])
        self.assertGreaterEqual(len(found), 3)

    def test_texts_are_read_alike(self):
        text = TEXT.read_text(encoding="utf-8")[:6000]
        for name, content in {"none": text, "two": text + "\n\n", "crlf": text.replace("\n", "\r\n"),
                              "special": text + "</s><s> <|endoftext|>" * 20, "utf8": "中文 é 🌳 " * 100 + text}.items():
            path = self.write(f"{name}.txt", content.encode())
            self.check(DEMO, "-c", 64, text=path)

    def test_a_split_model(self):
        llama("llama-gguf-split", "--split", "--split-max-tensors", "20", DEMO, self.path("demo"))
        parts = sorted(self.folder.glob("demo-*.gguf"))
        wanted = self.check(DEMO, "-c", 128, "--chunks", 2)
        for part in parts:
            self.assertEqual(self.evaluate(part, self.text, "-c", "128", "--chunks", "2"), wanted)

    def test_stories(self):
        if not STORIES.exists() or not WIKI.exists():
            self.skipTest(f"no {STORIES} or {WIKI}")
        self.check(STORIES, "-c", 512, "-b", 2048, "--chunks", 4, text=WIKI)
        self.check(STORIES, "--chunks", 8, "-c", 128, text=WIKI)

    def test_stories_known_number(self):
        if not STORIES.exists() or not WIKI.exists():
            self.skipTest(f"no {STORIES} or {WIKI}")
        running, estimate, error = self.evaluate(STORIES, WIKI, "-c", "512", "-b", "2048", "--chunks", "40", "-t", "2")
        self.assertEqual((len(running), estimate, error), (40, "164.9042", "6.57147"))


if __name__ == "__main__":
    main()
