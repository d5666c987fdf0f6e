"""The progress of long work on a terminal: in one line, and nothing of it stays."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
import unicodedata
import unittest

from support import DATA, DEMO, DONE, PROGRAM, SANITIZED, SKIP_SANITIZED, ProgramTest, main

TEXT = DATA / "demo-wordnet-heldout.txt"
WIDE_REST = "\0"  # the second column of a wide character
NOTE = re.compile(r"perplexity \d+\.\d{4} \+/- \d+\.\d{5}")


class Screen:
    """What a terminal shows that knows line ends, carriage returns and clearing to the end of a line, and how often text ran over
    the edge."""

    def __init__(self, columns):
        self.columns = columns
        self.lines = [""]
        self.column = 0
        self.wrapped = 0
        self.seen = []  # the last line, each time that it is about to be drawn again

    def feed(self, text):
        for token in re.findall(r"\x1b\[K|\x1b\[[0-9;]*m|.", text, re.DOTALL):
            if token == "\r":
                self.seen.append(self.lines[-1])
                self.column = 0
            elif token == "\n":
                self.lines.append("")
                self.column = 0
            elif token == "\x1b[K":
                self.lines[-1] = self.lines[-1][:self.column]
            elif not token.startswith("\x1b"):
                token += WIDE_REST if unicodedata.east_asian_width(token) in "WF" else ""
                if self.column + len(token) > self.columns:
                    self.wrapped += 1
                    self.lines.append("")
                    self.column = 0
                self.lines[-1] = self.lines[-1][:self.column].ljust(self.column) + token + self.lines[-1][self.column + len(token):]
                self.column += len(token)


@unittest.skipIf(SANITIZED, SKIP_SANITIZED)
class ProgressOnATerminal(ProgramTest):
    def setUp(self):
        super().setUp()
        folder = self.path("a-folder-with-a-long-name") / "and-another-one-模型"
        folder.mkdir(parents=True)
        self.model = folder / "a-copy-of-the-demo-model.gguf"
        shutil.copy(DEMO, self.model)

    def watch(self, columns, *arguments, signal_after=None):
        """Standard error of a run on a terminal of this width; standard output goes nowhere. Returns the screen and the exit code."""
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        process = subprocess.Popen([str(PROGRAM), *map(str, arguments)], stdin=follower, stdout=subprocess.DEVNULL, stderr=follower)
        os.close(follower)
        data = b""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if not select.select([leader], [], [], 0.2)[0]:
                continue
            try:
                part = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            data += part
            if signal_after is not None and data.count(b"\x1b[K") >= signal_after:
                os.write(leader, b"\x03")  # Ctrl-C in a terminal that is not the process's own shows as ^C
                process.send_signal(signal.SIGINT)
                signal_after = None
        code = process.wait(timeout=60)
        os.close(leader)
        screen = Screen(columns or 80)
        screen.feed(data.decode())
        return screen, code

    def evaluate(self, columns, bars=4, chunks=400):
        """Ends with Ctrl-C after a number of bars."""
        return self.watch(columns, "evaluate", self.model, "-f", TEXT, "-c", "128", "-b", "128", "-t", "1", "--chunks", chunks,
                          signal_after=bars)

    def test_it_fits_and_ctrl_c_leaves_nothing(self):
        for columns in (200, 80, 20):
            with self.subTest(columns):
                screen, code = self.evaluate(columns)
                self.assertEqual(code, -signal.SIGINT)
                self.assertEqual(screen.wrapped, 0, screen.lines)
                self.assertEqual("".join(screen.lines), "")
                last = screen.seen[-1]
                self.assertRegex(last, r"\d %  \d")
                self.assertEqual(bool(NOTE.search(last)), columns >= 80, last)
                self.assertEqual(last.startswith("["), columns == 200)

    def test_the_end_leaves_nothing(self):
        screen, code = self.evaluate(80, bars=None, chunks=150)
        self.assertEqual(code, DONE)
        self.assertGreater(len(screen.seen), 1)
        self.assertEqual("".join(screen.lines), "")

    def test_a_terminal_that_does_not_tell_its_width(self):
        screen, _ = self.evaluate(0)
        self.assertTrue(screen.seen)
        self.assertEqual(screen.wrapped, 0)


if __name__ == "__main__":
    main()
