#!/usr/bin/env python3
"""The peer of `fakequant quantize --tensors ffn_norm --layers 0 --format bf16:rtz`, written as people write it with gguf-py
and numpy: read the model, truncate one F32 tensor to BF16, measure the difference, write a whole new file.

Usage: gguf_py_fake_quantize.py IN.gguf OUT.gguf        (gguf-py must be on PYTHONPATH)
"""

import sys

import gguf
import numpy

TENSOR = "blk.0.ffn_norm.weight"
EPSILON = 1e-12


def truncate_to_bf16(values):
    return (values.view(numpy.uint32) & numpy.uint32(0xFFFF0000)).view(numpy.float32)


def copy_metadata(reader, writer):
    for field in reader.fields.values():
        if field.name == gguf.Keys.General.ARCHITECTURE or field.name.startswith("GGUF."):
            continue  # the writer adds these itself
        kind = field.types[0]
        element = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=element)


def main():
    source, target = sys.argv[1:]
    reader = gguf.GGUFReader(source)
    architecture = reader.fields[gguf.Keys.General.ARCHITECTURE].contents()
    writer = gguf.GGUFWriter(target, architecture, endianess=reader.endianess)
    copy_metadata(reader, writer)
    for tensor in reader.tensors:
        values = tensor.data
        if tensor.name == TENSOR:
            values = truncate_to_bf16(values)
            difference = numpy.abs(tensor.data - values)
            relative = difference / (numpy.abs(tensor.data) + EPSILON)
            print(f"{TENSOR}: max_abs {difference.max():.4e}, mean_abs {difference.mean():.4e}, max_rel {relative.max():.6f}")
        writer.add_tensor(tensor.name, values, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
