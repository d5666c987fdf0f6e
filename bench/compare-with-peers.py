#!/usr/bin/env python3
"""Times fakequant's commands beside the programs that people would use instead, in the same run on the same files.

Whole processes in pairs, ours and the peer's in turn, after a warm-up of each. A row shows medians of both, the median of
the ratios within pairs and their range, and the limit that we set ourselves. Nothing is asserted: a loaded machine must
not fail a build. The rows named control compare a program with itself: what they are away from 1 is noise. Processor time
tells more than wall time where other work takes a part of the processors. The rows that evaluate compare times of the same
tokens, so tokens/s of 0.98 of the peer's are a ratio of 1/0.98; nobody's threads spin while they wait.

Usage: bench/compare-with-peers.py [--only NAME,NAME...] [--pairs N] [--threads N] [--folder FOLDER] [--list]
"""

import argparse
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = "bench/compare-with-peers.py"


@dataclass
class Usage:
    seconds: float
    processor_seconds: float  # of all threads, in the program and in the kernel
    peak_bytes: int  # resident, mapped file pages included; not below the few MB that this script itself has
    output_bytes: int  # of the file that it left


@dataclass
class Row:
    name: str
    what: str
    ours: list  # command line
    peer: list
    limit: float | None  # for the time of ours / peer
    memory_limit: float | None = None  # for the peak memory of ours / peer
    on_disk: bool = False  # whether the files that they leave are shown


@dataclass
class Places:
    fakequant: Path
    llama_quantize: Path
    llama_perplexity: Path
    gguf_py: Path
    f16: Path
    mixed: Path  # Q4_K_M
    small_f16: Path  # to be evaluated
    small_mixed: Path
    text: Path
    int4_copy: Path  # of f16; made when a row needs it
    output: Path
    pycache: Path
    threads: int


def run(command, places):
    """Runs the command to its end; what it wrote is removed. Throws when it fails."""
    environment = dict(os.environ, PYTHONPATH=str(places.gguf_py), PYTHONPYCACHEPREFIX=str(places.pycache))
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # the peer may keep what it compiled
    os.sync()  # earlier outputs must not be written during this run
    with tempfile.TemporaryFile(dir=places.output.parent) as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            log.seek(0)
            tail = log.read().decode(errors="replace")[-2000:]
            raise SystemExit(f"{SCRIPT}: {shlex.join(command)}: exit code {process.returncode}\n{tail}")
    written = places.output.stat().st_size if places.output.exists() else 0
    places.output.unlink(missing_ok=True)
    return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, written)


def rows(places):
    def fakequant(command, *arguments):
        return [str(places.fakequant), command, *map(str, arguments), "-t", str(places.threads)]

    def rewrite(source, selection, number_format, sync=False):
        arguments = [source, places.output, *selection, "--format", number_format]
        return fakequant("quantize", *arguments, *([] if sync else ["--no-sync"]))

    def copy(source, sync=False):
        command = f"cp {shlex.quote(str(source))} {shlex.quote(str(places.output))}"
        return ["sh", "-c", f"{command} && sync {shlex.quote(str(places.output))}"] if sync else shlex.split(command)

    def llama_quantize(number_format):
        arguments = ["--pure", places.f16, places.output, number_format, places.threads]
        return [str(places.llama_quantize), *map(str, arguments)]

    def read(*files):
        return ["sh", "-c", f"cat {shlex.join(map(str, files))} > /dev/null"]

    norm = ["--tensors", "ffn_norm", "--layers", "0"]
    matrices = ["--tensors", "matrices"]
    gguf_py = [sys.executable, str(ROOT / "bench" / "gguf_py_fake_quantize.py"), str(places.mixed), str(places.output)]

    yield Row("control-cp", "cp of the Q4_K_M file : the same", copy(places.mixed), copy(places.mixed), None)
    yield Row("norm", "one norm, Q4_K_M file, --no-sync : cp", rewrite(places.mixed, norm, "bf16:rtz"), copy(places.mixed), 1.1)
    yield Row("norm-sync", "one norm, Q4_K_M file : cp + sync", rewrite(places.mixed, norm, "bf16:rtz", sync=True),
              copy(places.mixed, sync=True), 1.1)
    yield Row("norm-gguf-py", "one norm, Q4_K_M file, --no-sync : gguf-py", rewrite(places.mixed, norm, "bf16:rtz"), gguf_py,
              1 / 4, memory_limit=1 / 20)
    for number_format, limit in (("q8_0", 2), ("q4_0", 2), ("q4_k", 1.15), ("q6_k", 1.15)):
        yield Row(f"whole-{number_format}", f"F16 model to {number_format} : llama-quantize --pure",
                  rewrite(places.f16, matrices, number_format), llama_quantize(number_format), limit)
    for number_format in ("int4", "bf16", "e4m3", "mxfp4", "nvfp4", "nf4"):
        yield Row(f"whole-{number_format}", f"F16 model to {number_format}, --no-sync : cp",
                  rewrite(places.f16, matrices, number_format), copy(places.f16), 2)
        yield Row(f"whole-{number_format}-sync", f"F16 model to {number_format} : cp + sync",
                  rewrite(places.f16, matrices, number_format, sync=True), copy(places.f16, sync=True), 2)
    yield Row("control-cat", "cat of the F16 model : the same", read(places.f16), read(places.f16), None)
    yield Row("inspect", "inspect, F16 model : cat", fakequant("inspect", places.f16), read(places.f16), 3)
    yield Row("inspect-q4", "inspect, Q4_K_M file : cat", fakequant("inspect", places.mixed), read(places.mixed), None)
    yield Row("compare", "compare, F16 model and int4 copy : cat both", fakequant("compare", places.f16, places.int4_copy),
              read(places.f16, places.int4_copy), 3)


    yield from evaluation_rows(places)


def evaluation_rows(places):
    """Perplexity of one model, and of a variant against a baseline, with 1 and 2 threads. At least two groups of chunks, so that each of
    two threads has one."""
    text = ["-f", places.text, "-c", "512", "-b", "1024"]
    few, all_chunks = ["--chunks", "12"], ["--chunks", str(EVALUATED_CHUNKS)]

    def fakequant(model, threads, *arguments):
        return list(map(str, [places.fakequant, "evaluate", model, *text, "-t", threads, *arguments]))

    def llama_perplexity(model, threads, *arguments):
        return list(map(str, [places.llama_perplexity, "-m", model, *text, "-t", threads, "--no-repack", "--no-warmup", "--poll", "0",
                              *arguments]))

    def two_passes(threads):
        logits = [*few, "--kl-divergence-base", places.output]
        passes = [llama_perplexity(places.small_f16, threads, *logits),
                  llama_perplexity(places.small_mixed, threads, *logits, "--kl-divergence")]
        return ["sh", "-c", " && ".join(map(shlex.join, passes))]

    for threads in sorted({1, min(2, places.threads)}):
        for name, model in (("f16", places.small_f16), ("q4", places.small_mixed)):
            yield Row(f"evaluate-{name}-t{threads}", f"evaluate, {name}, -t {threads} : llama-perplexity",
                      fakequant(model, threads, *all_chunks), llama_perplexity(model, threads, *all_chunks), 1 / 0.98)
        yield Row(f"baseline-t{threads}", f"q4 against f16, -t {threads} : its two passes",
                  fakequant(places.small_mixed, threads, "--baseline", places.small_f16, "--control", "none", *few), two_passes(threads), 1,
                  on_disk=True)


EVALUATED_CHUNKS = 32  # a text takes minutes, so that its tokens decide and not how a program starts
HEADINGS = ("ours", "peer", "ratio", "min", "max", "limit")


def print_line(what, cells, verdict=""):
    print((f"{what:<45}" + "".join(f"{cell:>10}" for cell in cells) + f"  {verdict}").rstrip(), flush=True)


def report(what, ours, peer, unit, limit=None):
    """One line of the table; `ours` and `peer` are measured pair by pair."""
    ratios = [a / b if b > 0 else float("nan") for a, b in zip(ours, peer)]
    ratio = statistics.median(ratios)
    cells = [f"{statistics.median(side):.{3 if unit == 's' else 1}f} {unit}" for side in (ours, peer)]
    cells += [f"{number:.3f}" for number in (ratio, min(ratios), max(ratios))]
    verdict = "" if limit is None else "ok" if ratio <= limit else "OVER"
    print_line(what, [*cells, "" if limit is None else f"{limit:.4g}"], verdict)


def measure(row, places, pairs):
    if str(places.int4_copy) in row.ours and not places.int4_copy.exists():
        run([str(places.fakequant), "quantize", str(places.f16), str(places.int4_copy), "--tensors", "matrices",
             "--format", "int4"], places)
    run(row.ours, places)
    run(row.peer, places)
    ours, peer = zip(*[(run(row.ours, places), run(row.peer, places)) for _ in range(pairs)])

    def both(value_of):
        return [[value_of(usage) for usage in side] for side in (ours, peer)]

    report(row.what, *both(lambda usage: usage.seconds), "s", row.limit)
    report("    processor time", *both(lambda usage: max(usage.processor_seconds, 1e-3)), "s")
    if row.memory_limit is not None:
        report("    peak memory", *both(lambda usage: usage.peak_bytes / 1e6), "MB", row.memory_limit)
    if row.on_disk:
        report("    bytes on disk", *both(lambda usage: usage.output_bytes / 1e6), "MB", 0)


def cmake_cache_entry(build, key):
    for line in (build / "CMakeCache.txt").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return line.partition("=")[2]
    raise SystemExit(f"{SCRIPT}: {build}: found no {key} in CMakeCache.txt; build with `make` first")


def main():
    processors = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="names of rows, with * and ?, separated by commas")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs behind the warm-up (default 5)")
    parser.add_argument("--threads", type=int, default=processors, help="for fakequant and llama-quantize (default: all)")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build folder")
    parser.add_argument("--fakequant", type=Path, help="another fakequant to measure (default: the one in the build folder)")
    parser.add_argument("--llama-perplexity", type=Path, help="another llama-perplexity (default: the one in the build folder)")
    parser.add_argument("--folder", type=Path, help="scratch folder, 10 GB (default: bench-data in the build folder)")
    parser.add_argument("--list", action="store_true", help="list the rows and end")
    options = parser.parse_args()
    if options.pairs < 1 or options.threads < 1:
        parser.error("--pairs and --threads must be at least 1")

    folder = options.folder or options.build / "bench-data"
    llama_quantize = options.build / "bin" / "llama-quantize"
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the scratch files go
    with tempfile.TemporaryDirectory(prefix="run-", dir=folder) as scratch:
        places = Places(
            fakequant=options.fakequant or options.build / "fakequant",
            llama_quantize=llama_quantize,
            llama_perplexity=options.llama_perplexity or options.build / "bin" / "llama-perplexity",
            gguf_py=Path(cmake_cache_entry(options.build, "llama.cpp_SOURCE_DIR")) / "gguf-py",
            f16=folder / "tinyllama-shape-f16.gguf",
            mixed=folder / "tinyllama-shape-q4_k_m.gguf",
            small_f16=folder / "stories110m-shape-f16.gguf",
            small_mixed=folder / "stories110m-shape-q4_k_m.gguf",
            text=Path(scratch) / "text.txt",
            int4_copy=Path(scratch) / "int4.gguf",
            output=Path(scratch) / "output.gguf",
            pycache=folder / "pycache",
            threads=options.threads,
        )
        patterns = options.only.split(",")
        chosen = [row for row in rows(places) if any(fnmatch(row.name, pattern) for pattern in patterns)]
        if options.list:
            for row in chosen:
                print(f"{row.name:<18} {row.what}")
            return
        if not chosen:
            parser.error(f"--only {options.only}: no such row; --list shows them")
        subprocess.run([sys.executable, str(ROOT / "bench" / "make-models.py"), str(folder), "--llama-quantize",
                        str(llama_quantize)], check=True, stdout=sys.stderr)
        load = os.getloadavg()[0]
        # The vocabulary is of single bytes, of which llama.cpp makes tokens in quadratic time: no more text than is evaluated.
        whole_text = (ROOT / "data" / "demo-wordnet-heldout.txt").read_bytes()
        places.text.write_bytes(whole_text[:EVALUATED_CHUNKS * 512 + 1024])
        print(f"{options.threads} threads, {processors} processors, load {load:.1f} before we began; {options.pairs} pairs; "
              "medians; ratio is ours / peer")
        print_line("", HEADINGS)
        try:
            for row in chosen:
                measure(row, places, options.pairs)
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()
