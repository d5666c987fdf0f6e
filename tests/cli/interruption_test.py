"""Killed at any moment, with the disk full, or with the input cut short: the target is absent or complete, the input untouched:
issue 2, sections 3 and 6."""

import errno
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from support import (DONE, FAILED, PROGRAM, SANITIZED, SKIP_SANITIZED, Gguf, ProgramTest, floats, gauss, main, run, sha256,
                     write_sparse_model)

KILLS = 30


def large_model(path, megabytes=64):
    """F32 matrices of a repeated random row: `megabytes` MB in 16 tensors."""
    row = floats(gauss(4096, 1))
    rows = megabytes * (1 << 20) // 16 // len(row)
    path.write_bytes(Gguf([(f"blk.{i}.ffn_up.weight", "F32", (4096, rows), row * rows) for i in range(16)],
                          {"general.architecture": "llama"}).bytes)


@unittest.skipIf(SANITIZED, SKIP_SANITIZED)
class Killed(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="fakequant-kill-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        cls.input = cls.shared / "in.gguf"
        large_model(cls.input)
        cls.before = sha256(cls.input)
        whole = cls.shared / "whole.gguf"
        cls.seconds = []
        for _ in range(2):
            start = time.monotonic()
            result = run(*cls.arguments(whole), "--force")
            cls.seconds.append(time.monotonic() - start)
            if result.returncode != DONE:
                raise AssertionError(result.stderr)
        cls.wanted = sha256(whole)

    @classmethod
    def arguments(cls, output):
        return ["quantize", str(cls.input), str(output), "--tensors", "all", "--format", "q4_k", "-q"]

    def kill(self, number, after_seconds, existing=None):
        """Returns how the program ended and whether a temporary file lay there when it was killed."""
        output = self.path("out.gguf")
        extra = []
        if existing is not None:
            output.write_bytes(existing)
            extra = ["--force"]
        process = subprocess.Popen([str(PROGRAM), *self.arguments(output), *extra], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        try:
            process.wait(after_seconds)
        except subprocess.TimeoutExpired:
            pass
        began = any(name.startswith(".out.gguf.fakequant-") for name in os.listdir(self.folder))
        process.send_signal(number)
        process.stderr.read()
        process.stderr.close()
        code = process.wait(60)
        self.assertIn(code, (DONE, -number))
        found = output.read_bytes() if output.exists() else None
        if code == DONE:
            self.assertEqual(sha256(output), self.wanted)
        elif found is not None and found != existing:  # killed between renaming and its end
            self.assertEqual(sha256(output), self.wanted)
        if existing is not None:
            self.assertIsNotNone(found)
        if number != signal.SIGKILL:
            self.assertEqual([n for n in os.listdir(self.folder) if n.startswith(".")], [])
        for path in self.folder.iterdir():
            path.unlink()
        return code, began

    def check(self, number, kills, existing=None):
        longest = max(self.seconds) * 1.1
        source = random.Random(number)
        ends = []
        for i in range(kills):
            # Spread over the whole run, so that every phase is hit whatever the machine's speed.
            ends.append(self.kill(number, longest * (i + source.random()) / kills, existing))
        self.assertEqual(sha256(self.input), self.before)
        killed = sum(code == -number for code, _ in ends)
        began = sum(code == -number and was_there for code, was_there in ends)
        print(f"{signal.Signals(number).name}: {killed} of {kills} ended the program, {began} of them while it wrote", flush=True)
        self.assertGreater(began, 0, "no kill came while the output was being written")

    def test_sigkill(self):
        self.check(signal.SIGKILL, KILLS)

    def test_sigkill_when_the_target_exists(self):
        self.check(signal.SIGKILL, KILLS // 3, b"what was there before")

    def test_sigint(self):
        self.check(signal.SIGINT, KILLS // 3)

    def test_sigterm(self):
        self.check(signal.SIGTERM, KILLS // 3, b"what was there before")

    def test_signals_that_end_a_program_unasked(self):
        for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT, signal.SIGABRT):
            with self.subTest(number):
                self.check(number, KILLS // 6)

    def test_a_limit_on_file_size(self):
        limited = "ulimit -f 1000; exec \"$0\" \"$@\""  # 1,000 blocks of 1 KiB
        result = subprocess.run(["bash", "-c", limited, str(PROGRAM), *self.arguments(self.path("out.gguf"))], stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, FAILED, result.stderr)
        self.assertIn("File too large", result.stderr)
        self.assertEqual(os.listdir(self.folder), [])


def can_mount():
    folder = tempfile.mkdtemp(prefix="fakequant-mount-")
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], capture_output=True, check=False)
        if mounted.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        return mounted.returncode == 0
    except FileNotFoundError:
        return False
    finally:
        os.rmdir(folder)


def enter_namespace_where_mounting_is_allowed():
    """Starts this file anew in a user namespace when that helps; otherwise returns, and the tests of full disks are skipped."""
    if can_mount() or os.environ.get("FAKEQUANT_IN_NAMESPACE"):
        return
    command = ["unshare", "-rm"]
    try:
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
            return
    except FileNotFoundError:
        return
    os.environ["FAKEQUANT_IN_NAMESPACE"] = "1"
    os.execvp(command[0], [*command, sys.executable, "-B", *sys.argv])


class FullDisk(ProgramTest):
    def setUp(self):
        super().setUp()
        if not can_mount():
            self.skipTest("cannot mount a tmpfs, neither here nor in a user namespace")
        self.disk = self.mount("disk", "4m")
        row = floats(gauss(4096, 1))
        self.input = self.write("in.gguf", Gguf([(f"blk.{i}.ffn_up.weight", "F32", (4096, 8), row * 8) for i in range(24)]))
        self.before = sha256(self.input)  # 3 MiB

    def mount(self, name, size):
        disk = self.path(name)
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        return disk

    def fill(self, free_bytes):
        """Leaves about `free_bytes` on the disk."""
        status = os.statvfs(self.disk)
        left = max(0, status.f_bavail * status.f_frsize - free_bytes)
        with open(self.disk / "filler", "wb", buffering=0) as file:
            try:
                while left > 0:
                    left -= file.write(b"x" * min(left, 1 << 20))
            except OSError as error:  # the program took the rest meanwhile
                self.assertEqual(error.errno, errno.ENOSPC)

    def quantize(self, *options, form="int4:group=32"):
        return ("quantize", self.input, self.disk / "out.gguf", "--tensors", "all", "--format", form, *options)

    def check_clean(self, *names):
        self.assert_only(*names, folder=self.disk)
        self.assertEqual(sha256(self.input), self.before)

    def test_refused_before_work_starts(self):
        self.fill(1 << 20)
        for options in ((), ("--no-sync",), ("--store", "f32")):
            self.assert_refused(*self.quantize(*options), says=("out.gguf", "not enough space", "needed", "free"))
        self.check_clean("filler")

    def test_an_output_that_is_replaced_needs_its_space_until_the_end(self):
        (self.disk / "out.gguf").write_bytes(b"x" * (2 << 20))
        self.assert_refused(*self.quantize("--force"), says="not enough space")
        self.assertEqual((self.disk / "out.gguf").stat().st_size, 2 << 20)
        self.check_clean("out.gguf")

    def test_it_fits(self):
        self.run_ok(*self.quantize())
        self.check_clean("out.gguf")

    def test_full_while_it_is_written(self):
        """The space is there when it is checked, and taken while the program works: a model large enough to act in between."""
        self.disk = self.mount("large-disk", "96m")
        source = self.path("large.gguf")
        large_model(source, 64)
        before = sha256(source)
        late = 0
        for attempt in range(10):
            process = subprocess.Popen([str(PROGRAM), "quantize", str(source), str(self.disk / "out.gguf"), "--tensors", "all", "--format",
                                        "q4_k", "--json", str(self.path("result.json"))], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            deadline = time.monotonic() + 30
            while process.poll() is None and time.monotonic() < deadline:
                if any(n.startswith(".out.gguf") for n in os.listdir(self.disk)):
                    break
            self.fill(4096)
            said, complaint = process.communicate(timeout=60)
            (self.disk / "filler").unlink()
            if process.returncode == DONE:  # it was faster than we were
                (self.disk / "out.gguf").unlink()
                self.path("result.json").unlink()
                continue
            self.assertEqual(process.returncode, FAILED, complaint)
            self.assertEqual(said, "")
            self.assertEqual(len(complaint.splitlines()), 1, complaint)
            self.assertFalse(self.path("result.json").exists())
            self.check_clean()
            if "disk full" in complaint:
                late += 1
                break
            self.assertIn("not enough space", complaint)
        self.assertEqual(sha256(source), before)
        self.assertGreater(late, 0, f"the disk was never full in time, {attempt + 1} attempts")

    def test_a_result_that_does_not_fit(self):
        self.fill(0)
        for command in (("inspect", self.input), ("formats",), ("compare", self.input, self.input)):
            for attempt in ("new", "old"):
                target = self.disk / "result.json"
                if attempt == "old":
                    target.symlink_to(self.write("old.json", b"old"))
                    self.run_ok(*command, "--json", target)  # the link leads to another disk
                    target.unlink()
                    continue
                result = run(*command, "--json", target)
                self.assertEqual((result.returncode, len(result.stderr.splitlines())), (FAILED, 1), result.stderr)
                self.assertIn("disk full", result.stderr)
                self.check_clean("filler")

    def test_standard_output_that_does_not_fit(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            for options in ((), ("--json", "-")):
                result = run("inspect", self.input, *options, stdout=full)
                self.assertEqual((result.returncode, len(result.stderr.splitlines())), (FAILED, 1), result.stderr)
                self.assertIn("standard output", result.stderr)

    def test_a_split_model_whose_second_part_does_not_fit(self):
        parts = []
        row = floats(gauss(4096, 1))
        for number in range(2):
            metadata = {"split.no": ("u16", number), "split.count": ("u16", 2), "split.tensors.count": ("i32", 2)}
            parts.append(self.write(f"part-{number + 1:05}-of-00002.gguf",
                                    Gguf([(f"blk.{number}.ffn_up.weight", "F32", (4096, 100), row * 100)], metadata)))
        self.fill((2 << 20) + (1 << 19))  # either part would fit, both do not
        self.assert_refused("quantize", parts[0], self.disk / "out.gguf", "--tensors", "all", "--format", "int4", says="not enough space")
        self.check_clean("filler")


@unittest.skipIf(SANITIZED, SKIP_SANITIZED)
class CutShort(ProgramTest):
    """The file becomes shorter while it is read: the kernel sends SIGBUS for what is no longer there."""

    def test_inspect_compare_quantize(self):
        for command in ("inspect", "compare", "quantize"):
            with self.subTest(command):
                self.check(command)

    def check(self, command):
        # A hole reads fast and costs no disk; large enough that the cut comes before the end is reached.
        path = self.path("in.gguf")
        for megabytes in (1024, 4096, 16384):
            write_sparse_model(path, [(f"blk.{i}.ffn_up.weight", "F32", (4096, megabytes * 4)) for i in range(16)], b"\x01" * 64)
            arguments = {"inspect": ["inspect", str(path)], "compare": ["compare", str(path), str(path)],
                         "quantize": ["quantize", str(path), str(self.path("out.gguf")), "--tensors", "all", "--format", "int4:group=32",
                                      "--no-sync"]}[command]
            process = subprocess.Popen([str(PROGRAM), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       text=True)
            time.sleep(0.1)
            os.truncate(path, 1 << 20)
            said, complaint = process.communicate(timeout=120)
            if process.returncode != DONE:
                break
            for other in self.folder.glob("out*"):
                other.unlink()
        self.assertEqual(process.returncode, FAILED, complaint)
        self.assertEqual(len(complaint.splitlines()), 1, complaint)
        self.assertTrue(complaint.startswith("fakequant: "), complaint)
        self.assertRegex(complaint, "shorter|shrank")
        self.assert_only("in.gguf")


if __name__ == "__main__":
    enter_namespace_where_mounting_is_allowed()
    main()
