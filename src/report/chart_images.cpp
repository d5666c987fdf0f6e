#include "report/chart_images.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "base/error.h"
#include "base/text.h"
#include "report/page_parts.h"

extern char** environ;

namespace fakequant::report {
namespace {

namespace fs = std::filesystem;

// A folder that goes when its owner does.
class WorkFolder {
 public:
  WorkFolder() {
    std::error_code problem;
    fs::path place = fs::temp_directory_path(problem);
    if (problem) {
      throw Error("no folder for temporary files, in which charts are drawn: {}; TMPDIR may name one",
                  problem.message());
    }
    std::string pattern = (place / "fakequant-charts-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr)
      throw Error("{}: cannot make a folder: {}", printable(pattern), std::strerror(errno));
    path_ = pattern;
  }
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void write_text(const fs::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file) throw Error("{}: cannot be written: {}", printable(path.string()), std::strerror(errno));
}

std::string first_line_of(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return excerpt(line);
}

// A program that draws, and the Debian package that has it.
struct Program {
  const char* name;
  const char* package;
};
constexpr Program kNode{"node", "nodejs"};
constexpr Program kRsvg{"rsvg-convert", "librsvg2-bin"};

// What the program says goes to a file of the folder; nothing is read from standard input.
void run(const Program& program, const WorkFolder& work, std::vector<std::string> arguments) {
  std::string log = (work / "log.txt").string();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  arguments.insert(arguments.begin(), program.name);
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  pid_t child = 0;
  int problem = posix_spawnp(&child, program.name, &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (problem == ENOENT) {
    throw Error(
        "charts are drawn by {}, which is not installed (Debian: {}); everything else of a report needs no "
        "other program",
        program.name, program.package);
  }
  if (problem != 0) throw Error("{} cannot be started: {}", program.name, std::strerror(problem));
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw Error("{} was lost: {}", program.name, std::strerror(errno));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  std::string said = first_line_of(log);
  throw Error("charts could not be drawn: {} {}{}{}", program.name,
              WIFSIGNALED(status) ? fmt::format("was ended by signal {}", WTERMSIG(status))
                                  : fmt::format("failed with code {}", WEXITSTATUS(status)),
              said.empty() ? "" : ": ", said);
}

void write_scripts(const WorkFolder& work) {
  const PageParts& parts = page_parts();
  fs::create_directories(work / "node_modules/vega");
  write_text(work / "node_modules/vega/index.js", parts.draw_vega);
  write_text(work / "vega-lite.js", parts.draw_vega_lite);
  write_text(work / "theme.js", parts.draw_theme);
  write_text(work / "draw.js", parts.draw);
}

// Waits until a file, or the names in a folder, are on the disk.
std::error_code synced(const fs::path& path) {
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {errno, std::generic_category()};
  int result = fsync(descriptor);
  while (result != 0 && errno == EINTR) result = fsync(descriptor);
  std::error_code problem;
  if (result != 0) problem = {errno, std::generic_category()};
  close(descriptor);
  return problem;
}

// Brings drawn files to where they belong: first beside their names, on the same disk, then all under them.
std::vector<std::string> delivered(const WorkFolder& drawn, const std::vector<std::string>& names,
                                   const fs::path& folder) {
  std::vector<fs::path> pending;
  std::vector<std::string> paths;
  std::error_code problem, ignored;
  auto give_up = [&](const fs::path& path) {
    for (const fs::path& file : pending) fs::remove(file, ignored);
    throw Error("{}: cannot be written: {}", printable(path.string()), problem.message());
  };
  fs::create_directories(folder, problem);
  if (problem) give_up(folder);
  for (const std::string& name : names) {
    pending.push_back(folder / fmt::format(".{}.{}.tmp", name, getpid()));
    fs::copy_file(drawn / name, pending.back(), fs::copy_options::overwrite_existing, problem);
    if (!problem) problem = synced(pending.back());
    if (problem) give_up(folder / name);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    fs::rename(pending[i], folder / names[i], problem);
    if (problem) give_up(folder / names[i]);
    paths.push_back((folder / names[i]).string());
  }
  synced(folder);  // not every file system can sync a folder
  return paths;
}

}  // namespace

std::vector<std::string> write_chart_images(const std::vector<Chart>& charts, const std::string& folder) {
  WorkFolder work;
  write_scripts(work);
  WorkFolder drawn;
  std::vector<std::string> names;
  for (const Chart& chart : charts) {
    write_text(drawn / (chart.id + ".vl.json"),
               chart.spec.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    for (const char* kind : {".svg", ".png", ".vl.json"}) names.push_back(chart.id + kind);
  }
  run(kNode, work, {(work / "draw.js").string(), drawn.path().string()});
  for (const Chart& chart : charts) {
    run(kRsvg, work,
        {"--zoom=2", "--output=" + (drawn / (chart.id + ".png")).string(),
         (drawn / (chart.id + ".svg")).string()});
  }
  return delivered(drawn, names, folder);
}

}  // namespace fakequant::report
