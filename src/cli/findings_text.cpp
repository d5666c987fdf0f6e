#include "cli/findings_text.h"

#include <fmt/format.h>

#include "base/text.h"
#include "cli/text_block.h"

namespace fakequant::cli {

void print_findings(const std::vector<report::Finding>& findings, bool with_notes) {
  struct Mark {
    report::Severity severity;
    const char* mark;
  };
  constexpr Mark kMarks[] = {{report::Severity::problem, "! "},
                             {report::Severity::answer, "  "},
                             {report::Severity::caution, "? "},
                             {report::Severity::note, "- "}};
  constexpr size_t kIndent = 2;
  for (const Mark& row : kMarks) {
    if (row.severity == report::Severity::note && !with_notes) continue;
    for (const report::Finding& finding : findings) {
      if (finding.severity != row.severity) continue;
      std::string text =
          wrapped(printable(finding.text), {.width = terminal_columns(), .indent = kIndent, .used = kIndent});
      fmt::print("{}{}\n", row.mark, text);
    }
  }
}

}  // namespace fakequant::cli
