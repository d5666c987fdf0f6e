"""Stock llama.cpp loads what fakequant writes, generates from it, and splits and merges it: issue 2, section 3.

What changes no value must change no word; what changes types must change nothing but types."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from support import DEMO, ProgramTest, gguf_py, llama, llama_tool, main  # noqa: E402

PROMPT = "tree: a tall"


def generate(model):
    """What llama.cpp writes after a prompt, without sampling."""
    return llama("llama-completion", "-m", model, "-p", PROMPT, "-n", "16", "--temp", "0", "--seed", "1", "-no-cnv", "--no-warmup", "-t", "2")


class Loads(ProgramTest):
    def setUp(self):
        super().setUp()
        llama_tool("llama-completion")

    def quantize(self, name, *options, source="demo"):
        output = self.path(name)
        self.run_ok("quantize", source, output, *options, "-q")
        return output

    def test_fake_quantized_copies(self):
        original = generate(DEMO)
        self.assertGreater(len(original.strip()), len(PROMPT))
        words = {}
        for name, options in {
                "norms": ("--tensors", "norm", "--format", "bf16:rtz"), "int4": ("--tensors", "matrices", "--format", "int4:group=32"),
                "int2": ("--tensors", "matrices", "--format", "int2:tensor"), "q4_k": ("--tensors", "matrices", "--format", "q4_k"),
                "stamped": ("--tensors", "ffn_norm", "--layers", "0", "--format", "bf16:rtz", "--stamp")}.items():
            words[name] = generate(self.quantize(f"{name}.gguf", *options))
            self.assertGreater(len(words[name].strip()), 0, name)
        self.assertNotEqual(words["int2"], original)  # the rounded weights are the ones that it uses

    def test_other_storage_types(self):
        original = generate(DEMO)
        for name, options in {
                "wide": ("--tensors", "all", "--format", "f32", "--store", "f32"),
                "stamped": ("--tensors", "all", "--format", "f32", "--stamp"),
                "exact": ("--tensors", "norm", "--format", "f32", "--store", "auto")}.items():
            output = self.quantize(f"{name}.gguf", *options)
            self.assertEqual(self.run_json("compare", "demo", output)["total"]["changed_count"], 0)
            self.assertEqual(generate(output), original, name)
        narrowed = self.quantize("narrow.gguf", "--tensors", "matrices", "--format", "f32", "--store", "narrow", source=self.path("wide.gguf"))
        self.assertEqual(narrowed.stat().st_size, DEMO.stat().st_size)
        self.assert_same_file(narrowed, DEMO)
        for store in ("f16", "bf16", "auto", "f32"):
            output = self.quantize(f"m-{store}.gguf", "--tensors", "matrices", "--format", "int4:group=32", "--store", store)
            self.assertGreater(len(generate(output).strip()), 0, store)

    def test_narrowed_to_quantized_types(self):
        """What ggml's own types hold exactly is stored in them, and llama.cpp runs it."""
        for form, kind in (("mxfp4", "MXFP4"), ("mxfp4_ggml", "MXFP4"), ("q4_0", "Q4_0"), ("q8_0", "Q8_0")):
            wide = self.quantize(f"{form}-wide.gguf", "--tensors", "ffn_down", "--format", form, "--store", "f32", "--force")
            for source, options in (("demo", ("--format", form)), (wide, ("--format", "f32"))):
                narrow = self.quantize(f"{form}-narrow.gguf", "--tensors", "ffn_down", *options, "--store", "narrow", "--force", source=source)
                types = {t.tensor_type.name for t in gguf_py().GGUFReader(narrow).tensors if ".ffn_down." in t.name}
                self.assertEqual(types, {kind})
                total = self.run_json("compare", wide, narrow)["total"]
                self.assertEqual(total["max_abs"], 0)
                if form != "mxfp4":  # its -0 become 0, which compare counts as changes
                    self.assertEqual(total["changed_count"], 0)
                # Words may differ from the wide file's: kernels of quantized types round activations.
                self.assertGreater(len(generate(narrow).strip()), len(PROMPT))

    def test_from_quantized_models(self):
        for kind in ("Q8_0", "Q4_K_M", "IQ4_XS"):
            source = self.path(f"{kind}.gguf")
            llama("llama-quantize", DEMO, source, kind, "2")
            output = self.quantize(f"{kind}-norms.gguf", "--tensors", "norm", "--format", "bf16:rtz", source=source)
            self.assertEqual(output.stat().st_size, source.stat().st_size)
            self.assertGreater(len(generate(output).strip()), 0)
            wide = self.quantize(f"{kind}-wide.gguf", "--tensors", "matrices", "--format", "int4:group=32", "--store", "auto", source=source)
            self.assertGreater(len(generate(wide).strip()), 0)
            self.assert_refused("quantize", source, self.path("refused.gguf"), "--tensors", "matrices", "--format", "int4:group=32",
                                says="--store auto")
            # What a quantized file holds already stays as it is, bit by bit.
            same = self.quantize(f"{kind}-same.gguf", "--tensors", "all", "--format", "f32", source=source)
            self.assert_same_file(same, source)


class Metadata(ProgramTest):
    """Field by field by gguf-py: value, type and order."""

    def fields(self, path):
        reader = gguf_py().GGUFReader(path)
        return [(f.name, [t.name for t in f.types], f.contents()) for f in reader.fields.values() if not f.name.startswith("GGUF.")]

    def test_carried_over_exactly_when_types_change(self):
        wanted = self.fields(DEMO)
        for name, options in {"wide": ("--tensors", "all", "--format", "f32", "--store", "f32"),
                              "int": ("--tensors", "matrices", "--format", "int4:group=32", "--store", "auto")}.items():
            output = self.path(f"{name}.gguf")
            self.run_ok("quantize", "demo", output, *options, "-q")
            self.assertEqual(self.fields(output), wanted)
        reader = gguf_py().GGUFReader(output)
        self.assertEqual({t.tensor_type.name for t in reader.tensors}, {"F32"})
        self.assertEqual([t.name for t in reader.tensors], [t.name for t in gguf_py().GGUFReader(DEMO).tensors])

    def test_a_stamp_comes_behind_them(self):
        output = self.path("out.gguf")
        self.run_ok("quantize", "demo", output, "--tensors", "norm", "--format", "bf16", "--stamp", "-q")
        wanted, found = self.fields(DEMO), self.fields(output)
        self.assertEqual(found[:len(wanted)], wanted)
        self.assertTrue(all(name.startswith("fakequant.") for name, _, _ in found[len(wanted):]))
        self.assertEqual(len(found), len(wanted) + 3)


class Splits(ProgramTest):
    def setUp(self):
        super().setUp()
        llama("llama-gguf-split", "--split", "--split-max-tensors", "20", DEMO, self.path("demo"))
        self.parts = sorted(self.folder.glob("demo-*.gguf"))
        self.assertEqual(len(self.parts), 3)

    def test_llama_splits_fakequant_rounds_llama_merges(self):
        whole = self.path("whole.gguf")
        self.run_ok("quantize", "demo", whole, "--tensors", "matrices", "--format", "int4:group=32", "-q")
        for part in self.parts:
            self.assertEqual(self.run_json("compare", "demo", part)["total"]["changed_count"], 0)
            self.run_ok("quantize", part, self.path("out.gguf"), "--tensors", "matrices", "--format", "int4:group=32", "-q", "--force")
            outputs = sorted(self.folder.glob("out-*.gguf"))
            self.assertEqual([p.stat().st_size for p in outputs], [p.stat().st_size for p in self.parts])
            self.assertEqual(self.run_json("compare", whole, outputs[2])["total"]["changed_count"], 0)
        llama("llama-gguf-split", "--merge", outputs[0], self.path("merged.gguf"))
        self.assertEqual(self.run_json("compare", whole, self.path("merged.gguf"))["total"]["changed_count"], 0)
        self.assertEqual(generate(outputs[0]), generate(whole))

    def test_types_change_in_splits(self):
        self.run_ok("quantize", self.parts[1], self.path("wide.gguf"), "--tensors", "all", "--format", "f32", "--store", "f32", "-q")
        self.assertEqual(generate(self.path("wide-00001-of-00003.gguf")), generate(DEMO))


if __name__ == "__main__":
    main()
