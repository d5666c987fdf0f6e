"""Run folders (docs/journal.md) built from what inspect, quantize and evaluate say as JSON: for looking at reports, and for cases that
no real run has at hand (a failed load, a stop, a kill). By hand: sample_runs.py FOLDER makes all of them there.

A run is described by a dictionary: title, model, texts, stages [(name, requires)], variants [(name, stage, rules or None)].
"""

import array
import hashlib
import json
import math
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

import support

CHUNKS, CONTEXT = 12, 128
TIME = "2026-03-14T09:26:%02dZ"


def key_of(*parts):
    """32 hexadecimal digits, as a content key has them; which hash made them no reader can see."""
    return hashlib.md5(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def call(*arguments):
    """The JSON of a command."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        result = support.run(*arguments, "-q", "--json", file.name)
        if result.returncode != 0:
            raise AssertionError(f"{arguments}: {result.stderr}")
        return json.loads(pathlib.Path(file.name).read_text())


def values_of(path, tensor, data_offset=0):
    """The values of a tensor of a file, from the facts that inspect gives of it."""
    with open(path, "rb") as file:
        file.seek(tensor["offset"] + data_offset)
        raw = file.read(tensor["bytes"])
    if tensor["type"] == "F32":
        result = array.array("f")
        result.frombytes(raw)
        return result
    return array.array("f", (value for (value,) in struct.iter_unpack("<e", raw)))


def histogram(values, low, high, bins=48):
    width = (high - low) / bins if high > low else 1.0
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, max(0, int((value - low) / width)))] += 1
    return [[low + i * width, low + (i + 1) * width, count] for i, count in enumerate(counts) if count]


def layer_of(name):
    match = re.match(r"blk\.(\d+)\.", name)
    return int(match.group(1)) if match else None


def role_of(name):
    match = re.match(r"(?:blk\.\d+\.)?(.+)\.(?:weight|bias)$", name)
    word = match.group(1) if match else name
    return {"token_embd": "embedding"}.get(word, word)


class Builder:
    """Carries out what a description wants with the program, and writes journal and log."""

    def __init__(self, folder, spec):
        self.folder = pathlib.Path(folder)
        self.spec = spec
        self.path = support.DEMO if spec["model"] == "demo" else pathlib.Path(spec["model"])
        self.inspection = call("inspect", self.path)
        for tensor in self.inspection["tensors"]:
            tensor["layer"], tensor["role"] = layer_of(tensor["name"]), role_of(tensor["name"])
        self.facts = {tensor["name"]: tensor for tensor in self.inspection["tensors"]}
        self.records = []
        self.seconds = 0

    def model_fields(self):
        layers = {t["layer"] for t in self.inspection["tensors"]} - {None}
        return {"id": "m1", "name": self.spec["model_name"], "path": self.spec["model_name"] + ".gguf",
                "bytes": self.inspection["file_bytes"], "hash": key_of("model", support.sha256(self.path)),
                "architecture": self.inspection["architecture"], "weights": self.inspection["weights"],
                "bits_per_weight": self.inspection["bits_per_weight"], "layers": len(layers), "training_context": 256}

    def recipe_file(self, rules):
        text = "".join("[[rule]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in rule.items()) for rule in rules)
        path = self.scratch / f"{key_of(text)}.toml"
        path.write_text(text)
        return path

    def difference(self, variant, rules):
        output = self.scratch / "out.gguf"
        result = call("quantize", self.path, output, "--force", "--recipe", self.recipe_file(rules))
        after = {tensor["name"]: tensor for tensor in call("inspect", output)["tensors"]}
        chosen = {tensor["name"]: tensor for tensor in result["tensors"]}
        if self.spec.get("histograms", True):
            for name, tensor in chosen.items():
                self.describe(tensor, self.facts[name], after[name], output)
        for name, tensor in chosen.items():
            tensor["layer"], tensor["role"] = layer_of(name), role_of(name)
            tensor["effective_precision_before"] = self.facts[name]["effective_precision"]
            tensor["effective_precision_after"] = after[name]["effective_precision"]
        changed = sum(tensor["changed_count"] > 0 for tensor in chosen.values())
        file = {"bytes_before": result["plan"]["bytes_before"], "bytes_after": result["plan"]["bytes_after"], "types_changed": 0,
                "tensors_changed": changed, "tensors_identical": len(self.facts) - changed, "metadata_identical": True}
        plan = result["plan"]
        variant.update(bits=plan["achieved"], model_bits=plan["model"], file_bits=plan["file"])
        return {"plan": plan, "skipped": result["skipped"], "tensors": result["tensors"], "total": result["total"], "file": file}

    def describe(self, tensor, before, after, output):
        old, new = values_of(self.path, before), values_of(output, after)
        low, high = min(min(old), min(new)), max(max(old), max(new))
        tensor["histogram_before"] = histogram(old, low, high)
        tensor["histogram_after"] = histogram(new, low, high)
        errors = [abs(a - b) for a, b in zip(old, new)]
        tensor["histogram_abs_difference"] = histogram(errors, 0.0, max(errors))

    def evaluate(self):
        """The JSON of one evaluate over everything that can be measured, generation and speed included where wanted."""
        arguments = ["evaluate", self.path, "-c", CONTEXT, "--chunks", self.spec.get("chunks", CHUNKS)]
        for _, path in self.spec["texts"]:
            arguments += ["-f", path]
        for variant in self.measured:
            arguments += ["--recipe", self.recipe_file(variant["rules"])]
        if self.spec.get("prompts"):
            path = self.scratch / "prompts.toml"
            path.write_text("".join(f"[[prompt]]\nprompt = {json.dumps(p)}\ntemperature = {t}\nseed = {s}\ntokens = {n}\n"
                                    for p, t, s, n in self.spec["prompts"]))
            arguments += ["--prompts", path]
        if self.spec.get("speed"):
            arguments += ["--speed", "--repetitions", 6, "-t", 1]
        return call(*arguments, "--per-chunk")

    def add(self, kind, fields, **more):
        self.records.append({"kind": kind, **fields, **more})

    def measurement(self, kind, variant, text, result=None, failure=None):
        self.seconds += 1
        fields = {"key": key_of(self.spec["title"], kind, variant, text), "model": "m1"}
        if variant is not None:
            fields["variant"] = variant
        if text is not None:
            fields["text"] = text
        outcome = {"failure": failure} if failure else {"result": result}
        self.add(kind, fields, **outcome, seconds=0.25, finished=TIME % (self.seconds % 60))
        return fields["key"]

    def variants(self):
        result = []
        for index, (name, stage, rules) in enumerate(self.spec["variants"]):
            rule = rules[0] if len(rules) == 1 else {}
            layers = rule.get("layers")
            last = max(t["layer"] or 0 for t in self.inspection["tensors"])
            skipped = None
            numbers = [int(n) for n in re.findall(r"\d+", layers or "")]
            if numbers and max(numbers) > last:
                skipped = f"layers {layers}: the model has layers 0-{last}"
            words = f" of layer {layers}" if layers and layers.isdigit() else f" of layers {layers}" if layers and layers != "all" else ""
            what = f"{rule.get('tensors', 'all')}{words} in {rule.get('format')}" if rule else f"{len(rules)} rules"
            result.append({"id": f"v{index + 1}", "name": name, "stage": stage, "model": "m1", "what": what,
                           "tensors": rule.get("tensors"), "layers": layers, "format": rule.get("format"), "store": "keep",
                           "cache_type_k": None, "cache_type_v": None, "file": None, "is_control": False, "bits": None,
                           "model_bits": None, "file_bits": None, "skipped_because": skipped, "rules": rules})
        result.append({**{k: None for k in result[0]}, "id": "c1", "name": "control: bf16:rne everywhere", "model": "m1",
                       "what": "all weights in bf16:rne", "format": "bf16:rne", "store": "keep", "is_control": True, "rules": None})
        return result

    def build(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            self.scratch = pathlib.Path(scratch)
            self.all = self.variants()
            self.measured = [v for v in self.all if v["rules"] and not v["skipped_because"] and
                             v["name"] not in self.spec.get("left_out", ())]
            evaluation = self.evaluate()
            differences = {v["id"]: self.difference(v, v["rules"]) for v in self.all if v["rules"] and not v["skipped_because"]}
        self.journal(evaluation, differences)
        self.write()

    def journal(self, evaluation, differences):
        results = evaluation.get("variants") or [evaluation]
        by_id = {v["id"]: r for v, r in zip(self.measured, results)}
        by_id["c1"] = evaluation["control"]
        texts = [{"id": f"t{i + 1}", "name": name, "bytes": pathlib.Path(path).stat().st_size, "hash": key_of(name)}
                 for i, (name, path) in enumerate(self.spec["texts"])]
        self.measurement("inspect", None, None, self.inspection)
        for index, text in enumerate(texts):
            own = dict(next(iter(by_id.values()))["texts"][index])
            base = {k: v for k, v in own.items() if k not in ("model", "baseline", "divergence", "per_chunk")} | {"model": own["baseline"]}
            self.measurement("perplexity", None, text["id"], base)
        wanted = [("inspect", None, None)] + [("perplexity", None, t["id"]) for t in texts]
        stages = self.spec["stages"]
        for stage in [None] + [name for name, _ in stages]:
            requires = dict(stages).get(stage)
            if stage is not None and requires and not self.spec.get("stopped"):
                self.decide(stage, "run", requires, by_id)
            for variant in self.all:
                if variant["stage"] != stage:
                    continue
                self.of_variant(variant, differences, by_id, texts, evaluation, wanted)
            if stage is not None:
                self.judge(stage, by_id, differences)
            if self.spec.get("stopped") == stage and stage is not None:
                self.decide(stage, "stop", "nonfinite = 0", by_id, holds=False)
        for text in self.spec.get("warnings", ()):
            self.add("warning", {"text": text})
        experiment = {
            "title": self.spec["title"], "description": self.spec.get("description", ""), "program": "0.1.0",
            "llama_cpp": evaluation["llama_cpp"], "models": [self.model_fields()], "texts": texts,
            "stages": [{"name": name, "requires": [requires] if requires else []} for name, requires in stages],
            "variants": [{k: v for k, v in variant.items() if k != "rules"} for variant in self.all],
            "criteria": self.spec.get("criteria", []),
            "settings": {"context": CONTEXT, "batch": evaluation["batch"], "chunks_of_texts": [CHUNKS] * len(texts),
                         "flash_attention": "auto", "cache_type_k": "f16", "cache_type_v": "f16", "threads": 2, "gpu_layers": -1,
                         "seed": 0, "control": "bf16:rne"},
            "measures": ["inspect", "difference", "load", "divergence", "generation", "speed"],
            "measurements": [{"kind": k, "key": key_of(self.spec["title"], k, v, t), "model": "m1", "variant": v, "text": t}
                             for k, v, t in wanted],
            "key": key_of(self.spec["title"])}
        self.records.insert(0, {"kind": "experiment", **experiment})

    def of_variant(self, variant, differences, by_id, texts, evaluation, wanted):
        name, identity = variant["name"], variant["id"]
        if variant["skipped_because"]:
            return
        measured = identity in by_id
        failures = self.spec.get("failures", {})

        def one(kind, text, result):
            wanted.append((kind, identity, text))
            if measured and name not in self.spec.get("unfinished", ()):
                self.measurement(kind, identity, text, result, failures.get((name, kind)))
        if identity in differences:
            one("difference", None, differences[identity])
            one("load", None, {"tokens_generated": 16, "text": "a small amount of water", "nonfinite": 0, "seconds": 0.03})
        for index, text in enumerate(texts):
            one("divergence", text["id"], {**by_id[identity]["texts"][index], "recipe": by_id[identity]["recipe"]} if measured else None)
        position = len(self.measured) if identity == "c1" else [v["id"] for v in self.measured].index(identity) if measured else 0
        if self.spec.get("prompts"):
            whole = evaluation["generation"][0]
            one("generation", None, {"runs": [{**run, "variants": [run["variants"][position]]} for run in whole["runs"]],
                                     "totals": [whole["totals"][position]]})
        if self.spec.get("speed"):
            whole = evaluation["speed"][0]
            one("speed", None, {**whole, "subjects": [whole["subjects"][0], whole["subjects"][position + 1]]})

    def values(self, check, stage, by_id, differences):
        metric = check.split()[0] if check else None
        found = []
        for variant in self.all:
            if variant["stage"] != stage or variant["skipped_because"] or variant["id"] not in by_id:
                continue
            if metric == "mean_rel":
                found.append((variant["id"], None, differences[variant["id"]]["total"]["mean_rel"], "difference"))
            elif metric == "tokens_generated":
                found.append((variant["id"], None, 16, "load"))
            elif metric:
                for index, text in enumerate(by_id[variant["id"]]["texts"]):
                    found.append((variant["id"], f"t{index + 1}", text["divergence"].get(metric), "divergence"))
        return [{"model": "m1", "variant": v, "text": t, "value": value, "key": key_of(self.spec["title"], kind, v, t)}
                for v, t, value, kind in found]

    def judge(self, stage, by_id, differences):
        for criterion in self.spec.get("criteria", []):
            if criterion["stages"] and stage not in criterion["stages"]:
                continue
            check = criterion["check"]
            values = self.values(check, stage, by_id, differences)
            numbers = [v["value"] for v in values if v["value"] is not None]
            limit = float(check.split()[2]) if check else math.nan
            good = all(n < limit if "<" in (check or "") else n > limit for n in numbers)
            outcome = "judged" if not check else "unmeasured" if not numbers else "pass" if good else "fail"
            self.add("criterion", {"stage": stage, "name": criterion["name"], "check": check, "values": values, "outcome": outcome})

    def decide(self, stage, action, check, by_id, holds=True):
        metric = check.split()[0]
        first = self.measured[0]
        value = by_id[first["id"]]["texts"][0]["divergence"].get(metric, 3)
        self.add("decision", {"stage": stage, "action": action, "reasons": [
            {"check": check, "worst": value, "variant": first["id"],
             "key": key_of(self.spec["title"], "divergence", first["id"], "t1"), "holds": holds}]})

    def write(self):
        lines = [{"fakequant_journal": 1}] + self.records
        (self.folder / "journal.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in lines))
        command = ["fakequant", "run", "experiment.toml", "--out", self.folder.name]
        start = {"kind": "start", "time": TIME % 0, "command": command, "folder": "/home/ada/experiments", "process": 4242,
                 "program": "0.1.0", "llama_cpp": self.records[0]["llama_cpp"],
                 "machine": {"system": "Linux 6.1.0", "processor": "AMD EPYC 9R14", "processors": 2, "memory_bytes": 8 << 30, "threads": 2}}
        end = {"kind": "end", "time": TIME % 59, "process": 4242, "outcome": self.spec.get("outcome", "done"),
               "measured": self.seconds, "kept": 0, "failed": len(self.spec.get("failures", {})), "seconds": 59.2, "exit_code": 0, "text": ""}
        note = {"kind": "note", "time": TIME % 30, "text": self.spec.get("note", "the norms look fine to me")}
        log = [{"fakequant_log": 1}, start, note] + ([] if self.spec.get("killed") else [end])
        (self.folder / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in log))
        (self.folder / "experiment.toml").write_text(f"title = {json.dumps(self.spec['title'])}\n")


PROMPTS = [("Hello", 0, 42, 24), ("What is 2+2?", 0.1, 42, 24), ("What is 2+2?", 0.8, 123, 24),
           ("Write a short story about a robot.", 0.7, 42, 48), ("你好，请介绍一下你自己。", 0.8, 42, 24)]
CRITERIA = [
    {"name": "mean relative difference below 1 %", "check": "mean_rel < 0.01", "stages": [], "stops": False, "judged": False},
    {"name": "generates tokens", "check": "tokens_generated > 0", "stages": [], "stops": True, "judged": False},
    {"name": "perplexity at most 1 % worse", "check": "ln_ppl_ratio < 0.01", "stages": [], "stops": False, "judged": False},
    {"name": "grammatical sentences", "check": None, "stages": [], "stops": False, "judged": True}]


def norms(layers, number_format="bf16:rtz"):
    return [{"tensors": "ffn_norm", "layers": layers, "format": number_format}]


def demo(scratch):
    wiki = scratch / "wiki.txt"
    wiki.write_bytes((support.SHARED / "text" / "wiki.test.raw").read_bytes()[:60000])
    return {
        "title": "FFN norms and matrices of the demo", "description": "Does rounding the FFN norms to BF16 cost anything?",
        "model": "demo", "model_name": "demo", "texts": [("demo-wordnet-heldout.txt", support.DATA / "demo-wordnet-heldout.txt"),
                                                         ("wiki.txt", wiki)],
        "stages": [("test 1", None), ("tests 2-4", "ln_ppl_ratio < 0.05"), ("matrices", None)],
        "variants": [("test 1", "test 1", norms("0")), ("test 2", "tests 2-4", norms("0-2")), ("test 3", "tests 2-4", norms("0-9")),
                     ("test 4", "tests 2-4", norms("all")),
                     ("ffn e4m3", "matrices", [{"tensors": "ffn", "format": "e4m3"}]),
                     ("ffn mxfp4", "matrices", [{"tensors": "ffn", "format": "mxfp4"}]),
                     ("ffn int4 by 32", "matrices", [{"tensors": "ffn", "format": "int4:group=32"}]),
                     ("matrices int8", "matrices", [{"tensors": "matrices", "format": "int8"}])],
        "failures": {("ffn mxfp4", "generation"): "llama.cpp ended with signal 6 (GGML_ASSERT(i01 >= 0 && i01 < ne01) failed)"},
        "prompts": PROMPTS, "speed": True, "criteria": CRITERIA, "note": "machine was idle; norms look fine to me"}


def zeros(scratch):
    model = scratch / "norms-in-bf16.gguf"
    subprocess.run([support.PROGRAM, "quantize", support.DEMO, model, "--tensors", "norm", "--format", "bf16:rtz", "-q", "--force"], check=True)
    return {"title": "FFN norms in BF16", "model": str(model), "model_name": "norms-in-bf16",
            "texts": [("demo-wordnet-heldout.txt", support.DATA / "demo-wordnet-heldout.txt")],
            "stages": [("test 1", None), ("tests 2-4", "ln_ppl_ratio < 0.05")],
            "variants": [("test 1", "test 1", norms("0")), ("test 2", "tests 2-4", norms("0-2")), ("test 4", "tests 2-4", norms("all"))],
            "prompts": PROMPTS[:3], "criteria": CRITERIA}


def failed(scratch):
    spec = demo(scratch)
    return {**spec, "title": "A run that was stopped", "texts": spec["texts"][:1], "chunks": 4, "prompts": [], "speed": False,
            "variants": spec["variants"][:2], "stages": spec["stages"][:2], "left_out": ["test 2"], "stopped": "test 1", "killed": True,
            "failures": {("test 1", "load"): "test 1: llama.cpp refused the file: tensor 'blk.0.ffn_norm.weight' has wrong shape"},
            "warnings": ["disk was full for 12 s"]}


def big(scratch):
    spec = demo(scratch)
    formats = ["bf16", "f16", "e4m3", "e5m2", "int8", "int4:group=32", "int3:group=32", "mxfp8_e4m3", "mxfp6_e2m3", "mxfp4", "nvfp4", "nf4"]
    return {**spec, "title": "Matrices of each layer through 12 formats", "texts": spec["texts"][:1], "prompts": [], "speed": False,
            "chunks": 8, "failures": {}, "histograms": False, "stages": [("sweep", None)],
            "variants": [(f"layer {layer} {f}", "sweep", [{"tensors": "matrices", "layers": str(layer), "format": f}])
                         for layer in range(6) for f in formats]}


SAMPLES = {"demo": demo, "zeros": zeros, "failed": failed, "big": big}


def main(folder):
    for name, spec in SAMPLES.items():
        with tempfile.TemporaryDirectory() as scratch:
            Builder(pathlib.Path(folder) / name, spec(pathlib.Path(scratch))).build()
        print(pathlib.Path(folder) / name)


if __name__ == "__main__":
    main(sys.argv[1])
