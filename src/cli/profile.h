#pragma once
// fakequant quantize --profile: formats against tensor roles, as tables and as JSON.

#include <cstdint>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/selection.h"

namespace fakequant::cli {

struct ProfileRequest {
  std::string model;
  SelectionOptions selection;
  std::string formats;          // separated by commas; "" for a choice of our own
  std::string importance_path;  // "" for none
  std::optional<uint64_t> seed;
};

// Measures and prints; writes no file but the JSON. Returns an exit code.
int run_profile(const ProfileRequest& request, const CommonOptions& common);

// The formats that are shown when none are named, for help: "bf16, int8, ...".
std::string profile_formats_help();

}  // namespace fakequant::cli
