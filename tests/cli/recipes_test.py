"""Recipe files of quantize: design.md, "Recipes"."""

import pathlib

from support import ProgramTest, main, small_model


class Recipes(ProgramTest):
    def setUp(self):
        super().setUp()
        self.input = self.write("in.gguf", small_model(layers=3))

    def command(self, text, *options):
        recipe = self.write("recipe.toml", text.encode())
        return ("quantize", self.input, self.path("out.gguf"), "--recipe", recipe, "--force", *options)

    def test_the_first_match_wins_and_every_result_names_its_rule(self):
        result = self.run_json(*self.command("""
[[rule]]
tensors = "ffn_norm"
layers = "0-1"
format = "bf16:rtz"

[[rule]]
tensors = "attn_q"
format = "f32"   # left as it is

[[rule]]
tensors = "matrices"
layers = "all"
format = "INT4:group=32"
store = "f32"
"""))
        found = {t["name"]: (t["format"], t["rule"], t["type_after"]) for t in result["tensors"]}
        self.assertEqual(found["blk.0.ffn_norm.weight"], ("bf16:rtz", "rule 1 (line 2)", "F32"))
        self.assertNotIn("blk.2.ffn_norm.weight", found)
        self.assertNotIn("token_embd.weight", found)
        int4 = ("int4:group=32:restricted:rne", "rule 3 (line 11)", "F32")
        self.assertEqual({n: f for n, f in found.items() if "ffn_up" in n}, {f"blk.{i}.ffn_up.weight": int4 for i in range(3)})
        text = self.run_ok(*self.command('[[rule]]\ntensors = "norm"\nformat = "bf16"\n')).stdout
        self.assertIn("bf16", text)
        self.assertEqual(found["blk.0.attn_q.weight"][0] if "blk.0.attn_q.weight" in found else "f32", "f32")

    def test_a_recipe_is_the_same_as_its_options(self):
        self.run_ok(*self.command('[[rule]]\ntensors = "norm"\nlayers = "1"\nformat = "bf16:rtz"\n'))
        self.run_ok("quantize", self.input, self.path("same.gguf"), "--tensors", "norm", "--layers", "1", "--format", "bf16:rtz")
        self.assert_same_file(self.path("out.gguf"), self.path("same.gguf"))

    def test_store_of_the_command_is_for_rules_without_one(self):
        text = '[[rule]]\ntensors = "attn_q"\nformat = "f32"\nstore = "keep"\n[[rule]]\ntensors = "matrices"\nformat = "f32"\n'
        result = self.run_json(*self.command(text, "--store", "f32"))
        types = {t["name"]: t["type_after"] for t in result["tensors"]}
        self.assertEqual((types["blk.0.attn_q.weight"], types["blk.0.ffn_up.weight"]), ("F16", "F32"))

    def test_a_rule_that_decides_nothing_is_warned_of(self):
        text = '[[rule]]\ntensors = "norm"\nformat = "bf16"\n[[rule]]\ntensors = "ffn_norm"\nformat = "f16"\n'
        self.assertIn("rule 2 (line 4) decides nothing", self.run_ok(*self.command(text)).stderr)

    def test_wrong_recipes(self):
        for text, *words in (
                ("", "no rules"), ("[[rule]]\n", "rule 1 has no format"), ("rule = 3\n", "[[rule]]"), ("[rule]\nformat = 'bf16'\n", "[[rule]]"),
                ("[[rules]]\nformat = 'bf16'\n", "'rules'", "did you mean rule"), ("[[rule]]\nfromat = 'bf16'\n", "'fromat'", "did you mean format"),
                ("[[rule]]\nformat = 'bf61'\n", ":2:", "'bf61'", "bf16"), ("[[rule]]\nformat = 4\n", "an integer", "wanted a string"),
                ("[[rule]]\nformat = 'bf16'\nlayers = 0\n", ":3:", "\"0-2\""), ("[[rule]]\nformat = 'bf16'\nstore = 'narow'\n", "narrow"),
                ("[[rule]]\nformat = 'bf16\n", ":2:"), ("[[rule]]\nformat = 'bf16'\nformat = 'f16'\n", ":3:"),
                ("[[rule]]\nformat = 'bf16'\ntensors = '/(/'\n", ":3:"), ("\x00", ":1:"), ("[" * 5000, ":1:")):
            with self.subTest(text[:60]):
                said = self.assert_refused(*self.command(text), lines=None)
                self.assertIn("recipe.toml", said)
                for word in words:
                    self.assertIn(word, said)
        self.assert_only("in.gguf", "recipe.toml")

    def test_every_problem_is_told_at_once(self):
        said = self.assert_refused(*self.command("[[rule]]\nformat = 'x'\n[[rule]]\nlayers = 'y'\n"), lines=None)
        for word in ("recipe.toml:2:", "recipe.toml:3:", "recipe.toml:4:"):
            self.assertIn(word, said)

    def test_a_rule_that_matches_nothing_names_itself(self):
        self.assert_refused(*self.command('[[rule]]\ntensors = "norm"\nformat = "bf16"\n[[rule]]\nlayers = "7"\nformat = "f16"\n'),
                            says=("rule 2 (line 4)", "layer 7"))

    def test_unreadable_and_too_large(self):
        base = ("quantize", self.input, self.path("out.gguf"), "--recipe")
        self.assert_refused(*base, self.path("absent.toml"), says="absent.toml")
        self.assert_refused(*base, self.folder, says=pathlib.Path(self.folder).name)
        self.write("large.toml", b"#" * (2 << 20))
        self.assert_refused(*base, self.path("large.toml"), says="larger than")


if __name__ == "__main__":
    main()
