"""A run that is killed again and again ends with the journal of one that was not.

More kills than the test run makes: FAKEQUANT_RUN_KILLS=500 python3 tests/cli/run_kill_test.py
"""

import json
import os
import random
import signal
import subprocess
import time
import unittest

from run_test import timeless_journal
from support import DONE, PROGRAM, SANITIZED, SKIP_SANITIZED, ProgramTest, main

KILLS = int(os.environ.get("FAKEQUANT_RUN_KILLS", "50"))
EXPERIMENT = b"""
title = "Small"
model = "demo"
[[text]]
file = "demo"
chunks = 2
[[prompt]]
prompt = "tree: a tall"
temperature = 0
tokens = 4
[[stage]]
name = "first"
[[stage.variant]]
tensors = "ffn_norm"
layers = ["0", "1"]
format = "bf16:rtz"
[[stage]]
name = "second"
requires = ["ln_ppl_ratio < 0.05"]
[[stage.variant]]
tensors = "ffn_norm"
format = ["bf16:rtz", "e4m3"]
[[criterion]]
name = "loads"
check = "loads == 1"
"""


@unittest.skipIf(SANITIZED, SKIP_SANITIZED)
class Killed(ProgramTest):
    def command(self, out):
        return [str(PROGRAM), "run", str(self.path("e.toml")), "--out", str(out), "-q", "-t", "1"]

    def go(self, out, after_seconds=None):
        """Runs until the end, or kills the run after a time; whether it came to its end."""
        process = subprocess.Popen(self.command(out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _, messages = process.communicate(timeout=after_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            _, messages = process.communicate()
        if process.returncode != -signal.SIGKILL:
            self.assertEqual(process.returncode, DONE, messages)
        return process.returncode == DONE

    def test_the_journal_does_not_tell(self):
        self.write("e.toml", EXPERIMENT)
        whole = self.path("whole")
        start = time.monotonic()
        self.assertTrue(self.go(whole))
        seconds = time.monotonic() - start
        wanted = timeless_journal(whole)
        source = random.Random(20)
        kills = round_count = 0
        while kills < KILLS:
            out = self.path(f"out{round_count}")
            round_count += 1
            # Moments of all of a run, and as many of its beginning, where files are made.
            while not self.go(out, source.uniform(0, seconds if source.random() < 0.7 else seconds / 5)):
                kills += 1
            self.assertEqual(timeless_journal(out), wanted, f"after {kills} kills")
            log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
            self.assertEqual(log[-1]["outcome"], "done")


if __name__ == "__main__":
    main()
