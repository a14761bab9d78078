"""The same fire on trainings of the kit, which go on from checkpoints and share phases: a serial run's records."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from elue.campaign.reading import read
from elue.record.store import Store
from tests.campaign.clusters import LocalCluster, under_fire
from tests.campaign.toys import told, write_campaign
from tests.commanding import start

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'elue[cluster]'")

METHODS = ("static", "elasticbert", "pabee", "pcee_bert", "ltp", "switch")
TASK = """
title = "Words of one kind"
kind = "classification"
metric = "accuracy"
labels = ["no", "yes"]

[columns]
text = "sentence"
label = "label"

[files]
train = "NAME/train.tsv"
validation = "NAME/validation.tsv"
test = "NAME/test.tsv"
"""
WORDS = ["red", "blue", "door", "hill", "rain", "bread", "paper", "good", "bad", "fine", "poor"]


def write_tasks(folder: Path) -> None:
    """Two tasks of random words: whether one of them is good, and whether one is bad."""
    for name, sign in (("first", "good"), ("second", "bad")):
        draw = random.Random(name)
        (folder / name).mkdir()
        (folder / f"{name}.toml").write_text(TASK.replace("NAME", name))
        for split, count in (("train", 160), ("validation", 32), ("test", 32)):
            texts = [" ".join(draw.choices(WORDS, k=draw.randint(3, 12))) for _ in range(count)]
            lines = [f"{text}\t{int(sign in text)}" for text in texts]
            (folder / name / f"{split}.tsv").write_text("\n".join(["sentence\tlabel", *lines]) + "\n")


def write_board(folder: Path, name: str) -> Path:
    options = "epochs = 3, batch_size = 16, tiny_layers = 2, tiny_hidden = 32, tiny_heads = 2"
    text = f'tasks = ["first.toml", "second.toml"]\nseeds = [0, 1]\naudit = 8\noptions = {{ {options} }}\n'
    return write_campaign(folder, f"{text}methods = {json.dumps(METHODS)}\n", name)


@pytest.mark.slow
def test_trainings_of_the_kit_under_twenty_kills_make_what_a_serial_run_makes(tmp_path: Path) -> None:
    write_tasks(tmp_path)
    serial, shot = (write_board(tmp_path, name) for name in ("serial", "shot"))
    beside = start(["campaign", serial, "--workers", "1"], tmp_path, stdout=subprocess.DEVNULL, stderr=None)
    cluster = LocalCluster(tmp_path, 3)
    try:
        command = ["campaign", shot, "--scheduler", cluster.address]
        hit, said = under_fire(cluster, command, kills=20, seed=1, pauses=(5.0, 25.0))
    finally:
        cluster.close()
    print(Counter(hit), said)
    assert beside.wait() == 0
    assert len(hit) == 20
    assert {"parent", "scheduler", "worker 0", "worker 1", "worker 2"} == set(hit)
    made, expected = told(tmp_path / "shot"), told(tmp_path / "serial")
    assert made.keys() == expected.keys()
    assert made == expected
    jobs = len(METHODS) * 2 * 2 * 2
    journal = [json.loads(line) for line in (tmp_path / "shot" / "journal.jsonl").read_text().splitlines()]
    assert Counter(line["job"] for line in journal).most_common(1)[0][1] == 1
    assert Counter(line["ending"] for line in journal) == {"done": jobs}
    assert Store(read(shot).places.db).keys() == made.keys()
