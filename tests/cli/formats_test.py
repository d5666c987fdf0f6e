"""`fakequant formats`: table, pages, values, JSON; and docs/formats.md held against what the program says."""

import math
import re
import struct
import unittest

from support import SOURCE, ProgramTest, main

PAGE = SOURCE / "docs" / "formats.md"
LONGEST_LINE = 110
# Formats whose parameters change what a page must say.
VARIANTS = ("bf16:sr", "f16:rtz:sat", "e4m3:inf", "e4m3:row", "e4m3:rna:inf", "e5m2:sr:inf", "e3m4:ieee", "e8m22:ieee", "e8m0:fnuz",
            "e2m0:finite", "e4m0:fn", "e5m10:finite:group=64", "int2:full", "int16:asym", "int4:group=43", "int8:asym:scale_type=f16:group=64",
            "mxfp4:scale=even:sr", "mxfp8_e5m2:scale=ceil", "mxint8:scale=rceil:rtz", "nvfp4:sr", "nf4:row:scale_type=bf16:rna")


def formats_of(*arguments):
    """The list of formats in the JSON of a run."""
    test = ProgramTest()
    return test.run_json("formats", *arguments)["formats"]


# --- The page ---------------------------------------------------------------------------------------------------------


def tables(text):
    """Every Markdown table of the page as (line number, header, rows of (line number, cells))."""
    found, rows = [], []
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.startswith("|"):
            rows.append((number, [cell.strip() for cell in line.strip().strip("|").split("|")]))
        elif rows:
            found.append((rows[0][0], rows[0][1], rows[2:]))
            rows = []
    return found


def number_in(cell):
    """A number of the page, and whether it is written in full: 448, 2^-9, 0x7F7F8000 (the pattern of an F32); 3.3895e38 is rounded."""
    if match := re.fullmatch(r"2\^(-?\d+)", cell):
        return 2.0 ** int(match[1]), True
    if re.fullmatch(r"0x[0-9A-F]{8}", cell):
        return struct.unpack(">f", bytes.fromhex(cell[2:]))[0], True
    return float(cell), "e" not in cell


def same_number(cell, value):
    wanted, exact = number_in(cell)
    return wanted == value if exact else f"{value:.4e}" == f"{wanted:.4e}"


def same_overflow(cell, entry):
    overflow = entry["overflow"]
    if cell == "never":
        return overflow["from"] is None
    above = cell.startswith("above ")
    return overflow["from"] is not None and same_number(cell.removeprefix("above "), overflow["from"]) and \
        overflow["from_included"] != above


def code_word(entry):
    grid = entry["grid"]
    return f"e{grid['exponent_bits']}m{grid['mantissa_bits']}" if "exponent_bits" in grid else grid["kind"]


# A column of the page -> whether a cell is what the program says, and that as text.
COLUMNS = {
    "exponent, mantissa bits": (lambda cell, e: cell == f"{e['exponent_bits']}, {e['mantissa_bits']}",
                                lambda e: f"{e['exponent_bits']}, {e['mantissa_bits']}"),
    "kind": (lambda cell, e: cell == e["grid"]["kind"], lambda e: e["grid"]["kind"]),
    "largest": (lambda cell, e: same_number(cell, e["grid"]["largest"]), lambda e: e["grid"]["largest"]),
    "smallest normal": (lambda cell, e: same_number(cell, e["smallest_normal"]), lambda e: e["smallest_normal"]),
    "smallest subnormal": (lambda cell, e: same_number(cell, e["smallest_subnormal"]), lambda e: e["smallest_subnormal"]),
    "overflows from": (same_overflow, lambda e: f"{e['overflow']['from']}, included: {e['overflow']['from_included']}"),
    "bits per weight": (lambda cell, e: cell == e["bits"], lambda e: e["bits"]),
    "block": (lambda cell, e: cell == e["block"], lambda e: e["block"]),
    "imatrix": (lambda cell, e: cell == e["importance_matrix"], lambda e: e["importance_matrix"]),
    "codes": (lambda cell, e: cell == code_word(e), code_word),
    "scale": (lambda cell, e: cell == e["scale"]["type"], lambda e: e["scale"]["type"]),
    "twice gives the same bits as once": (lambda cell, e: cell == ("yes" if e["idempotent"] else "no"), lambda e: e["idempotent"]),
}


def wrong_cells(text, entry_of):
    """What the tables of formats say and the program does not; entry_of(name) is its JSON."""
    wrong = []
    for _, header, rows in tables(text):
        if header[0] != "format":
            continue
        for line, cells in rows:
            entry = entry_of(cells[0].strip("`"))
            for name, cell in zip(header[1:], cells[1:], strict=True):
                is_same, said = COLUMNS[name]
                if not is_same(cell, entry):
                    wrong.append(f"docs/formats.md:{line}: {cells[0]}, column '{name}': '{cell}', but the program says {said(entry)}")
    return wrong


class Page(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.text = PAGE.read_text(encoding="utf-8")
        cls.catalog = formats_of()
        names = {cells[0].strip("`") for _, header, rows in tables(cls.text) if header[0] == "format" for _, cells in rows}
        named = sorted(names)
        cls.entries = dict(zip(named, formats_of(*named), strict=True))

    def test_every_cell_is_what_the_program_says(self):
        self.assertGreater(len(self.entries), 50)
        self.assertEqual(wrong_cells(self.text, self.entries.get), [])

    def test_a_wrong_cell_is_found(self):
        before = wrong_cells(self.text, self.entries.get)
        for right, wrong, column in (("| 448 | 2^-6 ", "| 449 | 2^-6 ", "largest"), ("| above 464 |", "| 464 |", "overflows from"),
                                     ("| 0x7F7F8000 |", "| 0x7F7F0000 |", "overflows from"), ("| 3.3895e38 |", "| 3.3896e38 |", "largest"),
                                     ("| 28 | 2^-2 |", "| 28 | 2^-3 |", "smallest normal"), ("| 4.5 + 32 per tensor |", "| 6.5 |", "bits per weight"),
                                     ("| `q4_k` | 4.5 | 256 |", "| `q4_k` | 4.5 | 32 |", "block"),
                                     ("| `mxint8` | no |", "| `mxint8` | yes |", "twice")):
            with self.subTest(wrong):
                self.assertEqual(self.text.count(right), 1)
                found = [cell for cell in wrong_cells(self.text.replace(right, wrong), self.entries.get) if cell not in before]
                self.assertEqual(len(found), 1)
                self.assertIn(f"column '{column}", found[0])

    def test_every_format_has_a_row(self):
        for entry in self.catalog:
            with self.subTest(entry["name"]):
                if entry["family"] == "integer":
                    first, last = map(int, re.search(r"^## Integers: `int(\d+)` to `int(\d+)`$", self.text, re.M).groups())
                    self.assertTrue(first <= entry["code_bits"] <= last)
                else:
                    self.assertIn(entry["name"], self.entries)

    def test_parameters(self):
        spellings = {p["spelling"] for entry in self.catalog for p in entry["parameters"]}
        self.assertEqual(set(re.findall(r"^    (:\S+)  ", self.text, re.M)), spellings)

    def test_formats_that_the_page_names_exist(self):
        for line in re.findall(r"^    NAME\[:parameter\]\.\.\.(.*)$", self.text, re.M):
            formats_of(*line.split())
        for name in re.findall(r"`((?:bf16|tf32|f16|e\dm\d+|int\d+|mx[a-z0-9_]+|nf4|nvfp4)(?::[a-z0-9_=]+)*)`", self.text):
            with self.subTest(name):
                self.run_ok("formats", name, "--quiet")

    def test_the_kinds(self):
        header, rows = next((h, r) for _, h, r in tables(self.text) if h[0] == "kind")
        self.assertEqual(header[0], "kind")
        self.assertEqual([cells[0].strip("`") for _, cells in rows], ["ieee", "fn", "fnuz", "finite"])


# --- What is printed --------------------------------------------------------------------------------------------------


class Printed(ProgramTest):
    def test_the_table_is_grouped_and_narrow(self):
        text = self.run_ok("formats").stdout
        headings = [line.split("  ")[0] for line in text.split("\n") if "what it is" in line]
        self.assertEqual(headings, ["scalars", "integers", "blocks", "ggml types"])
        self.assertLessEqual(max(map(len, text.split("\n"))), LONGEST_LINE)
        self.assertEqual(len(re.findall(r"^int", text, re.M)), 2)  # the heading and one line for all
        self.assertRegex(text, r"\nnvfp4 +4\.5 \+ 32/tensor ")

    def test_every_page(self):
        for name in [entry["name"] for entry in formats_of()] + list(VARIANTS):
            with self.subTest(name):
                text = self.run_ok("formats", name).stdout
                self.assertLessEqual(max(map(len, text.split("\n"))), LONGEST_LINE, text)
                self.assertTrue(text.split("\n")[0].startswith(name.split(":")[0]), text)
                for word in ("bits per weight  ", "rounding again  ", "used by  ", "sources  "):
                    self.assertIn(word, text)
                drawn = any(glyph in text for glyph in "├└")
                self.assertEqual(drawn, " values of a row\n" not in text, text)  # all but ggml's

    def test_what_a_page_says(self):
        for name, texts in {
                "e4m3": ("448 = 1.75 x 2^8", "0.015625 = 2^-6", "0.001953125 = 2^-9", "with :inf NaN above 464", "FP8"),
                "f16": ("65504 = (2 - 2^-10) x 2^15", "Inf from 65520"), "f16:rtz": ("finite values give 65504 at most",),
                "bf16:rna": ("Inf from 3.3962e38", "ties away from zero"), "e4m3:row": ("amax / 448", "8 + 32 per row", "one for a row"),
                "int4:full": ("amax / 7.5", "-8 to 7"), "mxfp4": ("2^(floor(log2 amax) - 2)", "from 6 to 8 times the scale"),
                "mxfp4:scale=even": ("from 6 to 7 times the scale",), "mxfp4:scale=rceil": ("2^ceil(log2(amax / 6))",),
                "nvfp4": ("4.5 + 32 per tensor: 4 of code + 8 of scale per 16 + 32 of scale per tensor",), "q4_k": ("144 bytes per 256",),
                "int4:group=32:asym": ("5.125: 4 of code + 32 of scale and 4 of zero point per 32",)}.items():
            with self.subTest(name):
                page = " ".join(self.run_ok("formats", name).stdout.split())
                for text in texts:
                    self.assertIn(text, page)

    def test_the_line_of_few_values(self):
        text = self.run_ok("formats", "e2m1").stdout.split("\n")
        axis = next(i for i, line in enumerate(text) if "┼" in line)
        ticks = [i for i, glyph in enumerate(text[axis]) if glyph in "├┼┤"]
        self.assertEqual(text[axis + 1].split(), ["0", "0.5", "1", "1.5", "2", "3", "4", "6"])
        unit = (ticks[-1] - ticks[0]) / 12
        self.assertEqual([(tick - ticks[0]) / unit for tick in ticks], [0, 1, 2, 3, 4, 6, 8, 12])
        self.assertEqual(len(re.findall("[├┼┤]", self.run_ok("formats", "nf4").stdout)), 16)

    def test_the_bars_of_many_values(self):
        rows = re.findall(r"(\d+) ┤(.*)", self.run_ok("formats", "e4m3").stdout)
        self.assertEqual([label for label, _ in rows], ["8", "4", "2", "1"])
        self.assertEqual(len(rows[-1][1]), 18 * 3)  # 18 powers of two from 2^-9 to 2^8
        self.assertEqual([bars.count("▒") for _, bars in rows], [0, 3, 6, 9])  # subnormals
        self.assertTrue(rows[0][1].endswith("█▆▆▆"))  # the top has 7: the eighth is NaN

    def test_several(self):
        both = self.run_ok("formats", "bf16", "f16").stdout
        self.assertEqual(both, self.run_ok("formats", "bf16").stdout + "\n" + self.run_ok("formats", "f16").stdout)
        self.assertEqual([e["name"] for e in formats_of("bf16", "e4m3:row")], ["bf16", "e4m3"])


class Json(ProgramTest):
    def test_keys(self):
        keys = {"name", "full_name", "family", "summary", "note", "used_by", "sources", "bits_per_weight", "bits", "bits_formula", "code_bits",
                "block", "importance_matrix", "scale", "grid", "rounding", "overflow", "idempotent", "repetition_note", "parameters"}
        floats = {"kind", "exponent_bits", "mantissa_bits", "bias", "lowest", "largest", "smallest_normal", "smallest_subnormal", "has_inf",
                  "has_nan", "has_negative_zero"}
        for entry in formats_of() + formats_of(*VARIANTS):
            with self.subTest(entry["full_name"]):
                self.assertLessEqual(keys, set(entry))
                self.assertEqual(entry["idempotent"], entry["repetition_note"] == "")
                self.assertEqual(entry["grid"] is None, entry["family"] == "ggml")
                self.assertTrue(entry["used_by"] and entry["sources"] and entry["note"])
                if "exponent_bits" in entry:
                    self.assertEqual(set(entry["grid"]), floats)
                    for key in ("exponent_bits", "mantissa_bits", "largest", "smallest_normal", "smallest_subnormal"):
                        self.assertEqual(entry[key], entry["grid"][key])

    def test_bits_per_weight_is_exact_or_null(self):
        wanted = {"bf16": 16, "tf32": 19, "int4": None, "int8:tensor": None, "int4:group=32": 5, "int4:group=43": (43 * 4 + 32) / 43,
                  "int4:group=32:asym": 5.125, "e4m3:row": None, "e4m3:group=32:scale_type=f16": 8.5, "mxfp4": 4.25, "nvfp4": None, "nf4": 4.5,
                  "q4_k": 4.5, "iq1_s": 1.5625}
        self.assertEqual({name: e["bits_per_weight"] for name, e in zip(wanted, formats_of(*wanted))}, wanted)

    def test_help_of_an_unnamed_float_is_its_own(self):
        entry = formats_of("e4m2:fn")[0]
        meanings = {p["spelling"]: p["meaning"] for p in entry["parameters"]}
        self.assertIn("here fn", meanings[":ieee|fn|fnuz|finite"])
        self.assertIn("default sat", meanings[":sat|inf"])
        self.assertNotIn(":sat|inf", {p["spelling"] for p in formats_of("e2m1")[0]["parameters"]})


class Values(ProgramTest):
    CELL = re.compile(r"\b([0-9a-f]{1,2})  ([01](?: [01]+)+|[01]+) +(\S+)")

    def printed(self, name):
        """(code, bits, value) of each cell, in the order of codes."""
        text = self.run_ok("formats", name, "--values").stdout
        self.assertLessEqual(max(map(len, text.split("\n"))), LONGEST_LINE)
        cells = [(int(code, 16), bits, value) for line in text.split("\n")[2:] for code, bits, value in self.CELL.findall(line)]
        return sorted(cells)

    def test_e2m1(self):
        values = [v["value"] for v in formats_of("e2m1", "--values")[0]["values"]]
        self.assertEqual(values, [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])
        self.assertEqual(math.copysign(1, values[8]), -1)
        self.assertEqual(self.printed("e2m1")[:3], [(0, "0 00 0", "0"), (1, "0 00 1", "0.5"), (2, "0 01 0", "1")])

    def test_every_format_of_eight_bits_lists_each_code_once(self):
        for entry in formats_of() + formats_of("e3m4:ieee", "e4m0:fn", "e3m0:ieee", "e2m2:fnuz", "int8:full", "int8:asym", "int3:asym", "e5m2:row"):
            name, bits = entry["full_name"], entry["code_bits"]
            if bits is None or bits > 8:
                continue
            with self.subTest(name):
                cells = self.printed(name)
                listed = formats_of(name, "--values")[0]["values"]
                missing = 1 if ":restricted" in name else 0
                self.assertEqual(len(listed), 2 ** bits - missing)
                self.assertEqual([(v["code"], v["bits"]) for v in listed], [(code, text) for code, text, _ in cells])
                for value, (code, text, shown) in zip(listed, cells):
                    self.assertEqual(int(text.replace(" ", ""), 2), code)
                    if isinstance(value["value"], str):
                        self.assertEqual(value["value"], shown)
                        self.assertIn(shown, ("NaN", "Inf", "-Inf"))
                    else:
                        self.assertEqual(struct.pack("<f", float(shown)), struct.pack("<f", value["value"]))
                finite = [v["value"] for v in listed if not isinstance(v["value"], str)]
                special = {v["value"].lstrip("-") for v in listed if isinstance(v["value"], str)}
                self.assertEqual(special, {word for word, key in (("Inf", "has_inf"), ("NaN", "has_nan")) if entry["grid"][key]})
                self.assertEqual((min(finite), max(finite)), (entry["grid"]["lowest"], entry["grid"]["largest"]))

    def test_special_codes(self):
        specials = {name: {v["code"]: v["value"] for v in e["values"] if isinstance(v["value"], str)}
                    for name, e in zip(("e4m3", "e5m2", "e4m3fnuz", "e2m3"), formats_of("e4m3", "e5m2", "e4m3fnuz", "e2m3", "--values"))}
        self.assertEqual(specials["e4m3"], {0x7F: "NaN", 0xFF: "NaN"})
        self.assertEqual({code: v for code, v in specials["e5m2"].items() if v != "NaN"}, {0x7C: "Inf", 0xFC: "-Inf"})
        self.assertEqual(len(specials["e5m2"]), 8)
        self.assertEqual(specials["e4m3fnuz"], {0x80: "NaN"})
        self.assertEqual(specials["e2m3"], {})

    def test_units(self):
        self.assertNotIn("units of the scale", self.run_ok("formats", "e4m3", "--values").stdout)
        for name in ("mxfp4", "int4", "nf4", "e4m3:row"):
            self.assertIn("in units of the scale", self.run_ok("formats", name, "--values").stdout)

    def test_what_cannot_be_listed(self):
        self.assert_usage("formats", "--values", says="of which format")
        self.assert_usage("formats", "bf16", "--values", says=("65,536 codes of 16 bits", "at most 8 bits"))
        self.assert_usage("formats", "int12", "--values", says="4,096 codes of 12 bits")
        self.assert_usage("formats", "tf32", "--values", says="524,288 codes of 19 bits")
        self.assert_usage("formats", "q4_k", "--values", says="ggml")
        self.assert_usage("formats", "e2m1", "q4_k", "--values", says="ggml")


class Errors(ProgramTest):
    def test_names(self):
        for name, says in (("e4m3x", "did you mean e4m3"), ("e4m2", "of which kind"), ("e9m2:ieee", "e2m0 to e8m22"), ("e8m3:fn", "beyond F32"),
                           ("e2m1:inf", "neither Inf nor NaN"), ("bf16:row", "no parameter"), ("e4m3:scale_type=f16", "no scale to store"),
                           ("mxfp4:group=16", "no parameter"), ("int4:e4m3", "no parameter"), ("", "empty value")):
            with self.subTest(name):
                self.assert_usage("formats", name, says=says)
        self.assert_usage("formats", "bf16", "q4_9", says="q4_9")

    def test_the_examples_of_the_help_work(self):
        text = self.run_ok("formats", "--help").stdout
        examples = re.findall(r"^  fakequant (formats[^|\n]*?)(?:  .*| \|.*)?$", text, re.M)
        self.assertGreater(len(examples), 5)
        for example in examples:
            with self.subTest(example):
                self.run_ok(*example.split())


if __name__ == "__main__":
    main()
