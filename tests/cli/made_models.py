#!/usr/bin/env python3
"""Models that llama.cpp loads, made from the demo model with what others are known for. They still write its language.

By hand: tests/cli/made_models.py tinyllama|llama32 FILE
"""

import pathlib
import sys
import tempfile
import unittest

from support import DATA, DEMO, gguf_py, llama


class DemoCopy:
    """The demo model to be changed: `metadata`, key -> (kind, kind of elements, value), and `tensors`, name -> numpy array; saved anew."""

    def __init__(self):
        self.module = gguf_py()
        reader = self.module.GGUFReader(DEMO)
        array = self.module.GGUFValueType.ARRAY
        self.metadata = {field.name: (field.types[0], field.types[-1] if field.types[0] == array else None, field.contents())
                         for field in reader.fields.values()
                         if not field.name.startswith("GGUF.") and field.name != "general.architecture"}
        self.tensors = {tensor.name: tensor.data for tensor in reader.tensors}

    def set(self, key, value):
        kinds = self.module.GGUFValueType
        kind = {str: kinds.STRING, int: kinds.UINT32, float: kinds.FLOAT32}[type(value)]
        self.metadata[key] = (kind, None, value)

    def save(self, path):
        """Arrays of F32 and F16 are stored as these."""
        writer = self.module.GGUFWriter(path, "llama")
        for key, (kind, element_kind, value) in self.metadata.items():
            writer.add_key_value(key, value, kind, element_kind)
        for name, values in self.tensors.items():
            writer.add_tensor(name, values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path


def as_bf16(values):
    """F32 values with their low 16 bits cleared."""
    import numpy  # pylint: disable=import-outside-toplevel
    return (values.astype(numpy.float32).view(numpy.uint32) & numpy.uint32(0xFFFF0000)).view(numpy.float32)


def round_norms(model):
    """Makes norms F32 in name and BF16 in fact, as in models that were trained in BF16."""
    for name, values in model.tensors.items():
        if values.ndim == 1:
            model.tensors[name] = as_bf16(values)


def longrope_demo(path, original_context, context):
    """Writes the demo model as one that turns positions by other factors above `original_context` tokens of context; returns the path."""
    import numpy  # pylint: disable=import-outside-toplevel
    model = DemoCopy()
    model.set("llama.context_length", context)
    model.set("llama.rope.scaling.type", "longrope")
    model.set("llama.rope.scaling.original_context_length", original_context)
    turned = model.metadata["llama.rope.dimension_count"][2] // 2
    for name, factor in (("long", 2.1), ("short", 1.1)):
        model.tensors[f"rope_factors_{name}.weight"] = numpy.full(turned, factor, dtype=numpy.float32)
    return model.save(path)


def tinyllama_like(path):
    """Writes a model with the tensors of TinyLlama-1.1B Q4_K_M, but narrower: 22 layers, 201 tensors, of them 45 F32 norms that are BF16
    in fact, 135 Q4_K and 21 Q6_K, chosen and quantized by llama-quantize; returns the path.

    Six layers are the demo's; the others are random and add a fiftieth of what those add, so that every weight counts for something.
    """
    import numpy  # pylint: disable=import-outside-toplevel
    model = DemoCopy()
    layers, trained = 22, {0: 0, 4: 1, 8: 2, 13: 3, 17: 4, 21: 5}
    source, random = dict(model.tensors), numpy.random.default_rng(22)
    model.set("general.name", "TinyLlama's tensors, made of the demo model")
    model.set("llama.block_count", layers)
    outside = {name: values for name, values in source.items() if not name.startswith("blk.")}
    model.tensors = {"token_embd.weight": outside.pop("token_embd.weight")}
    for layer in range(layers):
        like = trained.get(layer, layer % 6)
        for name, values in source.items():
            if not name.startswith(f"blk.{like}."):
                continue
            role = name.split(".", 2)[2]
            if layer not in trained:
                share = 1 / 50 if role in ("attn_output.weight", "ffn_down.weight") else 1
                drawn = random.normal(values.mean(dtype="f8"), values.std(dtype="f8"), values.shape) * share
                values = drawn.astype(values.dtype)
            model.tensors[f"blk.{layer}.{role}"] = values
    model.tensors.update(outside)
    round_norms(model)
    with tempfile.TemporaryDirectory() as folder:
        wide = model.save(pathlib.Path(folder) / "f16.gguf")
        llama("llama-quantize", wide, path, "Q4_K_M", 2)
    return path


def llama32_like(path):
    """Writes a model with what is special in Llama-3.2-1B F16: norms that are BF16 in fact, heads of 64 values, and `rope_freqs.weight` with its
    32 values, the only tensor with the precision of F32; returns the path.

    The demo's heads are half as long: each pair of values that turns together goes where it turns as fast as before, with zeros between.
    """
    import numpy  # pylint: disable=import-outside-toplevel
    model = DemoCopy()
    model.set("general.name", "Llama-3.2's traits, made of the demo model")
    size = model.metadata["llama.rope.dimension_count"][2]
    for key in ("rope.dimension_count", "attention.key_length", "attention.value_length"):
        model.set(f"llama.{key}", 2 * size)

    def spread(rows):
        """Pairs of rows with a pair of zeros behind each."""
        pairs = rows.reshape(-1, 1, 2, rows.shape[1])
        return numpy.concatenate((pairs, numpy.zeros_like(pairs)), axis=1).reshape(-1, rows.shape[1])

    for name, values in model.tensors.items():
        role = name.split(".")[-2]
        if role in ("attn_q", "attn_k", "attn_v"):
            # Scores are divided by the root of the head's size: queries make up for it.
            factor = 2 ** 0.5 if role == "attn_q" else 1
            model.tensors[name] = spread((values * factor).astype(values.dtype))
        if role == "attn_output":
            model.tensors[name] = numpy.ascontiguousarray(spread(values.T).T)
    round_norms(model)
    model.tensors["rope_freqs.weight"] = numpy.fromfile(DATA / "rope_freqs_llama32_1b.f32", dtype="<f4")
    return model.save(path)


MODELS = {"tinyllama": tinyllama_like, "llama32": llama32_like}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in MODELS:
        sys.exit(__doc__)
    try:
        MODELS[sys.argv[1]](pathlib.Path(sys.argv[2]))
    except unittest.SkipTest as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
