#pragma once
// The one table of named formats. Help, parser, tests, benchmarks and docs iterate it: to add a format, add a row.
// How formats with parameters are spelled is the grammar's.

#include <string>
#include <string_view>
#include <vector>

#include "formats/block_format.h"

namespace fakequant {

enum class FormatFamily {
  scalar,   // every value by itself
  integer,  // whole codes times a scale
  block,    // MX, NVFP4, NF4: blocks of a fixed length with a scale
  ggml,     // computed by ggml
};

struct CatalogEntry {
  std::string name;  // what the user writes, lower case
  FormatFamily family;
  Format format;        // with every parameter at its default
  std::string summary;  // one line for the table
  std::string note;     // what it does at its edges and where libraries differ, for `formats NAME`
  std::string used_by;  // hardware and software
  std::string sources;  // specifications and papers
};

// Every named format, in the order in which help and tests show them.
const std::vector<CatalogEntry>& catalog();

// The entry for floating-point formats without a name of their own, eXmY:KIND; it is not in the catalog, since it is
// no single format (its `format` is an example: e3m4:ieee).
const CatalogEntry& generic_float_entry();

// The entry that `format` is of, whatever its parameters; the generic one for unnamed floating-point grids.
const CatalogEntry& entry_of(const Format& format);

// The name under which the grid and kind of scale of `format` stand in the catalog, "" for an unnamed
// floating-point grid. Parameters do not matter.
std::string catalog_name(const BlockFormat& format);

// What happens to overflow when nothing is said: Inf in bf16, f16, tf32 and the generic :ieee grids, the largest
// value in all others.
Overflow default_overflow(const FloatGrid& grid);

// Why rounding values a second time may change them again, or "" when twice gives the same bits as once.
std::string repetition_note(const Format& format);

// "scalar", "integer", "block", "ggml".
std::string_view name_of(FormatFamily family);

// A ggml type's name in the grammar: q4_k; mxfp4_ggml and nvfp4_ggml, whose plain names are the standards'
// formats.
std::string lower_name(TensorType type);

}  // namespace fakequant
