"""Whatever a user gets wrong ends in messages that say what, where and what would be right; never in a traceback."""

from pathlib import Path

import pytest

VARIANT = '[[variant]]\nname = "other"\n'
OTHER_LOSS = '[loss.focal]\nweight = "rest"\n'


OVERRIDES = {
    # wrong names
    "fusion": (["fusion.use=concatt"], "tiny.toml: [fusion] use: ..no fusion named 'concatt'..did you mean 'concat'?"),
    "option": (["encoder.default.widht=9"], "[encoder.default] widht: there is no such key..did you mean 'width'?"),
    "core key": (["train.epoch=3"], "[train] epoch: there is no such key..did you mean 'epochs'?"),
    "batch size": (["data.batchsize=3"], "[data] batchsize: there is no such key..did you mean 'batch_size'?"),
    "loss weight": (["loss.cross-entropy.wieght=2"], "[loss.cross-entropy] wieght: ..did you mean 'weight'?"),
    "part's name": (["fusion.uses=concat"], "[fusion] uses: there is no such key..did you mean 'use'?"),
    "table in data": (["data.mising.share=0.1"], "[data] mising: there is no such key..did you mean 'missing'?"),
    "extractor's key": (
        ["features.text={use='minilm',fited_on='train'}"], "[features.text] fited_on: ..did you mean 'fitted_on'?"
    ),
    "feature file": (["features.text={fil='a.npy'}"], "[features.text] fil: ..did you mean 'file'? without 'use'"),
    "required key": (
        ["data.modality=['text']", "--drop", "data.modalities"],
        "[data] modalities: is missing (is 'modality' a misspelling of it?)",
    ),
    "table": (["trian.epochs=3"], "trian: there is no such key..did you mean 'train'?"),
    "top key": (["seed=3"], "seed: there is no such key..did you mean 'seeds'?"),
    "metric": (["train.select=emotion.weighted-f"], "[train] select: there is no metric..did you mean 'weighted-f1'?"),
    "target": (["train.select=emotio.weighted-f1"], "[train] select: no head is named 'emotio'..'emotion'"),
    "no dot": (["train.select=weighted-f1"], "[train] select: ..is not of the form TARGET.METRIC"),
    "loss target": (["loss.cross-entropy.target=mood"], "[loss.cross-entropy] target: no head is named 'mood'"),
    "optimizer": (["train.optimizer=adan"], "[train] optimizer: there is no optimizer named 'adan'"),
    # wrong types and ranges
    "bool for int": (["train.epochs=true"], "[train] epochs: should be a valid integer, not true"),
    "text for int": (["train.epochs='3'"], "[train] epochs: should be a valid integer, not '3'"),
    "float for int": (["data.conversations=1.5"], "[data] conversations: should be a valid integer, not 1.5"),
    "no epoch": (["train.epochs=0"], "[train] epochs: should be greater than or equal to 1, not 0"),
    "negative": (["train.lr=-1"], "[train] lr: should be greater than 0, not -1"),
    "nan": (["train.lr=nan"], "[train] lr: should be a finite number, not nan"),
    "inf": (["train.lr=inf"], "[train] lr: should be a finite number, not inf"),
    "nan option": (["loss.cross-entropy.smoothing=nan"], "[loss.cross-entropy] smoothing: ..finite number, not nan"),
    "weight": (["loss.cross-entropy.weight=-1"], "[loss.cross-entropy] weight: ..equal to 0 or 'rest', not -1"),
    "weight word": (["loss.cross-entropy.weight=res"], "weight: should be a valid number or 'rest', not 'res'"),
    "union element": (["loss.cross-entropy.class_weights=[1,-0.5]"], "class_weights.1: ..equal to 0, not -0.5"),
    "union": (["loss.cross-entropy.class_weights=bal"], "class_weights: should be 'none' or 'balanced' or a list"),
    "deep": (["data.widths.text=0"], "[data] widths.text: should be greater than or equal to 1"),
    "no modality": (["data.modalities=[]"], "[data] modalities: should be a list of at least 1"),
    "not a list": (["data.modalities=text"], "[data] modalities: should be a list, not 'text'"),
    "twice": (["data.modalities=['text','text']"], "[data] modalities: lists a modality twice"),
    "bad name": (["data.modalities=['te xt']"], "[data] modalities: 'te xt' is not a valid name"),
    "kept name": (["data.modalities=['type']"], "[data] modalities: 'type' is a reserved name of PyTorch"),
    "instance name": (["data.modalities=['training']"], "[data] modalities: 'training' is a reserved name of PyTorch"),
    "loss name": (["loss.type.use=focal"], "[loss]: 'type' is a reserved name of PyTorch"),
    "no seed": (["seeds=[]"], "seeds: should be a list of at least 1"),
    "negative seed": (["seeds=[0,-1]"], "seeds: should be greater than or equal to 0"),
    "doubled seed": (["seeds=[1,1]"], "seeds: lists a seed twice"),
    "value for table": (["fusion=concat"], "[fusion]: should be a table, not 'concat'"),
    "table for value": (["title.x=3"], "title: should be a valid string"),
    "use": (["fusion.use=3"], "[fusion] use: should be a valid string, not 3"),
    "protocol": (["train.protocol=realease"], "[train] protocol: should be 'dev' or 'release'"),
    "schema": (["schema=2"], "schema: should be 1, not 2"),
    "group key": (["train.groups.text.lrr=1.0"], "[train.groups.text] lrr: there is no such key..'lr'"),
    # what does not go together
    "features both": (["features.text={use='minilm',file='a.npy'}"], "[features.text]: ..'use'..'file'"),
    "features none": (["features.text={}"], "[features.text]: is empty..file"),
    "fitted_on": (["features.text={use='minilm',fitted_on='train'}"], "[features.text] fitted_on: applies to files"),
    "file's option": (["features.text={file='a.npy',width=3}"], "[features.text] width: there is no such key"),
    "no head": (["--drop", "head"], "[head.TARGET]: is missing..[head.emotion]"),
    "no fusion": (["--drop", "fusion"], "[fusion]: is missing..several modalities"),
    "no loss": (["--drop", "loss"], "[loss]: is missing"),
    "no data": (["--drop", "data"], "[data]: is missing"),
    "no use": (["--drop", "encoder.default.use"], "[encoder.default] use: is missing"),
    "no schema": (["--drop", "schema"], "schema: is missing"),
    # the command line
    "drop": (["--drop", "loss.swfc"], "--drop: there is no 'loss.swfc' to drop..known: loss.cross-entropy"),
    "drop table": (["--drop", "fusin.use"], "--drop: there is no 'fusin.use' to drop (did you mean 'fusion'?"),
    "drop key": (["--drop", "data.batchsize"], "there is no 'data.batchsize' to drop (did you mean 'data.batch_size'?"),
    "no equals": (["train.lr"], "override 'train.lr': is not of the form table.key=value"),
    "no key": (["=3"], "override '=3': is not of the form"),
    "conflict": (["train=1", "train.lr=1"], "override 'train.lr=1': another override sets 'train' to a value"),
    "conflict back": (["train.lr=1", "train=1"], "override 'train=1': another override sets a key inside 'train'"),
    "variant": (["--variant", "nope"], "tiny.toml: there is no variant named 'nope'"),
    "out": (["--out", "tiny.toml"], "--out tiny.toml: ..not a folder that can be written to"),
    "many runs": (["--seeds", "2023"], "--seeds: ..2023 means 2023 seeds..2023,"),
    # seen when the data is there
    "modality": (["data.modalities=['text','smell']"], "tiny.toml: [data] modalities: ..no modality 'smell'..text"),
    "encoder": (["encoder.smell.use=linear"], "tiny.toml: [encoder.smell]: the data has no modality 'smell'"),
    "context": (["context.smell.use=gru"], "tiny.toml: [context.smell]: the data has no modality 'smell'"),
    "fitted_on alone": (["data.modalities=['a']", "features.a.fitted_on=train"], "[data] modalities: ..modality 'a'"),
    "features": (["features.smell.use=minilm"], "tiny.toml: [features.smell]: the data has no modality 'smell'"),
    "class weights": (["loss.cross-entropy.class_weights=[1,2]"], "tiny.toml: [loss.cross-entropy] class_weights: "),
    "momentum": (["train.momentum=0.9"], "tiny.toml: [train] momentum: 'adam' has no momentum"),
    "group": (["train.groups.txt.lr=1.0"], "tiny.toml: [train.groups.txt]: no part has this group"),
    "init_from": (["train.init_from=nowhere"], "tiny.toml: [train] init_from: there is no model in nowhere"),
    "heads": (["fusion={use='multiattn',heads=3}"], "tiny.toml: [fusion] heads"),
}  # fmt: skip


@pytest.mark.parametrize("case", OVERRIDES, ids=lambda name: name.replace(" ", "-"))
def test_a_wrong_setting_is_one_message_and_leaves_nothing(case, cli, tiny_recipe):
    words, expected = OVERRIDES[case]
    cli("run", tiny_recipe().name, *words).check(2, expected)
    assert not Path("runs").exists()


@pytest.mark.parametrize("text", ["x", "0", "-1", "1,1", "1.5", "", ",", "1e3", "²", "9" * 11, "4294967296,1"])
def test_seeds_are_a_number_or_different_ones(text, cli, tiny_recipe):
    cli("run", tiny_recipe(), "--seeds", text).check(2, "--seeds: ..neither a number of seeds nor a list..5 or 1,7")


def test_all_mistakes_of_a_recipe_at_once_whichever_file_sees_them(cli, tiny_recipe):
    words = ["train.lr=-1", "trian.x=1", "fusion.use=no", "head.emotion.use=no", "encoder.default.width=-1"]
    reported = ("[train] lr", "trian", "[fusion] use", "[head.emotion] use", "[encoder.default] width")
    cli("run", tiny_recipe(), *words).check(2, *reported)


def test_a_mistake_of_the_recipe_is_not_repeated_for_each_variant(cli, tiny_recipe):
    recipe = tiny_recipe('[[variant]]\nname = "a"\n[[variant]]\nname = "b"\nset = { train = { epochs = 0 } }\n')
    cli("validate", recipe, "train.lr=-1").check(2, "tiny.toml: [train] lr", "tiny.toml (variant 'b'): [train] epochs")


@pytest.mark.parametrize("verb", ["run", "validate"])
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ('[[variant]]\nname = "a"\nsett = {}\n', "[[variant]] number 1 sett: there is no such key..'set'"),
        ("[[variant]]\nset = {}\n", "[[variant]] number 1 name: is missing"),
        (VARIANT + "[[variant]]\nname = 3\n", "[[variant]] number 2 name: should be a valid string, not 3"),
        ('[[variant]]\nname = "a"\ndrop = "loss"\n', "[[variant]] number 1 drop: should be a list"),
        ('[variant]\nname = "a"\n', "variant: is not a list of tables..[[variant]]"),
        ('[[variant]]\nname = "a b"\n[[variant]]\nname = "A-B"\n', "'A-B' and 'a b' would share the folder 'a-b'"),
        ('[[variant]]\nname = "base"\n', "would share the folder 'base'"),
        ('[[variant]]\nname = "!"\n', "'!' contains no letter"),
    ],
)
def test_a_broken_variant_is_found_whatever_is_run(more, expected, verb, cli, tiny_recipe):
    cli(verb, tiny_recipe(more)).check(2, f"tiny.toml: ..{expected}")


def test_a_variant_that_drops_nothing_is_named(cli, tiny_recipe):
    recipe = tiny_recipe(VARIANT + 'drop = ["loss.nothing"]\n')
    cli("validate", recipe).check(2, "variant 'other': there is no 'loss.nothing' to drop")


def test_variants_that_misfit_are_named_by_validate(cli, tiny_recipe):
    recipe = tiny_recipe(VARIANT + 'set = { fusion = { use = "multiattn", heads = 3 } }\n')
    cli("validate", recipe).check(2, "tiny.toml (variant 'other'): [fusion] heads")


@pytest.mark.parametrize("word", ["train.momentum=0.9", "train.groups.txt.lr=1.0", "encoder.smell.use=linear"])
def test_validate_sees_what_run_would(word, cli, tiny_recipe):
    assert cli("validate", tiny_recipe(), word).errors == cli("run", tiny_recipe(), word).errors != []


@pytest.mark.parametrize(
    ("more", "words", "expected"),
    [
        (OTHER_LOSS, ["loss.cross-entropy.weight=rest"], 'only one loss can have "rest"'),
        (OTHER_LOSS, ["loss.cross-entropy.weight=1.5"], '[loss.focal] weight: "rest" is negative..1.5'),
    ],
)
def test_rest_is_one_weight_and_not_negative(more, words, expected, cli, tiny_recipe):
    cli("run", tiny_recipe(more), *words).check(2, expected)


def test_a_model_stands_alone(cli, tiny_recipe):
    shown = (
        "[encoder]: cannot be combined with [model]",
        "[fusion]: cannot",
        "[head]: cannot",
        "[model] use: there is no model",
    )
    cli("run", tiny_recipe(), "model.use=x").check(2, *shown)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"schema = 1\n[data\n", "mine.toml: is not TOML..line 2"),
        (b"schema = 1\n\n# \xff\n", "mine.toml, line 3: is not UTF-8"),
        (b"", "schema: is missing|title: is missing|[data]: is missing|[loss]: is missing"),
    ],
)
def test_a_file_that_is_no_recipe(content, expected, cli):
    Path("mine.toml").write_bytes(content)
    cli("run", "mine.toml").check(2, *expected.split("|"))


def test_a_byte_order_mark_is_no_mistake(cli, tiny_recipe):
    recipe = tiny_recipe()
    recipe.write_bytes(b"\xef\xbb\xbf" + recipe.read_bytes())
    assert cli("validate", recipe).code == 0


def test_a_recipe_that_is_not_there(cli, tmp_path):
    cli("run", "multiemo_mled").check(2, "multiemo_mled: there is no such recipe..did you mean 'multiemo_meld'?")
    cli("run", "nope.toml").check(2, "nope.toml: there is no such recipe")
    cli("run", tmp_path).check(2, "there is no such recipe")


def test_plugin_files(cli, tiny_recipe, plugin_file):
    cli("run", tiny_recipe(), "plugins=['./no.py']").check(2, "tiny.toml: plugins: there is no file ..no.py")
    cli("run", tiny_recipe(), "plugins=['./tiny.toml']").check(2, "plugins: './tiny.toml' is not a Python file")
    plugin_file("import nothing_there\n")
    broken = "tiny.toml: plugins: ..mine.py cannot be loaded: ModuleNotFoundError: ..'nothing_there' (mine.py, line 1)"
    cli("run", tiny_recipe(), "plugins=['./mine.py']").check(2, broken)
    refused = cli("run", tiny_recipe(), "plugins=['./mine.py']", "--no-plugin-files")
    refused.check(2, "tiny.toml: plugins: names ..mine.py, but --no-plugin-files forbids plugin files")


def test_an_option_that_no_verb_has(cli, tiny_recipe):
    ended = cli("run", tiny_recipe(), "--sed", "3")
    assert ended.code == 2
    assert "--sed" in ended.err
    assert "Traceback" not in ended.err


def test_a_loss_that_is_not_a_number_stops_the_run_and_says_where(cli, tiny_recipe):
    ended = cli("run", tiny_recipe(), "train.lr=1e30")
    ended.check(1, "epoch 1, batch 2: loss 'cross-entropy' is nan")
    left = {path.name for path in Path("runs").rglob("*") if path.is_file()}
    assert "metrics.json" not in left
    assert not [name for name in left if name.endswith(".tmp")]
    assert cli("run", tiny_recipe()).code == 0
