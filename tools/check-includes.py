#!/usr/bin/env python3
"""Checks who includes whom. Usage: check-includes.py [ROOT] [--self-test]

The table of folders is read from src/CMakeLists.txt (fakequant_module(NAME USES ...)), so the link lines and this check
cannot disagree. Failures:
  - a file of src/ includes a folder that its own folder does not list under USES; cli may include every folder
  - anything outside src/cli includes src/cli
  - llama.cpp's and ggml's headers outside src/engine (tests and benchmarks may)
  - an #include "folder/file.h" that does not exist
  - folders or headers that include each other in a circle
  - a header without #pragma once
A file of more than 400 lines is a warning.
"""
import argparse
import re
import sys
import tempfile
from pathlib import Path

MAX_LINES = 400
ENGINE = "engine"
PROGRAM = "cli"
LLAMA_HEADER = re.compile(r"^(llama|ggml|gguf|mtmd)([-_][\w-]+)?\.h(pp)?$|^common/|^(common|arg|sampling)\.h$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
MODULE = re.compile(r"^[ \t]*fakequant_module\(([^)]*)\)", re.MULTILINE)
KEYWORDS = ("USES", "LINKS", "TEST_LINKS")


def read_table(cmake_file):
    """{folder: (folders it may include, further folders its tests may include)} from the fakequant_module lines."""
    text = re.sub(r"#.*", "", cmake_file.read_text())
    table = {}
    for match in MODULE.finditer(text):
        name, *words = match.group(1).split()
        lists = {keyword: [] for keyword in KEYWORDS}
        current = None
        for word in words:
            if word in lists:
                current = lists[word]
            elif current is not None:
                current.append(word)
        own = {w.removeprefix("fakequant_") for w in lists["TEST_LINKS"] if w.startswith("fakequant_")}
        table[name] = (set(lists["USES"]), own)
    return table


def find_cycle(graph):
    """A list of nodes that leads from one back to itself, or None. Iterative, so depth does not matter."""
    done = set()
    for start in sorted(graph):
        path, on_path, stack = [], set(), [(start, iter(sorted(graph.get(start, ()))))]
        if start in done:
            continue
        path.append(start)
        on_path.add(start)
        while stack:
            node, following = stack[-1]
            for next_node in following:
                if next_node in on_path:
                    return path[path.index(next_node):] + [next_node]
                if next_node not in done:
                    stack.append((next_node, iter(sorted(graph.get(next_node, ())))))
                    path.append(next_node)
                    on_path.add(next_node)
                    break
            else:
                done.add(node)
                stack.pop()
                path.pop()
                on_path.discard(node)
    return None


def strip_comments(text):
    """Without // and /* */ comments, line numbers kept; enough for include lines, where no string holds a comment."""
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.DOTALL)
    return re.sub(r"^[ \t]*//.*$", "", text, flags=re.MULTILINE)


def check(root):
    """Returns (failures, warnings) as lists of lines."""
    src, failures, warnings = root / "src", [], []
    table = read_table(src / "CMakeLists.txt")
    if not table:
        return [f"{src / 'CMakeLists.txt'}: found no fakequant_module line"], []
    folders = {p.name for p in src.iterdir() if p.is_dir()}
    for name in sorted(folders - set(table) - {PROGRAM}):
        failures.append(f"src/{name}: no fakequant_module({name} ...) in src/CMakeLists.txt")
    for name, (uses, test_uses) in sorted(table.items()):
        for used in sorted((uses | test_uses) - folders):
            failures.append(f"src/CMakeLists.txt: {name} uses {used}, but there is no folder src/{used}")
        if PROGRAM in uses | test_uses and name != PROGRAM:
            failures.append(f"src/CMakeLists.txt: {name} uses {PROGRAM}, which nobody may")
    cycle = find_cycle({name: uses - {name} for name, (uses, _) in table.items()})
    if cycle:
        failures.append("src/CMakeLists.txt: folders use each other in a circle: " + " -> ".join(cycle))

    header_graph = {}
    files = sorted(p for top in ("src", "tests", "bench", "fuzz") if (root / top).is_dir()
                   for p in (root / top).rglob("*") if p.suffix in (".h", ".cpp", ".hpp", ".cc", ".inc"))
    for path in files:
        relative = path.relative_to(root)
        place = str(relative)
        in_src = relative.parts[0] == "src" and len(relative.parts) > 2
        folder = relative.parts[1] if in_src else None
        text = strip_comments(path.read_text(errors="replace"))
        line_count = text.count("\n")
        if line_count > MAX_LINES:
            warnings.append(f"{place}: {line_count} lines; over {MAX_LINES}, look for the missing part")
        if path.suffix in (".h", ".hpp") and not re.search(r"^[ \t]*#[ \t]*pragma[ \t]+once\b", text, re.MULTILINE):
            failures.append(f"{place}: no #pragma once")
        for match in INCLUDE.finditer(text):
            quote, name = match.groups()
            where = f"{place}:{text.count(chr(10), 0, match.start(2)) + 1}"
            if LLAMA_HEADER.match(name):
                if in_src and folder != ENGINE:
                    failures.append(f'{where}: includes {name}; in src/ only {ENGINE}/ sees llama.cpp')
                continue
            if quote == "<" and (src / name).is_file() and "/" in name:
                failures.append(f'{where}: includes <{name}>; our own headers are included with quotes')
            if quote == "<":
                continue
            target = src / name
            if not target.is_file():
                if not in_src and (path.parent / name).is_file():
                    continue  # helpers of tests and benchmarks lie beside them
                failures.append(f'{where}: "{name}" does not exist in src/')
                continue
            if "/" not in name:
                failures.append(f'{where}: "{name}": write the path from src/')
                continue
            other = name.split("/")[0]
            if other == PROGRAM and folder != PROGRAM:
                failures.append(f"{where}: includes {name}; nobody includes {PROGRAM}")
            elif in_src and folder != PROGRAM and other != folder:
                uses, test_uses = table.get(folder, (set(), set()))
                allowed = uses | (test_uses if path.stem.endswith("_test") else set())
                if other not in allowed:
                    failures.append(f"{where}: includes {name}; {folder} may use "
                                    f"{', '.join(sorted(allowed)) or 'no other folder'} (src/CMakeLists.txt)")
            if path.suffix in (".h", ".hpp"):
                header_graph.setdefault(str(relative), set()).add(str(Path("src") / name))
    cycle = find_cycle(header_graph)
    if cycle:
        failures.append("headers include each other in a circle: " + " -> ".join(cycle))
    return failures, warnings


GOOD_TREE = {
    "src/CMakeLists.txt": "fakequant_module(base)\nfakequant_module(types USES base)  # a comment\n"
                          "fakequant_module(engine USES base types\n  LINKS ggml-base)\n",
    "src/base/a.h": "#pragma once\n#include <vector>\n",
    "src/types/t.h": '#pragma once\n#include "base/a.h"\n// #include "cli/main.h"\n',
    "src/engine/e.cpp": '#include <ggml.h>\n#include "ggml-cpu.h"\n#include "types/t.h"\n',
    "src/cli/main.cpp": '#include "engine/../types/t.h"\n#include "cli/m.h"\n',
    "src/cli/m.h": "#pragma once\n",
    "src/engine/x.h": "#pragma once\n",
    "tests/oracle.cpp": '#include "ggml.h"\n#include "helper.h"\n#include "types/t.h"\n',
    "tests/helper.h": "#pragma once\n",
}
# One change to the good tree, and words that the failure must hold.
BAD_CHANGES = [
    ("src/types/t.h", '#pragma once\n#include "engine/x.h"\n', "types may use base"),
    ("src/base/a.h", '#pragma once\n#include "types/t.h"\n', "base may use no other folder"),
    ("src/base/a.h", "#include <vector>\n", "no #pragma once"),
    ("src/types/t.cpp", "#include <ggml.h>\n", "only engine/ sees llama.cpp"),
    ("src/types/t.cpp", '#include "llama-cpp.h"\n', "only engine/ sees llama.cpp"),
    ("src/types/t.cpp", '#include "base/missing.h"\n', "does not exist"),
    ("src/types/t.cpp", "#include <base/a.h>\n", "with quotes"),
    ("src/engine/e.cpp", '#include "cli/m.h"\n', "nobody includes cli"),
    ("tests/oracle.cpp", '#include "cli/m.h"\n', "nobody includes cli"),
    ("src/extra/e.h", "#pragma once\n", "no fakequant_module(extra"),
    ("src/base/b.h", '#pragma once\n#include "base/c.h"\n', "does not exist"),
    ("src/base/b.h", '#pragma once\n#include "base/b.h"\n', "in a circle"),
    ("src/CMakeLists.txt", "fakequant_module(base USES types)\nfakequant_module(types USES base)\n"
                           "fakequant_module(engine USES base types)\n", "folders use each other in a circle"),
    ("src/CMakeLists.txt", "# nothing\n", "no fakequant_module"),
]


def self_test():
    def findings(change):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**GOOD_TREE, **change}.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return check(Path(folder))

    problems = [f"good tree: {line}" for part in findings({}) for line in part]
    for name, text, wanted in BAD_CHANGES:
        failures, _ = findings({name: text})
        if not any(wanted in line for line in failures):
            problems.append(f"{name} = {text!r}: no failure says '{wanted}': {failures}")
    _, warnings = findings({"src/base/long.cpp": "int x;\n" * (MAX_LINES + 1)})
    if not warnings:
        problems.append("a file of 401 lines gave no warning")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true", help="check the checker on small good and bad trees")
    arguments = parser.parse_args()
    failures, warnings = (self_test(), []) if arguments.self_test else check(arguments.root)
    for line in warnings:
        print(f"warning: {line}")
    for line in failures:
        print(line)
    if failures:
        print(f"check-includes: {len(failures)} failure{'s' if len(failures) > 1 else ''}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
