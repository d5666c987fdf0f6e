// Journals and the folder of a run on any bytes: records that can be written again as they were read, or an Error with printable text.

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"
#include "base/text.h"
#include "record/content_key.h"
#include "record/json_line.h"
#include "record/run_folder.h"

namespace {

using namespace fakequant;

void require(bool condition) {
  if (!condition) std::abort();
}

template <typename Function>
void expect_clean(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    std::string text = error.what();
    require(!text.empty() && text == printable(text));
  }
}

class Folder {
 public:
  Folder() : path_((std::filesystem::temp_directory_path() / "fakequant-fuzz-XXXXXX").string()) {
    require(mkdtemp(path_.data()) != nullptr);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

const std::string& folder() {
  static const Folder value;
  return value.path();
}

void try_folder() {
  RunFolder run(folder());
  for (const char* kind : {"criterion", "decision", "warning"}) run.others(kind);
  for (const Measured& measured : run.measurements()) {
    require(measured.result() == nullptr || measured.record != nullptr);
    require(!run.of(measured.id.kind, measured.id.variant.empty() ? measured.id.model : measured.id.variant)
                 .empty());
  }
}

// What is read can be opened and written on, and gives the same again.
void try_journal(const std::string& path) {
  std::vector<Record> read = read_journal(path, kRunJournal);
  for (const Record& record : read) {
    std::string line = json_line(record.fields);
    line.pop_back();
    require(parse_json_line(line, "f:1") == record.fields);
    content_key(record.fields);
  }
  Json added{{"kind", "test"}};
  Journal(path, kRunJournal, {}).append(added);
  std::vector<Record> again = read_journal(path, kRunJournal);
  require(again.size() == read.size() + 1 && again.back().fields == added);
  for (size_t i = 0; i < read.size(); ++i) require(again[i].fields == read[i].fields);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string path = folder() + "/" + kJournalFile;
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  expect_clean(try_folder);
  expect_clean([&] { try_journal(path); });
  return 0;
}
