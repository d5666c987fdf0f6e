#include "experiment/config_files.h"

#include "base/error.h"
#include "base/text.h"

namespace fakequant {
namespace {

std::string existing(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw Error("found no file {}, wanted one", printable(path.string()));
  if (std::filesystem::is_directory(status))
    throw Error("{} is a folder, wanted a file", printable(path.string()));
  return path.string();
}

std::string demo_or(const std::string& name, const std::function<std::string()>& demo,
                    const std::filesystem::path& folder) {
  if (name != kDemoName) return existing(folder / name);
  if (!demo) throw Error("found '{}', but the demo's files are not at hand", kDemoName);
  return demo();
}

}  // namespace

std::string ConfigFiles::model(const std::string& name) const {
  return demo_or(name, demo_.model, folder_);
}

std::string ConfigFiles::text(const std::string& name) const {
  return demo_or(name, demo_.text, folder_);
}

std::string ConfigFiles::other(const std::string& name) const {
  return existing(folder_ / name);
}

std::string ConfigFiles::given_model(const std::string& name) const {
  return demo_or(name, demo_.model, {});
}

std::string ConfigFiles::given_text(const std::string& name) const {
  return demo_or(name, demo_.text, {});
}

}  // namespace fakequant
