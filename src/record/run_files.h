#pragma once
// Files that a run is kept in, known again whatever asks to write there: nothing but the run itself may replace them.

#include <string>

namespace fakequant {

// Whether `path` leads to a journal or a log (by its first bytes, whatever its name), or is, behind symbolic links, the place of a
// journal.jsonl, log.jsonl or experiment.toml beside a journal, be a file there or not.
bool is_run_file(const std::string& path);

// Whether `path` is a folder that holds a journal.
bool is_run_folder(const std::string& path);

// Throws Error, "THING: ...", where is_run_file(path).
void refuse_run_file(const std::string& path, const std::string& thing);

}  // namespace fakequant
