#pragma once
// How formats are spelled: NAME[:parameter]* over the catalog's names and eXmY:KIND. One table of parameters serves
// parser, help and full names.

#include <string>
#include <string_view>
#include <vector>

#include "formats/catalog.h"

namespace fakequant {

// Parses NAME[:parameter]*, case ignored. Throws UsageError naming the part that is wrong, what may stand there,
// and near names.
Format parse_format(std::string_view text);

// Several, separated by commas; at least one, each once. Throws UsageError as parse_format does, or for a format
// given twice.
std::vector<Format> parse_format_list(std::string_view text);

// "ieee", "fn", "fnuz", "finite"; "rne", "rtz", "rna", "sr".
std::string_view name_of(FloatKind kind);
std::string_view name_of(Rounding rounding);

// The full spelling of one of our own formats, in which everything that decides its numbers stands: bf16:rtz,
// int4:group=32:restricted:rne. parse_format gives the same format back.
std::string canonical_name(const BlockFormat& format);

// The parameters that `format` accepts, one per line of help: {":rne|rtz|rna|sr", "rounding ..."}; empty for ggml
// types and f32. The meaning names the default of the catalog's entry.
struct ParameterHelp {
  std::string spelling;
  std::string meaning;
};
std::vector<ParameterHelp> parameters_of(const Format& format);

}  // namespace fakequant
