// fakequant generate: the man page and shell completions, from the same table and options that the program
// parses with; schema and reference of experiment files from theirs.

#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "experiment/config_reference.h"

namespace fakequant::cli {

namespace {

std::vector<const CLI::App*> visible_commands(const CLI::App& root) {
  std::vector<const CLI::App*> visible;
  for (const Command& command : commands()) {
    if (!command.hidden) visible.push_back(root.get_subcommand(command.name));
  }
  return visible;
}

std::vector<const CLI::Option*> named_options(const CLI::App& command) {
  std::vector<const CLI::Option*> options;
  for (const CLI::Option* option : command.get_options()) {
    if (option->nonpositional()) options.push_back(option);
  }
  return options;
}

std::vector<std::string> words_of(const CLI::Option& option) {
  std::vector<std::string> words;
  for (const std::string& name : option.get_lnames()) words.push_back("--" + name);
  for (const std::string& name : option.get_snames()) words.push_back("-" + name);
  for (const ShortSpelling& row : short_spellings()) {
    if (option.check_name(row.option)) words.emplace_back(row.spelling);
  }
  return words;
}

// Flags take none.
bool takes_value(const CLI::Option& option) {
  return option.get_expected_max() > 0;
}

std::string roff(const std::string& text) {
  std::string result;
  for (char c : text) {
    if (c == '\\' || c == '-') result += '\\';
    result += c;
    if (c == '\n') result += ".br\n";
  }
  return result;
}

void print_man(const CLI::App& root) {
  fmt::print(
      ".TH FAKEQUANT 1 \"\" \"fakequant {}\"\n.SH NAME\nfakequant \\- real precision and fake quantization "
      "of GGUF models\n",
      FAKEQUANT_VERSION);
  fmt::print(".SH SYNOPSIS\n.B fakequant\n.I COMMAND\n[options]\n.SH COMMANDS\n");
  for (const CLI::App* command : visible_commands(root)) {
    fmt::print(".SS {}\n{}\n", command->get_name(), roff(command->get_description()));
    for (const CLI::Option* option : command->get_options()) {
      std::string spelling = option->nonpositional() ? join(words_of(*option), ", ") : option->get_name(true);
      if (option->nonpositional() && takes_value(*option)) spelling += " " + option->get_type_name();
      fmt::print(".TP\n.B {}\n{}\n", roff(spelling), roff(option->get_description()));
    }
    if (!command->get_footer().empty()) fmt::print(".PP\n.nf\n{}\n.fi\n", roff(command->get_footer()));
  }
  fmt::print(".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage, 3 done but a stated limit was crossed.\n");
  fmt::print(
      ".SH ENVIRONMENT\n.TP\n.B FAKEQUANT_DATA\nThe folder of the demo model.\n.TP\n.B NO_COLOR\nNo bold "
      "headings.\n");
}

void print_bash(const CLI::App& root) {
  std::string names;
  std::string cases;
  for (const CLI::App* command : visible_commands(root)) {
    std::vector<std::string> words;
    for (const CLI::Option* option : named_options(*command)) {
      for (const std::string& word : words_of(*option)) words.push_back(word);
    }
    names += command->get_name() + " ";
    cases += fmt::format("    {}) options=\"{}\" ;;\n", command->get_name(), join(words, " "));
  }
  fmt::print(
      "_fakequant() {{\n  local current=${{COMP_WORDS[COMP_CWORD]}} options=\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"{}--help --version\" -- "
      "\"$current\"))\n    return\n  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n{}  esac\n"
      "  case $current in\n    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$current\")) ;;\n"
      "    *) COMPREPLY=($(compgen -f -- \"$current\")) ;;\n  esac\n}}\ncomplete -o filenames -F _fakequant "
      "fakequant\n",
      names, cases);
}

void print_zsh(const CLI::App& root) {
  fmt::print("#compdef fakequant\n_fakequant() {{\n  local -a commands\n  commands=(\n");
  for (const CLI::App* command : visible_commands(root)) {
    fmt::print("    {}\n", shell_quoted(command->get_name() + ":" + command->get_description()));
  }
  fmt::print(
      "  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n  case "
      "$words[2] in\n");
  for (const CLI::App* command : visible_commands(root)) {
    fmt::print("    {})\n      _arguments", command->get_name());
    for (const CLI::Option* option : named_options(*command)) {
      std::string description;
      for (char c : option->get_description()) description += c == '[' || c == ']' || c == ':' ? ' ' : c;
      for (const std::string& word : words_of(*option))
        fmt::print(" \\\n        {}", shell_quoted(fmt::format("{}[{}]", word, description)));
    }
    fmt::print(" \\\n        '*:file:_files'\n      ;;\n");
  }
  fmt::print("  esac\n}}\n_fakequant \"$@\"\n");
}

void print_fish(const CLI::App& root) {
  for (const CLI::App* command : visible_commands(root)) {
    fmt::print("complete -c fakequant -n __fish_use_subcommand -a {} -d {}\n", command->get_name(),
               shell_quoted(command->get_description()));
    for (const CLI::Option* option : named_options(*command)) {
      for (const std::string& name : option->get_lnames()) {
        fmt::print("complete -c fakequant -n '__fish_seen_subcommand_from {}' -l {}{} -d {}\n",
                   command->get_name(), name, takes_value(*option) ? " -r" : "",
                   shell_quoted(option->get_description()));
      }
    }
  }
}

void print_schema(const CLI::App&) {
  fmt::print("{}\n", config_schema().dump(2));
}

void print_reference(const CLI::App&) {
  fmt::print("{}", config_reference());
}

int run(const CLI::App& root, const std::string& what) {
  struct {
    const char* name;
    void (*print)(const CLI::App&);
  } outputs[] = {{"man", print_man},
                 {"bash", print_bash},
                 {"zsh", print_zsh},
                 {"fish", print_fish},
                 {"experiment-schema", print_schema},
                 {"experiment-reference", print_reference}};
  std::vector<std::string> names;
  for (const auto& output : outputs) {
    names.emplace_back(output.name);
    if (what != output.name) continue;
    output.print(root);
    return kDone;
  }
  throw UsageError("'{}' cannot be generated; wanted one of {}", printable(what), join(names, ", "));
}

}  // namespace

std::function<int()> add_generate(CLI::App& app, CommonOptions&) {
  auto what = std::make_shared<std::string>();
  app.add_option("WHAT", *what,
                 "man, bash, zsh, fish, experiment-schema (JSON schema of experiment files) or "
                 "experiment-reference (their keys, as Markdown)")
      ->required();
  const CLI::App* self = &app;
  return [what, self] { return run(*self->get_parent(), *what); };
}

}  // namespace fakequant::cli
