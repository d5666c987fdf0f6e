// The program: parses the command line by the command table, runs the command, turns errors into one sentence
// and an exit code.

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <thread>

#include "base/error.h"
#include "base/message.h"
#include "base/parallel.h"
#include "base/text.h"
#include "cli/command.h"
#include "gguf/pending_file.h"

namespace fakequant::cli {
namespace {

// A mapped file that another program cuts short raises SIGBUS where it is read: no error code can tell.
extern "C" void on_bus_error(int) {
  static constexpr char kText[] = "fakequant: a file became shorter, or its disk failed, while it was read\n";
  remove_pending_files();
  clear_line();
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, kText, sizeof(kText) - 1);
  _exit(kFailed);
}

// Ctrl-C and its like, a reader that went away, an abort: nothing stays behind, and the program ends as if
// they had not been caught.
extern "C" void on_stop(int signal_number) {
  remove_pending_files();
  clear_line();
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

// Where no exception can be caught: a thread could not be started, say.
[[noreturn]] void on_terminate() {
  remove_pending_files();
  write_message("fakequant: ended for want of threads or memory; give fewer with -t");
  _exit(kFailed);
}

void install_signal_handlers() {
  std::set_terminate(on_terminate);
  // Beyond a limit on file size a write then says so, like on a full disk.
  signal(SIGXFSZ, SIG_IGN);
  struct sigaction action {};
  action.sa_handler = on_stop;
  for (int number :
       {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGABRT, SIGXCPU, SIGALRM, SIGUSR1, SIGUSR2}) {
    struct sigaction before {};
    sigaction(number, nullptr, &before);
    if (before.sa_handler != SIG_IGN) sigaction(number, &action, nullptr);
  }
  action.sa_handler = on_bus_error;
  sigaction(SIGBUS, &action, nullptr);
}

// More than a few per processor only stand in each other's way.
int most_threads() {
  return std::max(64, 4 * static_cast<int>(std::thread::hardware_concurrency()));
}

void add_common_options(CLI::App& app, CommonOptions& common) {
  app.add_option("--json", common.json_path,
                 "Write the full result as JSON to this file (- is standard output)")
      ->type_name("FILE");
  app.add_option("-t,--threads", common.threads, "Threads to use; 0 is every processor")
      ->type_name("N")
      ->check(CLI::Range(0, most_threads()));
  app.add_flag("-q,--quiet", common.quiet, "Print errors only");
  app.add_flag("-v,--verbose", common.verbose,
               "Print more: metadata and every grid (inspect), the plan with its rules (quantize), tensors "
               "that are equal "
               "(compare), the estimate after each chunk (evaluate)");
}

// The ways to write an option of `app` in more than one letter.
std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const ShortSpelling& row : short_spellings()) {
    if (std::find(names.begin(), names.end(), row.option) != names.end()) names.emplace_back(row.spelling);
  }
  return names;
}

// What of a word names an option: "-ngl" of "-ngl=3".
std::string option_of(const std::string& word) {
  return split(word, '=')[0];
}

// "; did you mean -ngl?" for a word of the command line that is no option of `app`, or "". One letter after one dash
// is as near to any other.
std::string option_hint(const CLI::App& app, const std::string& word) {
  std::string option = option_of(word);
  std::vector<std::string> names = option_names(app);
  bool known = std::find(names.begin(), names.end(), option) != names.end();
  return option.size() > 2 && option.starts_with("-") && !known ? did_you_mean(option, names) : "";
}

// Refuses "-fla", which CLI11 reads as "-f la" and which is more likely -fa: letters after one dash that are nearly,
// and not quite, an option of several letters.
void refuse_near_spellings(const CLI::App& app, const std::vector<std::string>& words) {
  std::vector<std::string> names = option_names(app);
  for (const std::string& word : words) {
    if (word == "--") return;
    std::string option = option_of(word);
    bool letters = option.size() > 2 && option[0] == '-' &&
                   std::all_of(option.begin() + 1, option.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    for (const ShortSpelling& row : short_spellings()) {
      bool here = std::find(names.begin(), names.end(), row.spelling) != names.end();
      if (letters && here && edit_distance(option, row.spelling) == 1)
        throw UsageError("found {}, which is no option{}", option, option_hint(app, word));
    }
  }
}

// Prints what is wrong with the command line and returns the exit code. CLI11 names the word; we add what may
// have been meant.
int report_usage(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const CLI::App* current = &app;
  for (const CLI::App* command : app.get_subcommands()) current = command;
  std::string hint;
  bool unknown = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                 dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  if (current == &app && argc > 1 && argv[1][0] != '-') {
    std::vector<std::string> names;
    for (const Command& command : commands()) names.emplace_back(command.name);
    write_message(
        fmt::format("fakequant: '{}' is no command{}", printable(argv[1]), did_you_mean(argv[1], names)));
  } else {
    for (int i = 1; i < argc && unknown && hint.empty(); ++i) hint = option_hint(*current, argv[i]);
    std::string text = error.what();
    while (!text.empty() && (text.back() == '\n' || text.back() == '.')) text.pop_back();
    write_message("fakequant: " + printable(text) + hint);
  }
  write_message(fmt::format("Run `fakequant{} --help` for what can be given.",
                            current == &app ? "" : " " + current->get_name()));
  return kWrongUsage;
}

// An empty value is mostly a shell variable that was not set: ignoring it would choose something else.
void refuse_empty_values(const CLI::App& app) {
  for (const CLI::App* command : app.get_subcommands()) {
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& value : option->results()) {
        if (value.empty())
          throw UsageError("{}: found an empty value", option->get_name(option->get_positional()));
      }
    }
  }
}

int run(std::vector<std::string> words) {
  words = with_long_options(std::move(words));
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  auto argc = static_cast<int>(pointers.size());
  char** argv = pointers.data();
  CLI::App app{"fakequant: the real precision of GGUF models, and what any other would cost", "fakequant"};
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.footer(
      "MODEL is a GGUF file, any part of a split one, or `demo` for the model that comes with the program.\n"
      "Run `fakequant COMMAND --help` for the options of a command.\n"
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but a limit of --fail-if was crossed, or a "
      "criterion "
      "of `run` failed.");
  CommonOptions common;
  std::function<int()> chosen;
  for (const Command& command : commands()) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    if (command.hidden) sub->group("");
    std::function<int()> body = command.add(*sub, common);
    add_common_options(*sub, common);
    sub->callback([&chosen, body] { chosen = body; });
  }
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (argc > 1 && command->get_name() == words[1]) refuse_near_spellings(*command, words);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success) == 0 ? kDone : kFailed;
  } catch (const CLI::ParseError& error) {
    return report_usage(app, error, argc, argv);
  }
  refuse_empty_values(app);
  ThreadLimit limit(common.threads);
  int code = chosen();
  if (std::fflush(stdout) != 0) throw Error("standard output: {}", std::strerror(errno));
  return code;
}

}  // namespace
}  // namespace fakequant::cli

int main(int argc, char** argv) {
  using namespace fakequant;
  cli::install_signal_handlers();
  try {
    return cli::run({argv, argv + argc});
  } catch (const UsageError& error) {
    write_message(fmt::format("fakequant: {}", error.what()));
    return cli::kWrongUsage;
  } catch (const Error& error) {
    write_message(fmt::format("fakequant: {}", error.what()));
  } catch (const std::bad_alloc&) {
    write_message("fakequant: not enough memory");
  } catch (const std::exception& error) {
    write_message(fmt::format("fakequant: {}", error.what()));
  }
  return cli::kFailed;
}
