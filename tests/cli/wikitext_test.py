#!/usr/bin/env python3
"""scripts/get-wikitext-2.sh against a server of our own: whole or not at all, and on from where it broke off.

The text itself is not here; a copy of the script that wants the checksum of a text made here does the same.
"""

import gzip
import hashlib
import http.server
import io
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest
import zipfile

import support

SCRIPT = support.SOURCE / "scripts" / "get-wikitext-2.sh"
TEXT = " \n = A title = \n \n".encode() + "".join(random.Random(1).choices("abcdé \n", k=300_000)).encode()
CHECKSUM = hashlib.sha256(TEXT).hexdigest()


def zipped(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("wikitext-2-raw/", "")
        archive.writestr("wikitext-2-raw/wiki.train.raw", "another text\n" * 1000)
        archive.writestr("wikitext-2-raw/wiki.test.raw", data)
    return buffer.getvalue()


GZIPPED, ZIPPED = gzip.compress(TEXT, mtime=0), zipped(TEXT)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`; a folder in the path says how: /plain/, /cut/ (a third of the file each time), /whole/ (knows no ranges)."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        _, how, name = self.path.split("/")
        self.server.seen.append((self.path, self.headers.get("Range")))
        data = self.server.files.get(name)
        if data is None or how == "missing":
            self.send_error(404)
            return
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and how != "whole":
            start = int(asked[1])
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        most = {"cut": len(data) // 3, "crumbs": 100}.get(how, len(data))
        self.wfile.write(data[start:start + most])
        if how == "slow":
            self.server.is_stuck.set()
            self.server.may_go_on.wait(60)
        self.close_connection = True

    def log_message(self, *_):
        pass


@unittest.skipUnless(shutil.which("curl"), "curl is not here")
class GetWikitext(support.ProgramTest):
    def setUp(self):
        super().setUp()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.files = {"text": TEXT, "gz": GZIPPED, "zip": ZIPPED, "wrong": TEXT[:-1] + b"?", "broken": GZIPPED[:-9]}
        self.server.seen, self.server.is_stuck, self.server.may_go_on = [], threading.Event(), threading.Event()
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.addCleanup(self.server.may_go_on.set)
        source = SCRIPT.read_text()
        wanted = re.findall(r"^wanted=([0-9a-f]{64})$", source, re.MULTILINE)
        self.assertEqual(len(wanted), 1)
        self.script = self.folder / "get.sh"
        self.script.write_text(source.replace(wanted[0], CHECKSUM))
        self.place = self.folder / "out"
        self.place.mkdir()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_port}/{path}"

    def command(self, *arguments):
        return ["sh", str(self.script), *map(str, arguments)]

    def run_script(self, *arguments, code=0, says=(), environment=None, cwd=None):
        """Runs the script; returns what it said, which must hold each text of `says`."""
        variables = {"no_proxy": "127.0.0.1", **{k: v for k, v in os.environ.items() if k != "WIKITEXT_2_MIRROR"}, **(environment or {})}
        result = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=120, check=False, env=variables,
                                cwd=cwd or self.place, stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode, code, result.stderr)
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, result.stderr)
        return result.stderr

    def get(self, path, *arguments, **options):
        return self.run_script("--mirror", self.url(path), *arguments, **options)

    def assert_got(self, place=None):
        place = place or self.place / "wiki.test.raw"
        self.assertEqual(place.read_bytes(), TEXT)
        self.assertEqual(os.listdir(place.parent), [place.name])

    def assert_nothing(self):
        self.assertEqual(os.listdir(self.place), [])

    def test_takes_the_text_gzipped_zipped_and_as_it_is(self):
        for path in ("plain/text", "plain/gz", "plain/zip"):
            said = self.get(path, says=[f"{len(TEXT)} bytes, SHA-256 as it should be"])
            self.assertEqual(len(said.splitlines()), 2, said)
            self.assert_got()
            (self.place / "wiki.test.raw").unlink()

    def test_puts_it_where_it_is_told_and_makes_folders(self):
        self.get("plain/text", "a/b/")
        self.assert_got(self.place / "a" / "b" / "wiki.test.raw")
        self.get("plain/text", "c d/my text.txt")
        self.assert_got(self.place / "c d" / "my text.txt")

    def test_goes_on_where_the_connection_broke(self):
        self.get("cut/gz")
        self.assert_got()
        starts = [asked for _, asked in self.server.seen]
        third = len(GZIPPED) // 3
        self.assertEqual(starts, [None, f"bytes={third}-", f"bytes={2 * third}-"] + [f"bytes={3 * third}-"] * (len(GZIPPED) % 3 > 0))

    def test_gives_up_after_some_attempts_and_goes_on_the_next_time(self):
        self.get("crumbs/gz", code=1, says=["broke off 5 times; run this again", "could not be had"])
        (part,) = self.place.iterdir()
        self.assertRegex(part.name, r"^wiki\.test\.raw\.\d+\.part$")
        self.assertEqual(part.read_bytes(), GZIPPED[:500])
        self.get("crumbs/gz", code=1)
        self.assertEqual(part.read_bytes(), GZIPPED[:1000])

    def test_starts_again_where_a_server_knows_no_ranges(self):
        self.get("crumbs/gz", code=1)
        (part,) = self.place.iterdir()
        kept = part.read_bytes()
        self.get("whole/gz", code=0)  # another address: what was kept is not of it
        self.assertEqual(part.read_bytes(), kept)
        part.unlink()
        (self.place / "wiki.test.raw").unlink()
        part_of_whole = self.part_of("whole/gz")
        part_of_whole.write_bytes(kept)
        self.get("whole/gz", says="cannot go on where the download broke off, starting again")
        self.assert_got()

    def part_of(self, path):
        """The name under which the script keeps what it has of an address."""
        check = subprocess.run(["cksum"], input=self.url(path).encode(), capture_output=True, check=True).stdout.split()[0].decode()
        return self.place / f"wiki.test.raw.{check}.part"

    def test_a_whole_part_is_used_and_a_wrong_one_replaced(self):
        self.part_of("plain/gz").write_bytes(GZIPPED)
        self.get("plain/gz")
        self.assertEqual(self.server.seen, [])
        self.assert_got()
        (self.place / "wiki.test.raw").unlink()
        for wrong in (b"x" * 700, b"x" * len(GZIPPED), b"x" * (len(GZIPPED) + 5)):
            self.part_of("plain/gz").write_bytes(wrong)
            self.get("plain/gz", says=[f"wanted SHA-256 {CHECKSUM}; removed", "starting again"])
            self.assert_got()
            (self.place / "wiki.test.raw").unlink()

    def test_wrong_content_is_not_left_behind(self):
        found = hashlib.sha256(TEXT[:-1] + b"?").hexdigest()
        self.get("plain/wrong", code=1, says=[f"found SHA-256 {found}, wanted SHA-256 {CHECKSUM}; removed", "could not be had"])
        self.assert_nothing()
        self.get("plain/broken", code=1, says=["found what cannot be unpacked (", "unexpected end of file"])
        self.assert_nothing()
        self.server.files["zip without"] = zipped(b"other")
        self.get("plain/zip%20without", code=1)
        self.assert_nothing()

    def test_says_what_the_server_said(self):
        self.get("missing/text", code=1, says=["found HTTP status 404, wanted the file", "--mirror URL names another place"])
        self.assert_nothing()
        self.server.shutdown()
        self.server.server_close()
        self.get("plain/text", code=1, says="exit code 7 of curl")
        self.assert_nothing()

    def test_tries_one_address_after_the_other_and_says_so(self):
        text = self.script.read_text()
        listed = re.search(r"^mirrors='\n(.*?)'$", text, re.MULTILINE | re.DOTALL)
        self.assertEqual([line.split("/")[0] for line in listed[1].split()], ["https:", "https:"])
        self.script.write_text(text.replace(listed[1], f"{self.url('missing/gz')}\n{self.url('plain/wrong')}\n{self.url('plain/zip')}\n"))
        self.run_script(says=["found HTTP status 404", f"wanted SHA-256 {CHECKSUM}; removed", "SHA-256 as it should be"])
        self.assert_got()

    def test_the_environment_names_a_mirror_and_the_option_wins(self):
        self.run_script(environment={"WIKITEXT_2_MIRROR": self.url("plain/gz")})
        self.assert_got()
        self.run_script("-f", "-m", self.url("plain/text"), environment={"WIKITEXT_2_MIRROR": self.url("missing/gz")})
        self.assertEqual([path for path, _ in self.server.seen], ["/plain/gz"])

    def test_takes_a_file_of_this_machine(self):
        (self.folder / "local.zip").write_bytes(ZIPPED)
        self.run_script("--mirror", f"file://{self.folder}/local.zip")
        self.assert_got()

    def test_keeps_what_is_there(self):
        place = self.place / "wiki.test.raw"
        place.write_bytes(TEXT)
        before = place.stat()
        self.get("plain/text", says="is there already, and its SHA-256 is right")
        self.assertEqual((place.stat().st_ino, place.stat().st_mtime_ns), (before.st_ino, before.st_mtime_ns))
        self.assertEqual(self.server.seen, [])
        place.write_bytes(b"mine")
        found = hashlib.sha256(b"mine").hexdigest()
        self.get("plain/text", code=1, says=f"is there already with SHA-256 {found}, wanted {CHECKSUM}; --force replaces it")
        self.assertEqual(place.read_bytes(), b"mine")
        self.get("missing/text", "--force", code=1)
        self.assertEqual(place.read_bytes(), b"mine")
        self.get("plain/text", "--force")
        self.assert_got()

    def test_an_interruption_keeps_what_came_and_nothing_else(self):
        process = subprocess.Popen(self.command("--mirror", self.url("slow/gz")), cwd=self.place, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        self.assertTrue(self.server.is_stuck.wait(60))
        part = self.part_of("slow/gz")
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size > 0) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        self.assertNotEqual(process.wait(60), 0)
        self.assertEqual(list(self.place.iterdir()), [part])
        self.assertTrue(GZIPPED.startswith(part.read_bytes()))

    def test_needs_no_more_than_it_says(self):
        """With nothing on the path but what every system has, and curl."""
        programs = self.folder / "programs"
        programs.mkdir()
        for name in "sh curl gzip od cksum sha256sum cut tr tail wc cp mv rm mkdir dirname cat".split():
            (programs / name).symlink_to(shutil.which(name))
        alone = {"PATH": str(programs)}
        self.get("plain/gz", environment=alone)
        self.assert_got()
        (self.place / "wiki.test.raw").unlink()
        self.get("plain/zip", code=1, environment=alone, says="no program here unpacks it: install unzip, or name a mirror")
        (programs / "python3").symlink_to(sys.executable)
        self.get("plain/zip", environment=alone)
        self.assert_got()
        (programs / "curl").unlink()
        (self.place / "wiki.test.raw").unlink()
        self.get("plain/gz", code=1, environment=alone, says="found no program 'curl'")

    def test_wrong_usage(self):
        for arguments, says in ((["--mirrors"], "found the option '--mirrors'"), (["--mirror"], "--mirror wants an address"),
                                (["a", "b"], "found a second place 'b'"), ([""], "found an empty name")):
            self.run_script(*arguments, code=2, says=[says, "see --help"])
        shown = subprocess.run(self.command("--help"), capture_output=True, text=True, check=True)
        self.assertIn("Usage: get-wikitext-2.sh", shown.stdout)
        self.assertEqual(shown.stderr, "")
        self.assert_nothing()

    def test_runs_by_itself(self):
        self.assertTrue(os.access(SCRIPT, os.X_OK))


if __name__ == "__main__":
    support.main()
