#pragma once
// The folder that a run writes: found, made or refused. Knows which files are a run's, not what is in them.

#include <string>

namespace fakequant {

// Where a run of an experiment file goes when nothing else is said: FILE.run in the working directory, FILE being its name without ".toml".
std::string default_run_folder(const std::string& experiment_path);

// Makes the folder and those above it where they are not there.
//
//   throws   Error when it is no folder, cannot be made, or holds other things and no journal: it is not a run's then
void open_run_folder(const std::string& folder);

// Keeps the experiment file's text in the folder, whole or not at all; does nothing where it is there. Throws Error.
void keep_experiment_file(const std::string& folder, const std::string& text);

}  // namespace fakequant
