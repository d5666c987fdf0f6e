"""A tensor that fakequant rounds to a ggml type holds what llama-quantize --pure writes for it, dequantized: every type, with and
without importance matrix, the matrix read from llama-imatrix's GGUF and older files.

Two witnesses dequantize: `fakequant compare` (by ggml) and, where it knows the type, llama.cpp's gguf-py (in numpy)."""

import pathlib
import sys
import tempfile


sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from support import (DATA, DEMO, DONE, SANITIZED, ProgramTest, gguf_py, llama, llama_tool, main, run)  # noqa: E402

# Our format -> (type of llama-quantize, without importance matrix, with). llama-quantize asks for a matrix in more cases than ggml.
TYPES = {
    "q1_0": ("Q1_0", True, True), "q2_0": ("Q2_0", True, True), "q4_0": ("Q4_0", True, True), "q4_1": ("Q4_1", True, True),
    "q5_0": ("Q5_0", True, True), "q5_1": ("Q5_1", True, True), "q8_0": ("Q8_0", True, True), "q2_k": ("Q2_K", True, True),
    "q3_k": ("Q3_K_S", True, True), "q4_k": ("Q4_K_S", True, True), "q5_k": ("Q5_K_S", True, True), "q6_k": ("Q6_K", True, True),
    "iq1_s": ("IQ1_S", False, True), "iq1_m": ("IQ1_M", False, True), "iq2_xxs": ("IQ2_XXS", False, True),
    "iq2_xs": ("IQ2_XS", False, True), "iq2_s": ("IQ2_M", False, True), "iq3_xxs": ("IQ3_XXS", False, True),
    "iq3_s": ("IQ3_S", True, True), "iq4_nl": ("IQ4_NL", True, True), "iq4_xs": ("IQ4_XS", True, True),
    "tq1_0": ("TQ1_0", True, True), "tq2_0": ("TQ2_0", True, True), "mxfp4_ggml": ("MXFP4_MOE", True, True),
    "nvfp4_ggml": ("nvfp4", True, True), "f16": ("F16", True, False), "bf16": ("BF16", True, False),
}
STORED = {"mxfp4_ggml": "MXFP4", "nvfp4_ggml": "NVFP4"}
SLOW = ("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s")
LEGACY_TYPES = ("q4_0", "q4_k", "iq4_xs", "iq2_xxs")
# llama-quantize cannot write the token embedding in low-bit types without an entry in the matrix, and llama-imatrix makes none.
SELECTION = ("--tensors", "matrices,!embedding")
TENSORS = 8


class LlamaQuantize(ProgramTest):
    @classmethod
    def setUpClass(cls):
        for tool in ("llama-quantize", "llama-imatrix"):
            llama_tool(tool)
        folder = tempfile.TemporaryDirectory(prefix="fakequant-llama-")
        cls.addClassCleanup(folder.cleanup)
        cls.shared = pathlib.Path(folder.name)
        # One layer of the demo model in F32: a tensor of every shape, in a quarter of the time.
        cls.model = cls.shared / "f32.gguf"
        whole = cls.shared / "whole.gguf"
        made = run("quantize", DEMO, whole, "--tensors", "all", "--format", "f32", "--store", "f32", "--no-sync")
        if made.returncode != DONE:
            raise AssertionError(made.stderr)
        llama("llama-quantize", "--prune-layers", "1,2,3,4,5", whole, cls.model, "F32")
        whole.unlink()
        cls.matrices = {"gguf": cls.shared / "imatrix.gguf", "dat": cls.shared / "imatrix.dat"}
        for form, path in cls.matrices.items():
            llama("llama-imatrix", "-m", cls.model, "-f", DATA / "demo-wordnet-heldout.txt", "-c", "128", "--chunks", "4", "-t", "2",
                  "--no-ppl", "--process-output", "--output-format", form, "-o", path)
        if cls.matrices["dat"].read_bytes()[:4] == b"GGUF":
            raise AssertionError("llama-imatrix wrote no older file")

    def quantize_both(self, form, matrix):
        theirs, ours = self.path("theirs.gguf"), self.path("ours.gguf")
        options = ["--imatrix", matrix] if matrix else []
        name = TYPES[form][0]
        kind = ["--tensor-type", f"weight={name}", "--output-tensor-type", name] if name == "nvfp4" else ["--pure"]
        llama("llama-quantize", *kind, "--token-embedding-type", "f32", *options, self.model, theirs,
              "Q8_0" if name == "nvfp4" else name, "2")
        result = self.run_json("quantize", self.model, ours, *SELECTION, "--format", form, *options, "--no-sync")
        return theirs, ours, result

    def check(self, form, matrix=None):
        theirs, ours, result = self.quantize_both(form, matrix)
        self.assertEqual(len(result["tensors"]), TENSORS)
        if form != "f16":  # the demo model is F16
            self.assertGreater(result["total"]["changed_count"], 0)
        comparison = self.run_json("compare", theirs, ours)
        stored = STORED.get(form, form.upper())
        by_type = [t for t in comparison["tensors"] if t["type_before"] == stored]
        self.assertEqual(len(by_type), TENSORS, f"llama-quantize did not write {stored}")
        for tensor in comparison["tensors"]:
            self.assertEqual((tensor["changed_count"], tensor["max_abs"]), (0, 0), tensor["name"])
            if tensor["type_before"] == stored:
                self.assertEqual(tensor["type_after"], "F32")
        self.check_by_gguf_py(theirs, ours)

    def check_by_gguf_py(self, theirs, ours):
        gguf = gguf_py()
        import numpy  # pylint: disable=import-outside-toplevel
        written = {t.name: t for t in gguf.GGUFReader(theirs).tensors}
        for tensor in gguf.GGUFReader(ours).tensors:
            other = written[tensor.name]
            try:
                values = gguf.quants.dequantize(other.data, other.tensor_type)
            except NotImplementedError:
                continue
            same = numpy.array_equal(values.reshape(-1), tensor.data.reshape(-1), equal_nan=True)
            self.assertTrue(same, f"{tensor.name}, {other.tensor_type.name} by gguf-py")

    def test_every_ggml_type_of_the_catalog_is_here(self):
        formats = self.run_json("formats")["formats"]
        self.assertEqual({f["name"] for f in formats if f["family"] == "ggml"}, set(TYPES) - {"f16", "bf16"})

    def test_importance_matters_and_both_forms_are_read(self):
        outputs = {}
        for form, path in {"none": None, **self.matrices}.items():
            outputs[form] = self.path(f"{form}.gguf")
            options = ["--imatrix", path] if path else []
            self.run_ok("quantize", self.model, outputs[form], *SELECTION, "--format", "q4_k", *options)
        self.assertNotEqual(outputs["none"].read_bytes(), outputs["gguf"].read_bytes())
        self.assertNotEqual(outputs["none"].read_bytes(), outputs["dat"].read_bytes())

    def test_a_type_that_needs_a_matrix_says_so(self):
        for form in ("iq2_xxs", "iq2_xs", "iq1_s"):
            with self.subTest(form):
                self.assert_refused("quantize", self.model, self.path("out.gguf"), *SELECTION, "--format", form,
                                    says=("tensor 'output.weight'", form, "importance matrix", "--imatrix"))
        self.assert_only()

    def test_a_tensor_without_an_entry_is_named(self):
        options = ("--imatrix", self.matrices["gguf"])
        result = self.run_ok("quantize", self.model, self.path("out.gguf"), "--tensors", "embedding", "--format", "q4_k", *options)
        self.assertIn("has no entry for token_embd.weight:", result.stderr)
        self.assert_refused("quantize", self.model, self.path("out2.gguf"), "--tensors", "embedding", "--format", "iq1_s", *options,
                            says=("token_embd.weight", "needs an importance matrix"))

    def test_a_matrix_of_another_model_is_refused(self):
        from support import Gguf, floats  # pylint: disable=import-outside-toplevel
        name = "blk.0.attn_q.weight"
        for values, word in (([1.0] * 32, "wanted 256"), ([0.0] * 256, "for every channel"), ([float("nan")] * 256, "wanted a number from 0")):
            wrong = self.write("wrong.gguf", Gguf([(name + ".in_sum2", "F32", (len(values), 1), floats(values)),
                                                   (name + ".counts", "F32", (1, 1), floats([4.0]))]))
            self.assert_refused("quantize", self.model, self.path("out.gguf"), "--tensors", "attn_q", "--format", "q4_k",
                                "--imatrix", wrong, says=(name, word))
        for data in (b"", b"\x01", b"\x01\0\0\0\xff\xff\xff\x7f", self.matrices["dat"].read_bytes()[:1000]):
            self.assert_refused("quantize", self.model, self.path("out.gguf"), "--tensors", "attn_q", "--format", "q4_k",
                                "--imatrix", self.write("wrong.dat", data), says="wrong.dat")
        self.assert_refused("quantize", self.model, self.path("out.gguf"), "--tensors", "attn_q", "--format", "q4_k",
                            "--imatrix", self.model, says="without importance entries")
        self.assertFalse(self.path("out.gguf").exists())


def _add(name, form, matrix):
    def test(self):
        if SANITIZED and form in SLOW:
            self.skipTest(f"{form} is slow and its arithmetic is ggml's: the release tree runs it")
        self.check(form, self.matrices[matrix] if matrix else None)
    setattr(LlamaQuantize, name, test)


for _form, (_, _without, _with) in TYPES.items():
    if _without:
        _add(f"test_{_form}_without_importance", _form, None)
    if _with:
        _add(f"test_{_form}_with_importance", _form, "gguf")
for _form in LEGACY_TYPES:
    _add(f"test_{_form}_with_importance_of_an_older_file", _form, "dat")


if __name__ == "__main__":
    main()
