#pragma once
// The one table of named formats, and the grammar NAME[:param]* over it. Help, parser, tests, benchmarks and
// docs iterate the table: to add a format, add a row.

#include <string>
#include <string_view>
#include <vector>

#include "formats/block_format.h"

namespace fakequant {

enum class FormatFamily { scalar, integer, ggml };

struct CatalogEntry {
  std::string name;  // what the user writes, lower case
  FormatFamily family;
  Format format;        // with every parameter at its default
  std::string summary;  // one line for the table
  std::string note;     // edges and sources, for `formats NAME`
};

// Every named format, in the order in which help and tests show them.
const std::vector<CatalogEntry>& catalog();

// The parameters that an entry accepts, one per line of help: {":rne|rtz|rna", "rounding ..."}; empty for
// ggml types.
struct ParameterHelp {
  std::string spelling;
  std::string meaning;
};
std::vector<ParameterHelp> parameters_of(const CatalogEntry& entry);

// Parses NAME[:param]*, case ignored. Throws UsageError naming the part that is wrong, what may stand there,
// and near names.
Format parse_format(std::string_view text);

// The full spelling of one of our own formats, in which everything that decides its numbers stands: bf16:rtz,
// int4:group=32:restricted:rne. parse_format gives the same format back.
std::string canonical_name(const BlockFormat& format);

// A ggml type's name in the grammar: q4_k; mxfp4_ggml and nvfp4_ggml, whose plain names are the standards'
// formats.
std::string lower_name(TensorType type);

// The entry that `format` came from.
const CatalogEntry& entry_of(const Format& format);

}  // namespace fakequant
