#include "cli/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "cli/json.h"
#include "cli/profile_matrix.h"
#include "cli/recipe_options.h"
#include "cli/table.h"
#include "formats/format_grammar.h"
#include "tensors/plan_remarks.h"
#include "tensors/profile.h"
#include "tensors/result_json.h"

namespace fakequant::cli {

namespace {

// What users weigh against each other: 16 to 3 bits, with and without blocks, by hardware and by ggml.
constexpr const char* kDefaultFormats[] = {
    "bf16", "int8", "e4m3", "e4m3:row", "q8_0",          "mxfp8_e4m3", "int6",  "q6_k", "mxfp6_e2m3",
    "q5_k", "q4_k", "q4_0", "nf4",      "int4:group=32", "nvfp4",      "mxfp4", "q3_k"};

// A format of the default list that no chosen tensor takes.
struct DroppedFormat {
  std::string name;
  std::string reason;  // of the first tensor
};

// Everything that is measured, and what a reader should know about it.
struct ProfileResult {
  Model model;
  std::vector<size_t> tensors;
  std::vector<DroppedFormat> dropped;
  std::optional<uint64_t> seed;  // nothing when no format draws
  Profile profile;

  std::string name_of(size_t tensor_index) const { return model.tensors()[tensor_index].info->name; }
};

std::vector<Format> choose_formats(const std::string& text, const ImportanceMatrix& importance,
                                   ProfileResult& result) {
  if (!text.empty()) return parse_format_list(text);
  std::vector<Format> formats;
  for (const char* name : kDefaultFormats) {
    Format format = parse_format(name);
    std::vector<LeftOut> unfit = unfit_tensors(result.model, result.tensors, format, importance);
    if (unfit.size() < result.tensors.size()) {
      formats.push_back(std::move(format));
    } else {
      result.dropped.push_back({format.name, unfit[0].reason});
    }
  }
  if (formats.empty()) {
    throw Error("none of {} can be measured: '{}': {}", counted(result.tensors.size(), "chosen tensor"),
                printable(result.name_of(result.tensors[0])), result.dropped[0].reason);
  }
  return formats;
}

void warn_of(const CommonOptions& common, const ProfileRequest& request, const ProfileResult& result) {
  if (request.seed && !result.seed) warn(common, kSeedUnused);
  std::vector<std::string> unweighted;
  for (size_t index : result.profile.without_importance)
    unweighted.push_back(printable(result.name_of(index)));
  if (!unweighted.empty()) warn(common, unweighted_remark(unweighted, printable(request.importance_path)));
  for (const FormatProfile& format : result.profile.formats) {
    uint64_t count = format.total.difference.new_nonfinite;
    if (count == 0) continue;
    warn(common, fmt::format("{}: {} became NaN or Inf", format.format.name, counted(count, "finite value")));
  }
}

// --- For people ---------------------------------------------------------------------------------------------------

double snr_of(const ProfileCell& cell) {
  return cell.difference.nonfinite_changes > 0 ? -INFINITY : cell.difference.snr_db();
}

double rmse_of(const ProfileCell& cell) {
  return cell.difference.nonfinite_changes > 0 ? INFINITY : cell.difference.rmse();
}

std::vector<const ProfileCell*> cells_of(const FormatProfile& format) {
  std::vector<const ProfileCell*> cells;
  for (const ProfileCell& cell : format.cells) cells.push_back(&cell);
  cells.push_back(&format.total);
  return cells;
}

// Formats by bits per weight, the largest first; at the end those that nothing was measured in.
std::vector<const FormatProfile*> by_bits(const Profile& profile) {
  std::vector<const FormatProfile*> order;
  for (const FormatProfile& format : profile.formats) order.push_back(&format);
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [](const FormatProfile* format) { return format->total.bits.value(); });
  return order;
}

std::string bits_cell(const ProfileCell& cell) {
  return cell.measured_tensors == 0 ? "-" : fmt::format("{:.4g}", cell.bits.value());
}

// Three significant digits in six characters: 129, 7.00, 0.0936; fewer below 0.01: 0.0037, 4e-05.
std::string three_digits(double value) {
  if (value == 0) return "0";
  if (value < 0.00095) return fmt::format("{:.0e}", value);
  if (value < 0.01) return fmt::format("{:.4f}", value);
  std::string text = fmt::format("{:#.3g}", value);
  return text.size() > 4 && text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

// The power of 1000 in which the largest of the values has one to three digits before its point.
int thousands_of(const Profile& profile) {
  double largest = 0;
  for (const FormatProfile& format : profile.formats) {
    for (const ProfileCell* cell : cells_of(format)) {
      double rmse = rmse_of(*cell);
      if (std::isfinite(rmse)) largest = std::max(largest, rmse);
    }
  }
  if (largest == 0) return 0;
  int power = static_cast<int>(std::floor(std::log10(largest) / 3));
  return largest / std::pow(1000.0, power) >= 999.5 ? power + 1 : power;
}

// A matrix of formats and roles; `text` makes the cell of a measure.
template <typename CellText>
Matrix make_matrix(const Profile& profile, const std::string& title, bool with_bits, const CellText& text) {
  Matrix matrix;
  matrix.title = title;
  matrix.lead_headers.push_back("format");
  if (with_bits) matrix.lead_headers.push_back("bits");
  for (const ProfileRole& role : profile.roles) matrix.headers.push_back(printable(role.name));
  if (profile.roles.size() > 1) matrix.headers.push_back("all");
  for (const FormatProfile* format : by_bits(profile)) {
    Matrix::Row row{{format->format.name}, {}};
    if (with_bits) row.lead.push_back(bits_cell(format->total));
    std::vector<const ProfileCell*> cells = cells_of(*format);
    for (size_t i = 0; i < matrix.headers.size(); ++i) {
      bool part = cells[i]->measured_tensors > 0 && !cells[i]->left_out.empty();
      row.cells.push_back({cells[i]->measured_tensors == 0 ? "-" : text(*cells[i]), part});
    }
    matrix.rows.push_back(std::move(row));
  }
  return matrix;
}

// Whether no format takes more bits per weight in one role than in another, as far as is shown.
bool bits_are_equal(const Profile& profile) {
  for (const FormatProfile& format : profile.formats) {
    for (const ProfileCell& cell : format.cells) {
      if (cell.measured_tensors > 0 && bits_cell(cell) != bits_cell(format.total)) return false;
    }
  }
  return true;
}

Matrix snr_matrix(const Profile& profile) {
  return make_matrix(profile,
                     "Signal-to-noise ratio, 10 log10(sum of weights squared / sum of errors squared), in "
                     "dB: higher is better.",
                     true, [](const ProfileCell& cell) { return fmt::format("{:.2f}", snr_of(cell)); });
}

Matrix rmse_matrix(const Profile& profile) {
  int power = thousands_of(profile);
  std::string unit = power == 0 ? "" : fmt::format(", in units of 1e{}", 3 * power);
  return make_matrix(
      profile, fmt::format("RMSE, the root of the mean squared error of a weight{}: lower is better.", unit),
      true, [&](const ProfileCell& cell) { return three_digits(rmse_of(cell) / std::pow(1000.0, power)); });
}

Matrix bits_matrix(const Profile& profile) {
  return make_matrix(profile, "Bits per weight: codes, scales and zero points.", false, bits_cell);
}

// Tensors that formats left out together, and why: a line for each format.
struct LeftOutGroup {
  std::vector<size_t> tensors;
  std::vector<std::string> lines;
};

// Adds what one format left out: a group for the tensors of each reason, or a line in a group of the same tensors.
void add_groups(const FormatProfile& format, std::vector<LeftOutGroup>& groups) {
  std::vector<std::pair<std::string, std::vector<size_t>>> reasons;
  for (const LeftOut& tensor : format.total.left_out) {
    auto same =
        std::ranges::find_if(reasons, [&](const auto& entry) { return entry.first == tensor.reason; });
    if (same == reasons.end()) same = reasons.insert(reasons.end(), {tensor.reason, {}});
    same->second.push_back(tensor.tensor_index);
  }
  for (const auto& [reason, tensors] : reasons) {
    auto group = std::ranges::find(groups, tensors, &LeftOutGroup::tensors);
    if (group == groups.end()) group = groups.insert(groups.end(), {tensors, {}});
    group->lines.push_back(fmt::format("{}: {}", format.format.name, reason));
  }
}

void print_left_out(const ProfileResult& result) {
  using enum Table::Align;
  Table table({{"format", left}, {"left out", right}, {"requested", right}, {"achieved", right}});
  std::vector<LeftOutGroup> groups;
  for (const FormatProfile* format : by_bits(result.profile)) {
    const ProfileCell& total = format->total;
    if (total.left_out.empty()) continue;
    table.add({format->format.name, format_count(total.left_out.size()),
               fmt::format("{:.4f}", total.requested_bits.value()),
               fmt::format("{:.4f}", total.achieved_bits.value())});
    add_groups(*format, groups);
  }
  if (groups.empty()) {
    fmt::print("Every format fits every tensor: requested and achieved bits per weight are the same.\n");
    return;
  }
  fmt::print(
      "*: only a part of the role's tensors was measured; -: none of them. Bits per weight of {} when\n"
      "those that are left out stay as they are:\n{}\n",
      counted(result.tensors.size(), "tensor"), table.text(terminal_styles()));
  for (const LeftOutGroup& group : groups) {
    std::vector<std::string> names;
    for (size_t index : group.tensors) names.push_back(printable(result.name_of(index)));
    fmt::print("{}:\n  {}\n", some_of(names), join(group.lines, "\n  "));
  }
}

void print_profile(const ProfileResult& result) {
  const Profile& profile = result.profile;
  uint64_t weights = 0;
  for (const ProfileRole& role : profile.roles) weights += role.weights;
  fmt::print("{}: {} of {} and {}, rounded to {}\n\n", printable(result.model.path()),
             counted(result.tensors.size(), "tensor"), counted(profile.roles.size(), "role"),
             counted(weights, "weight"), counted(profile.formats.size(), "format"));
  std::vector<Matrix> matrices{snr_matrix(profile), rmse_matrix(profile)};
  if (!bits_are_equal(profile)) matrices.push_back(bits_matrix(profile));
  print(matrices);
  print_left_out(result);
  if (!result.dropped.empty()) {
    std::vector<std::string> names;
    for (const DroppedFormat& format : result.dropped) names.push_back(format.name);
    fmt::print("Not shown, since none of these tensors takes them: {} (name one with --format to see why).\n",
               join(names, ", "));
  }
  if (result.seed) fmt::print("Stochastic rounding: seed {}.\n", *result.seed);
}

// --- For programs -------------------------------------------------------------------------------------------------

Json cell_json(const ProfileCell& cell) {
  const Difference& difference = cell.difference;
  bool measured = cell.measured_tensors > 0;
  auto of_measured = [&](double value) { return measured ? json_number(value) : Json(nullptr); };
  return {{"measured_tensors", cell.measured_tensors},
          {"left_out_tensors", cell.left_out.size()},
          {"rmse", of_measured(difference.rmse())},
          {"snr_db", of_measured(difference.snr_db())},
          {"max_abs", of_measured(difference.max_abs)},
          {"mean_abs", of_measured(difference.mean_abs())},
          {"cosine", of_measured(difference.cosine())},
          {"count", difference.count},
          {"changed_count", difference.changed_count},
          {"new_nonfinite", difference.new_nonfinite},
          {"nonfinite_changes", difference.nonfinite_changes},
          {"bits_per_weight", of_measured(cell.bits.value())},
          {"requested_bits_per_weight", cell.requested_bits.value()},
          {"achieved_bits_per_weight", cell.achieved_bits.value()},
          {"measured", bits_json(cell.bits)},
          {"requested", bits_json(cell.requested_bits)},
          {"achieved", bits_json(cell.achieved_bits)}};
}

Json format_json(const ProfileResult& result, const FormatProfile& format) {
  Json entry{{"name", format.format.name}, {"cells", Json::array()}, {"total", cell_json(format.total)}};
  for (size_t i = 0; i < format.cells.size(); ++i) {
    Json cell{{"role", result.profile.roles[i].name}};
    cell.update(cell_json(format.cells[i]));
    cell["left_out"] = Json::array();
    for (const LeftOut& tensor : format.cells[i].left_out) {
      cell["left_out"].push_back({{"name", result.name_of(tensor.tensor_index)}, {"reason", tensor.reason}});
    }
    entry["cells"].push_back(std::move(cell));
  }
  return entry;
}

Json profile_json(const ProfileResult& result) {
  Json json{{"schema_version", kSchemaVersion}, {"file", result.model.path()},
            {"seed", seed_json(result.seed)},   {"roles", Json::array()},
            {"formats", Json::array()},         {"not_measured", Json::array()}};
  for (const ProfileRole& role : result.profile.roles) {
    json["roles"].push_back(
        {{"role", role.name}, {"tensors", role.tensors.size()}, {"weights", role.weights}});
  }
  for (const FormatProfile& format : result.profile.formats) {
    json["formats"].push_back(format_json(result, format));
  }
  for (const DroppedFormat& format : result.dropped) {
    json["not_measured"].push_back({{"name", format.name}, {"reason", format.reason}});
  }
  return json;
}

}  // namespace

int run_profile(const ProfileRequest& request, const CommonOptions& common) {
  ProfileResult result;
  result.model = open_model(request.model);
  SelectionOptions selection = request.selection;
  if (selection.tensors.empty()) selection.tensors = "matrices";
  result.tensors = selected(result.model, selection);
  ImportanceMatrix importance;
  if (!request.importance_path.empty()) importance = ImportanceMatrix::load(request.importance_path);
  std::vector<std::string> inputs = result.model.paths();
  if (!request.importance_path.empty()) inputs.push_back(request.importance_path);
  check_json_target(common, inputs);
  std::vector<Format> formats = choose_formats(request.formats, importance, result);
  uint64_t seed = request.seed.value_or(kDefaultSeed);
  if (std::ranges::any_of(formats, &Format::is_stochastic)) result.seed = seed;
  result.profile =
      profile_formats(result.model, result.tensors, formats, importance, seed, common.progress());
  if (common.prints_text()) print_profile(result);
  warn_of(common, request, result);
  write_json(common, [&] { return profile_json(result); });
  return kDone;
}

std::string profile_formats_help() {
  std::vector<std::string> names(std::begin(kDefaultFormats), std::end(kDefaultFormats));
  return join(names, ", ");
}

}  // namespace fakequant::cli
