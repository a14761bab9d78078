"""What a campaign's jobs are known by: digests of what each is made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from elue.campaign.jobs import digest_of, texts
from elue.campaign.request import Campaign, Entry
from elue.campaign.seen import Seen
from elue.protocol import Knob

TRAINED_ON = ("train", "validation")


class Identities:
    """The ids of a campaign's jobs; what data, backbones and sources are is asked for once."""

    def __init__(self, campaign: Campaign, seen: Seen) -> None:
        self._campaign = campaign
        self._sources: dict[str, str] = {}
        self.revision = cache(lambda task, split: seen.revision(campaign.tasks[task], split, campaign.places.data))
        self._backbone = cache(seen.backbone)

    def source(self, entry: Entry) -> str:
        """The digest of the code of an entry's method."""
        if entry.name not in self._sources:
            self._sources[entry.name] = entry.method.digest()
        return self._sources[entry.name]

    def made_from(
        self, entry: Entry, task: str, backbone: str, seed: int, options: Mapping[str, Knob]
    ) -> dict[str, Any]:
        """What a training is made from beside its method's code."""
        return {
            "task": self._campaign.tasks[task].name,
            "revisions": {split: self.revision(task, split) for split in TRAINED_ON},
            "backbone": self._backbone(backbone),
            "seed": seed,
            "device": self._campaign.device,
            "options": texts(options),
            "max_train_samples": entry.settings.max_train_samples,
        }

    def training(self, entry: Entry, made_from: Mapping[str, Any]) -> str:
        """The id of a training."""
        return digest_of(what="train", method=entry.method.name, source=self.source(entry), **made_from)

    def measuring(self, entry: Entry, task: str, seed: int, split: str, training: str | None) -> str:
        """The id of a measuring of a training's weights, or of a method that has none."""
        settings = entry.settings
        return digest_of(
            what="measure",
            training=training,
            method=entry.method.name,
            source=self.source(entry),
            split=split,
            revision=self.revision(task, split),
            profile=self._campaign.profile.digest,
            seed=seed,
            limit=settings.limit,
            points=settings.points,
            rules=settings.rules,
        )

    def following(self, entry: Entry, task: str, backbone: str) -> tuple[frozenset[str], ...]:
        """The ids of the jobs that a choice has follow, by the trial that is chosen."""
        return tuple(frozenset(self._finals(entry, task, backbone, trial)) for trial in entry.trials)

    def _finals(self, entry: Entry, task: str, backbone: str, trial: Mapping[str, Knob]) -> Iterator[str]:
        for seed in entry.settings.seeds:
            made_from = self.made_from(entry, task, backbone, seed, {**entry.settings.options, **trial})
            yield (training := self.training(entry, made_from))
            for split in entry.settings.splits:
                yield self.measuring(entry, task, seed, split, training)
