"""`fakequant evaluate --prompts` makes the texts that llama-completion prints, at every temperature and seed."""

import json
import pathlib
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from made_models import longrope_demo  # noqa: E402
from support import DEMO, STORIES, ProgramTest, llama, llama_tool, main  # noqa: E402

CHINESE = "你好，请介绍一下你自己。"
ATTEMPTS = 20
ENDED = b" [end of text]\n"


def llama_completion(model, run):
    """(text after the prompt, whether the model ended it). Its log has a thread of its own that sometimes loses the last lines
    when the program ends: then it is run again."""
    command = [llama_tool("llama-completion"), "-m", model, "-p", run["prompt"], "-n", run["most_tokens"],
               "--temp", run["temperature"], "--seed", run["seed"], "-no-cnv", "--no-display-prompt", "--no-escape", "--no-warmup",
               "--no-repack", "-t", "1"]
    for _ in range(ATTEMPTS):
        result = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
        if result.returncode != 0:
            break
        if result.stdout.endswith(b"\n\n"):
            text = result.stdout[:-2]
            return text.removesuffix(ENDED).decode(errors="replace"), text.endswith(ENDED)
    raise AssertionError(f"{command} ended with {result.returncode}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}")


class SameTexts(ProgramTest):
    def texts(self, model, *options):
        return self.run_json("evaluate", model, "-t", "1", *options)["generation"][0]["runs"]

    def check(self, model, *options):
        runs = self.texts(model, *options)
        for run in runs:
            found = run["model"]["text"], run["model"]["ended"]
            self.assertEqual(found, llama_completion(model, run), f"{model} {run['prompt']} {run['temperature']} {run['seed']}")
        return runs

    def write_prompts(self, **values):
        """One table; JSON's strings, numbers and lists are TOML's."""
        lines = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
        return self.write("prompts.toml", f"[[prompt]]\n{lines}".encode())

    def require(self, path):
        if not path.exists():
            self.skipTest(f"no {path}")

    def test_the_built_in_set(self):
        runs = self.check(DEMO, "--prompts", "default")
        self.assertEqual(len(runs), 35)
        self.assertEqual({run["prompt"] for run in runs} & {"Hello", CHINESE}, {"Hello", CHINESE})
        self.assertGreater(len({run["model"]["text"] for run in runs if run["prompt"] == "Hello"}), 4)

    def test_stories(self):
        self.require(STORIES)
        # Some go on to the end of the context.
        prompts = self.write_prompts(prompt=["Once upon a time", "The robot", CHINESE], temperature=[0, 0.7, 1.3], seed=[1, 2, 3],
                                     tokens=[30, 400])
        runs = self.check(STORIES, "--prompts", prompts)
        self.assertEqual(len(runs), 3 * (1 + 3 + 3) * 2)
        self.assertIn(256, {run["prompt_tokens"] + len(run["model"]["tokens"]) for run in runs})

    def test_characters_that_are_spread_over_tokens(self):
        prompts = self.write_prompts(prompt=[CHINESE, "héé — “", "树：树", "🌳🌳"], temperature=[0, 0.8, 20], seed=[1, 2, 3], tokens=40)
        for model in (DEMO, STORIES):
            if model.exists():
                runs = self.check(model, "--prompts", prompts)
                self.assertGreater(len({run["model"]["text"] for run in runs}), 20)
        # A text that ends within a character of three bytes.
        runs = self.check(DEMO, "--prompts", self.write_prompts(prompt="ééééé", temperature=20, seed=2, tokens=[10, 11, 12, 13]))
        self.assertEqual(["\ufffd" in run["model"]["text"] for run in runs], [False, True, True, False])

    def test_special_tokens_in_a_prompt_are_tokens(self):
        self.check(DEMO, "--prompts", self.write_prompts(prompt=["a</s>tree", "<s>a tree"], temperature=[0, 0.8], tokens=24))

    def test_a_text_that_the_model_ends(self):
        run, = self.texts(DEMO, "--prompts", self.write_prompts(prompt="a tall tree", temperature=0))
        key = b"tokenizer.ggml.eos_token_id" + struct.pack("<I", 4)
        data = bytearray(DEMO.read_bytes())
        place = data.index(key) + len(key)
        struct.pack_into("<I", data, place, run["model"]["tokens"][9])
        prompts = self.write_prompts(prompt=["a tall tree", "Hello"], temperature=[0, 0.8])
        runs = self.check(self.write("early.gguf", bytes(data)), "--prompts", prompts)
        self.assertTrue(runs[0]["model"]["ended"])
        self.assertLessEqual(len(runs[0]["model"]["tokens"]), 10)

    def test_a_prompt_longer_than_a_batch_of_computation(self):
        words = " ".join(f"tree {i}" for i in range(60))
        runs = self.check(DEMO, "--prompts", self.write_prompts(prompt=words[:420], temperature=[0, 0.8], tokens=24))
        self.assertGreater(runs[0]["prompt_tokens"], 150)

    def test_a_context_beyond_the_original_one(self):
        # llama-completion takes the whole context that the model was trained on, and positions are turned by the factors for that.
        path = longrope_demo(self.path("longrope.gguf"), original_context=256, context=1024)
        texts = self.check(path, "--prompts", self.write_prompts(prompt="a tall tree", temperature=[0, 0.8], seed=1, tokens=32))
        short = longrope_demo(self.path("short.gguf"), original_context=1024, context=1024)
        others = self.check(short, "--prompts", self.write_prompts(prompt="a tall tree", temperature=[0, 0.8], seed=1, tokens=32))
        self.assertNotEqual([run["model"]["text"] for run in texts], [run["model"]["text"] for run in others])

    def test_quantized_storage(self):
        path = self.path("q4.gguf")
        llama("llama-quantize", DEMO, path, "Q4_0", "2")
        self.check(path, "--prompts", self.write_prompts(prompt="a tall tree", temperature=[0, 0.8], tokens=32))


if __name__ == "__main__":
    main()
