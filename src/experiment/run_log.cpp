#include "experiment/run_log.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "experiment/machine.h"

namespace fakequant {

RunLog::RunLog(const std::string& folder, Journal::OnDiskFull on_disk_full)
    : folder_(folder),
      path_((std::filesystem::path(folder) / kLogFile).string()),
      on_disk_full_(std::move(on_disk_full)) {}

void RunLog::append(const Json& fields) {
  constexpr int kAttempts = 20;
  constexpr auto kPause = std::chrono::milliseconds(50);
  std::unique_ptr<Journal> log;
  for (int attempt = 1; log == nullptr; ++attempt) {
    try {
      log = std::make_unique<Journal>(path_, kRunLog, on_disk_full_);
    } catch (const Error&) {
      if (attempt == kAttempts) throw;
      std::this_thread::sleep_for(kPause);
    }
  }
  log->append(fields);
}

void RunLog::start(const LogStart& start) {
  Json command = Json::array();
  for (const std::string& word : start.command) command.push_back(valid_utf8(word));
  append({{"kind", "start"},
          {"time", time_now()},
          {"command", std::move(command)},
          {"folder", valid_utf8(folder_)},
          {"process", getpid()},
          {"program", start.program},
          {"llama_cpp", start.llama_cpp},
          {"machine", machine_facts(start.threads)}});
}

void RunLog::end(const LogEnd& end) {
  append({{"kind", "end"},
          {"time", time_now()},
          {"process", getpid()},
          {"outcome", end.outcome},
          {"measured", end.measured},
          {"kept", end.kept},
          {"failed", end.failed},
          {"seconds", end.seconds},
          {"exit_code", end.exit_code},
          {"text", end.text.empty() ? Json() : Json(valid_utf8(end.text))}});
}

void RunLog::note(const std::string& text) {
  append({{"kind", "note"}, {"time", time_now()}, {"text", valid_utf8(text)}});
}

}  // namespace fakequant
