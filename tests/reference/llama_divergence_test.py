"""`fakequant evaluate VARIANT --baseline BASE` tells what llama-perplexity --kl-divergence tells: with its logits file as baseline to every
printed digit, with the baseline's model as near as 16-bit codes allow."""

import math
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from support import DATA, DEMO, SHARED, STORIES, ProgramTest, llama, llama_whole, main  # noqa: E402

TEXT = DATA / "demo-wordnet-heldout.txt"
WIKI = SHARED / "text" / "wiki.test.raw"
OPTIONS = ("-c", "128", "-b", "512", "--chunks", "10", "-t", "1")
SCORED = 10 * 63

# llama-perplexity's name -> our keys of value and error, and how a number of ours stands there (percent: 100).
ROWS = {
    "Mean PPL(Q)": ("model.perplexity", "model.perplexity_error", 1),
    "Mean PPL(base)": ("baseline.perplexity", "baseline.perplexity_error", 1),
    "Cor(ln(PPL(Q)), ln(PPL(base)))": ("correlation", None, 100),
    "Mean ln(PPL(Q)/PPL(base))": ("ln_ppl_ratio", "ln_ppl_ratio_error", 1),
    "Mean PPL(Q)/PPL(base)": ("ppl_ratio", "ppl_ratio_error", 1),
    "Mean PPL(Q)-PPL(base)": ("ppl_difference", "ppl_difference_error", 1),
    "Mean KLD": ("kld_mean", "kld_error", 1),
    "Mean Δp": ("p_diff_mean", "p_diff_error", 100),
    "RMS Δp": ("p_diff_rms", "p_diff_rms_error", 100),
    "Same top p": ("same_top", "same_top_error", 100),
}
PLACES = {"Maximum": "max", "99.9%": "p999", "99.0%": "p99", "95.0%": "p95", "90.0%": "p90", "75.0%": "p75", "Median": "median",
          "25.0%": "p25", "10.0%": "p10", "5.0%": "p05", "1.0%": "p01", "0.1%": "p001", "Minimum": "min"}
ROWS.update({f"{place} KLD": (f"kld_{key}", None, 1) for place, key in PLACES.items() if key not in ("p75", "p25")})
ROWS.update({f"{place} Δp": (f"p_diff_{key}", None, 100) for place, key in PLACES.items()})

# It keeps a token's nats, and the largest logit plus ln of the sum, in F32: three roundings of numbers below 32.
NATS = 3 * 2**-20
# Its codes of the baseline's log-probabilities are this far apart: a token's is wrong by half of it at most, evenly spread.
CODE_STEP = 16 / 65535
CODE_DEVIATION = CODE_STEP / math.sqrt(12)


def printed_statistics(output):
    """Name -> [(digits of the value, of its error or None)] of everything behind the first heading."""
    found = {}
    number = r"(-?\d+\.\d+)"
    for line in output[output.index("====== Perplexity"):].splitlines():
        match = re.fullmatch(rf"(.*?)\s*:\s*{number}\s*%?(?:\s*±\s*{number}\s*%?)?\s*", line)
        if match:
            found[" ".join(match.group(1).split())] = (match.group(2), match.group(3))
    return found


def half_digit(text):
    """Half of the last printed digit, and room for the last bits of the double that it was printed from."""
    return 0.5000001 * 10.0**-len(text.partition(".")[2])


class LlamaDivergence(ProgramTest):
    def setUp(self):
        super().setUp()
        self.text = self.write("text.txt", TEXT.read_bytes()[:14000])
        self.logits = self.path("logits.bin")

    def variant(self, selection="ffn", format_name="int4:group=32", base="demo"):
        path = self.path("variant.gguf")
        self.run_ok("quantize", base, path, "--tensors", selection, "--format", format_name, "-q")
        return path

    def by_llama(self, base, variant, text, *options):
        """What llama-perplexity prints of two models, by name; the baseline's logits stay in self.logits."""
        common = ("-f", text, *options, "--no-repack", "--no-warmup", "--kl-divergence-base", self.logits)
        llama("llama-perplexity", "-m", base, *common)
        output, _ = llama_whole("llama-perplexity", "-m", variant, *common, "--kl-divergence",
                                complete=lambda out, err: re.search(r"Same top p: .*%\n", out))
        found = printed_statistics(output)
        self.assertEqual(set(found), set(ROWS))
        return found

    def ours(self, variant, baseline, text, *options):
        result = self.run_json("evaluate", variant, "--baseline", baseline, "-f", text, *options, "--control", "none")
        found, = result["texts"]
        return found

    @staticmethod
    def number(measured, key):
        if key.startswith(("model.", "baseline.")):
            side, _, name = key.partition(".")
            return measured[side][name]
        return measured["divergence"][key]

    def compare(self, measured, printed, tolerance_of):
        """Every printed number; tolerance_of(name) is in the units of our number, beyond half a digit."""
        for name, (value_key, error_key, factor) in ROWS.items():
            for key, text in zip((value_key, error_key), printed[name]):
                if key is None:
                    continue
                tolerance = half_digit(text) + factor * tolerance_of(name)
                self.assertAlmostEqual(factor * self.number(measured, key), float(text), delta=tolerance, msg=f"{name}: {key}")

    def test_a_logits_file_as_baseline(self):
        variant = self.variant()
        for options in (OPTIONS, ("-c", "256", "-b", "256", "--chunks", "4", "-t", "1")):
            printed = self.by_llama(DEMO, variant, self.text, *options)
            measured = self.ours(variant, self.logits, self.text, *options)
            perplexity = measured["model"]["perplexity"]

            def tolerance(name, size=perplexity):
                if name in ("Mean PPL(Q)", "Mean PPL(base)", "Mean PPL(Q)-PPL(base)"):
                    return 2 * size * NATS
                return 0 if name == "Same top p" else 2 * NATS

            self.compare(measured, printed, tolerance)

    def test_a_model_as_baseline(self):
        variant = self.variant()
        printed = self.by_llama(DEMO, variant, self.text, *OPTIONS)
        measured = self.ours(variant, DEMO, self.text, *OPTIONS)
        perplexity = measured["model"]["perplexity"]
        # Means over tokens: five standard deviations of the codes' errors. What codes leave out, below 16 nats, is less than that here.
        mean = 5 * CODE_DEVIATION / math.sqrt(SCORED) + NATS

        def tolerance(name):
            if name == "Mean PPL(Q)":
                return 2 * perplexity * NATS
            if "PPL" in name:
                return 2 * mean * (perplexity if name in ("Mean PPL(base)", "Mean PPL(Q)-PPL(base)") else 1)
            if name == "Same top p":
                return 1 / SCORED  # two tokens that share a code
            # A token's own number is wrong by what its code is, or two of them where it lies between tokens.
            return mean if name in ("Mean KLD", "Mean Δp", "RMS Δp") else CODE_STEP / 2 + NATS

        self.compare(measured, printed, tolerance)

    def test_the_mean_of_many_tokens_agrees_to_a_millionth(self):
        variant = self.variant("attn_v", "int4:group=32")
        text = self.write("long.txt", TEXT.read_bytes()[:60000])
        options = ("-c", "256", "-b", "1024", "--chunks", "40", "-t", "1")
        printed = self.by_llama(DEMO, variant, text, *options)
        measured = self.ours(variant, DEMO, text, *options)
        self.assertAlmostEqual(measured["divergence"]["kld_mean"], float(printed["Mean KLD"][0]), delta=1.5e-6)

    def test_the_baseline_has_the_perplexity_that_it_has_alone(self):
        variant = self.variant()
        measured = self.ours(variant, DEMO, self.text, *OPTIONS)
        for side, model in (("model", variant), ("baseline", DEMO)):
            alone = self.run_json("evaluate", model, "-f", self.text, *OPTIONS)["texts"][0]["model"]
            self.assertEqual({key: measured[side][key] for key in alone}, alone)
        difference = measured["model"]["nats_per_token"] - measured["baseline"]["nats_per_token"]
        self.assertAlmostEqual(measured["divergence"]["ln_ppl_ratio"], difference, delta=1e-14)

    def test_a_model_against_itself(self):
        divergence = self.ours(DEMO, DEMO, self.text, *OPTIONS)["divergence"]
        for key in ("kld_mean", "kld_error", "kld_error_chunks", "kld_max", "cvar_1pct", "ln_ppl_ratio", "ln_ppl_ratio_error_chunks",
                    "p_diff_rms", "flips", "entropy_shift"):
            self.assertEqual(divergence[key], 0, key)
        self.assertEqual((divergence["same_top"], divergence["ppl_ratio"]), (1, 1))

    def test_the_clipping_of_a_logits_file_is_told(self):
        variant = self.variant()
        self.by_llama(DEMO, variant, self.text, *OPTIONS)
        shown = self.run_ok("evaluate", variant, "--baseline", self.logits, "-f", self.text, *OPTIONS, "--control", "none")
        self.assertIn("16 nats", shown.stdout + shown.stderr)

    def test_logits_files_that_do_not_fit_are_refused(self):
        variant = self.variant()
        self.by_llama(DEMO, variant, self.text, *OPTIONS)
        for option in (("--control", "bf16"), ("--logits-memory", "1G")):
            self.assert_usage("evaluate", variant, "--baseline", self.logits, "-f", self.text, *OPTIONS, *option,
                              says=f"{option[0]} is for a baseline that is a model")
        other = self.write("other.txt", TEXT.read_bytes()[20000:40000])
        self.assert_refused("evaluate", variant, "--baseline", self.logits, "-f", other, *OPTIONS, says="logits.bin")
        data = self.logits.read_bytes()
        for broken in (data[:-1], data + b"\0", data[:len(data) // 2], data[:15]):
            self.assert_refused("evaluate", variant, "--baseline", self.write("broken.bin", broken), "-f", self.text, *OPTIONS,
                                says=("broken.bin", "bytes, wanted"))

    @unittest.skipUnless(STORIES.exists() and WIKI.exists(), f"no {STORIES} or {WIKI}")
    def test_clipping_falsifies_the_baselines_perplexity_and_ours_is_not(self):
        options = ("-c", "512", "-b", "2048", "--chunks", "8", "-t", "1")
        variant = self.variant("ffn_norm", "bf16:rtz", STORIES)
        printed = self.by_llama(STORIES, variant, WIKI, *options)
        alone = self.run_json("evaluate", STORIES, "-f", WIKI, *options)["texts"][0]["model"]["perplexity"]
        from_model = self.ours(variant, STORIES, WIKI, *options)
        from_file = self.ours(variant, self.logits, WIKI, *options)
        self.assertEqual(from_model["baseline"]["perplexity"], alone)
        self.assertLess(float(printed["Mean PPL(base)"][0]), 0.99 * alone)
        self.assertAlmostEqual(from_file["baseline"]["perplexity"], float(printed["Mean PPL(base)"][0]), delta=2 * alone * NATS)
        self.assertAlmostEqual(from_file["divergence"]["kld_mean"], float(printed["Mean KLD"][0]), delta=half_digit("0.000000") + NATS)


if __name__ == "__main__":
    main()
