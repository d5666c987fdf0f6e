"""Experiment files: the examples and the JSON schema, and `run --check`."""

import json
import tomllib

from support import DONE, FAILED, SOURCE, ProgramTest, main, run

EXAMPLES = sorted((SOURCE / "experiments").glob("*.toml"))
SCHEMA = json.loads((SOURCE / "docs" / "experiment.schema.json").read_text())


def problems(value, schema, place="experiment"):
    """What a validator of JSON Schema would say, of the words that our schema uses."""
    if "$ref" in schema:
        return problems(value, SCHEMA["definitions"][schema["$ref"].removeprefix("#/definitions/")], place)
    if "anyOf" in schema:
        found = [problems(value, one, place) for one in schema["anyOf"]]
        return [] if [] in found else found[0]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{place}: {value!r} is none of {schema['enum']}"]
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
    if not isinstance(value, types[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean"):
        return [f"{place}: {value!r} is no {schema['type']}"]
    found = []
    if schema["type"] == "object":
        found += [f"{place}: unknown key {key}" for key in value if key not in schema["properties"]]
        found += [f"{place}: no {key}" for key in schema.get("required", []) if key not in value]
        for key in value.keys() & schema["properties"].keys():
            found += problems(value[key], schema["properties"][key], f"{place}.{key}")
    if schema["type"] == "array":
        if len(value) < schema.get("minItems", 0) or (schema.get("uniqueItems") and len(set(map(str, value))) < len(value)):
            found.append(f"{place}: too few, or one twice")
        for index, item in enumerate(value):
            found += problems(item, schema["items"], f"{place}[{index}]")
    if schema["type"] in ("integer", "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{place}: {value} is out of range")
    if schema["type"] == "string" and len(value) < schema.get("minLength", 0):
        found.append(f"{place}: empty")
    return found


class Schema(ProgramTest):
    def test_is_what_the_program_generates(self):
        self.assertEqual(json.loads(run("generate", "experiment-schema").stdout), SCHEMA)

    def test_accepts_every_example(self):
        self.assertEqual(len(EXAMPLES), 3)
        for path in EXAMPLES:
            text = path.read_text()
            self.assertEqual(text.splitlines()[0], "#:schema ../docs/experiment.schema.json", path)
            self.assertEqual(problems(tomllib.loads(text), SCHEMA), [], path)

    def test_refuses_what_the_program_refuses(self):
        for text in ("modle = 'demo'", "model = 3", "models = []", "models = ['a', 'a']", "[settings]\ncontext = 3",
                     "[settings]\nflash_attention = 'maybe'", "[measure]\nspeed = 1", "[[text]]\nchunks = 1", "[[text]]\nfile = ''",
                     "[[variant]]\nlayers = 0", "[[variant]]\nstore = ['keep', 'wide']", "[[stage]]\nname = 'a'\n[[stage.variant]]\nx = 1",
                     "[[prompt]]\nprompt = 'a'\ntemperature = 101", "[[criterion]]\njudge = 'yes'", "[output]\nreport = 'pdf'"):
            self.assertNotEqual(problems(tomllib.loads(text), SCHEMA), [], text)
            result = run("run", self.write("e.toml", text.encode()), "--check")
            self.assertEqual(result.returncode, FAILED, text)
            self.assertIn("e.toml:", result.stderr)


class Check(ProgramTest):
    def test_examples_show_their_plan(self):
        for path in EXAMPLES:
            result = run("run", path, "--check")
            self.assertEqual(result.returncode, DONE, result.stderr)
            self.assertIn(tomllib.loads(path.read_text())["title"], result.stdout)
            self.assertEqual(result.stderr, "")

    def test_the_plan_fits_a_page(self):
        for path in EXAMPLES:
            for line in run("run", path, "--check").stdout.splitlines():
                self.assertLessEqual(len(line), 100, line)

    def test_what_is_left_out_says_why(self):
        shown = " ".join(run("run", SOURCE / "experiments" / "ffn_norm_bf16.toml", "--check").stdout.split())
        self.assertRegex(shown, r"layers 0-9 - - - left out")
        self.assertIn("layers 0-9 is left out: layer selection '0-9': the model has no layer 6; its layers are 0-5", shown)
        self.assertIn("measured of control: bf16:rne everywhere: difference, divergence, generation", shown)
        self.assertRegex(shown, r"20 measurements of 4 variants, about \d+ (s|min) in all")

    def test_a_text_that_is_too_short_is_told(self):
        text = self.write("short.txt", b"a few words")
        self.assert_refused("run", SOURCE / "experiments" / "kv_cache.toml", "--file", text, "--check",
                            says=("short.txt: found ", "wanted at least 512 (two chunks of context 256)"))

    def test_json_has_every_measurement_with_its_time(self):
        path = SOURCE / "experiments" / "kv_cache.toml"
        result = json.loads(run("run", path, "--check", "--chunks", 2, "--json", "-").stdout)
        measurements = result["experiment"]["measurements"]
        self.assertEqual([m["kind"] for m in measurements], ["perplexity"] + 16 * ["divergence"])
        self.assertEqual([m["key"] for m in measurements], [m["key"] for m in result["forecast"]["measurements"]])
        self.assertAlmostEqual(sum(m["seconds"] for m in result["forecast"]["measurements"]), result["forecast"]["seconds"])
        self.assertEqual(result["experiment"]["settings"]["chunks_of_texts"], [2])

    def test_measures_nothing(self):
        run("run", SOURCE / "experiments" / "kv_cache.toml", "--check", cwd=self.folder)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_all_problems_come_at_once(self):
        text = ("model = 'gone.gguf'\n[[text]]\nfile = 'gone.txt'\n[[variant]]\ntensors = 'ffn_norm'\nformt = 'bf16'\n"
                "layers = '2-0'\n[[criterion]]\nname = 'a'\ncheck = 'klb < 1'\n")
        result = run("run", self.write("e.toml", text.encode()), "--check")
        self.assertEqual(result.returncode, FAILED)
        lines = [line for line in result.stderr.splitlines() if "e.toml:" in line]
        self.assertEqual([int(line.split("e.toml:")[1].split(":")[0]) for line in lines], [1, 3, 4, 6, 7, 10])


if __name__ == "__main__":
    main()
