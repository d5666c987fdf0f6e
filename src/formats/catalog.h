#pragma once
// The one table of named formats, and the grammar NAME[:param]* over it. Help, parser, tests, benchmarks and docs iterate
// the table: to add a format, add a row.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/block_format.h"

namespace fakequant {

enum class FormatFamily { scalar, integer, ggml };

struct CatalogEntry {
  std::string name;         // what the user writes, lower case
  FormatFamily family;
  Format format;            // with every parameter at its default
  std::string summary;      // one line for the table
  std::string note;         // edges and sources, for `formats NAME`
};

// Every named format, in the order in which help and tests show them.
const std::vector<CatalogEntry>& catalog();

// The parameters that NAME accepts, for help and errors: {":rne|rtz|rna", ...}; empty for ggml types.
std::vector<std::string> parameters_of(const CatalogEntry& entry);

// Parses NAME[:param]*, case ignored. Throws Error naming the part that is wrong, what may stand there, and near names.
Format parse_format(std::string_view text);

// The entry that `format` came from.
const CatalogEntry& entry_of(const Format& format);

}  // namespace fakequant
