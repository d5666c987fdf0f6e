#include "engine/llama_log.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "base/text.h"
#include "engine/guard.h"

namespace fakequant {

namespace {

constexpr size_t kMostLines = 4;
constexpr size_t kLongestLine = 1000;

struct Line {
  ggml_log_level level;
  std::string text;
};

// What llama.cpp's log callback reaches: it may come from any thread.
struct Record {
  std::mutex mutex;
  int keepers = 0;                             // living LlamaLogs
  ggml_log_level level = GGML_LOG_LEVEL_NONE;  // of the line that is being continued
  std::vector<Line> lines;
};

Record& record() {
  static Record instance;
  return instance;
}

void on_log(ggml_log_level level, const char* text, void*) {
  Record& log = record();
  std::lock_guard lock(log.mutex);
  if (log.keepers == 0) return;
  bool continued = level == GGML_LOG_LEVEL_CONT;
  if (!continued) log.level = level;
  if (log.level != GGML_LOG_LEVEL_WARN && log.level != GGML_LOG_LEVEL_ERROR) return;
  if (!continued || log.lines.empty()) log.lines.push_back({log.level, ""});
  std::string& line = log.lines.back().text;
  if (line.size() < kLongestLine) line += text;
}

// "llama_model_load: error loading model: ..." without the name of the function.
std::string_view without_function(std::string_view line) {
  size_t colon = line.find(": ");
  if (colon == std::string_view::npos) return line;
  std::string_view name = line.substr(0, colon);
  bool is_name = name.find('_') != name.npos && name.find(' ') == name.npos;
  return is_name ? trim(line.substr(colon + 2)) : line;
}

// "/home/of/a/builder/src/llama-model.cpp:1260: GGML_ASSERT(...) failed" without the folders.
std::string_view without_folders(std::string_view message) {
  size_t slash = message.substr(0, message.find(':')).rfind('/');
  return slash == message.npos ? message : message.substr(slash + 1);
}

[[noreturn]] void on_abort(const char* message) {
  end_as_crash(printable(without_folders(trim(message))).c_str());
}

}  // namespace

LlamaLog::LlamaLog() {
  Record& log = record();
  std::lock_guard lock(log.mutex);
  if (log.keepers++ == 0) log.lines.clear();
}

LlamaLog::~LlamaLog() {
  Record& log = record();
  std::lock_guard lock(log.mutex);
  --log.keepers;
}

std::string LlamaLog::problems() const {
  Record& log = record();
  std::lock_guard lock(log.mutex);
  auto is_error = [](const Line& line) { return line.level == GGML_LOG_LEVEL_ERROR; };
  bool any_error = std::any_of(log.lines.begin(), log.lines.end(), is_error);
  std::vector<std::string> shown;
  for (const Line& line : log.lines) {
    if (any_error && !is_error(line)) continue;
    std::string text = printable(without_function(trim(line.text)));
    if (!text.empty()) shown.push_back(std::move(text));
  }
  if (shown.size() > kMostLines) shown.erase(shown.begin(), shown.end() - kMostLines);
  return join(shown, "; ");
}

std::string llama_failure(const std::string& place, const std::string& what, const LlamaLog& log) {
  std::string problems = log.problems();
  return fmt::format("{}: {}{}", printable(place), what, problems.empty() ? "" : ": " + problems);
}

void start_llama() {
  static std::once_flag once;
  std::call_once(once, [] {
    llama_log_set(on_log, nullptr);
    ggml_set_abort_callback(on_abort);
    llama_backend_init();
  });
}

}  // namespace fakequant
