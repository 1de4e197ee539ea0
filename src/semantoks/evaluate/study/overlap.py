"""Who was in the pretraining already: told by the checksums of recordings, and by ids only beside these."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from semantoks.counted import plural
from semantoks.evaluate.study.people import People
from semantoks.model.card import EncoderCard, hash_participant
from semantoks.signals.cohort import Cohort


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Which people the encoder saw, without labels, in pretraining, and what says so.

    Attributes
    ----------
    known
        Whether the encoder records whom it was pretrained on.
    by_id
        Whether each person has the id of somebody in pretraining.
    by_recording
        Whether each person has a recording that was in pretraining; None if the encoder stores no checksums.
    trust_ids
        Whether an id counts although no recording confirms that ids mean the same people.
    """

    known: bool
    by_id: Bool[ndarray, " person"]
    by_recording: Bool[ndarray, " person"] | None
    trust_ids: bool = False

    @property
    def ids_count(self) -> bool:
        """Whether an id is evidence: somebody with such an id has a recording that was seen, too."""
        return self.by_recording is None or self.trust_ids or bool((self.by_id & self.by_recording).any())

    @property
    def seen(self) -> Bool[ndarray, " person"]:
        """Who counts as seen: by a recording; and by an id, where ids are evidence."""
        recorded = np.zeros_like(self.by_id) if self.by_recording is None else self.by_recording
        return recorded | self.by_id if self.ids_count else recorded

    def words(self) -> list[str]:
        """Say how many people were seen and by what; and what an id that is no evidence may mean."""
        if not self.known:
            return [
                "The encoder does not record whose recordings it was made from, so overlap with these people cannot be "
                "checked."
            ]
        seen, ids = int(self.seen.sum()), int(self.by_id.sum())
        many = plural(len(self.by_id), "person")
        sentence = f"{seen} of {many} {'was' if seen == 1 else 'were'} seen, without labels, in pretraining"
        if self.by_recording is None:
            how = " (told by their ids alone: this encoder stores no checksums of recordings)" if seen else ""
            return [f"{sentence}{how}"]
        by_id_alone = int((self.by_id & ~self.by_recording).sum())
        if self.ids_count:
            told = f" ({int(self.by_recording.sum())} by a recording, {by_id_alone} by their id alone)" if seen else ""
            return [f"{sentence}{told}"]
        told = " (by a recording, under other ids)" if seen else ""
        if not ids:
            return [f"{sentence}{told}"]
        return [
            f"{sentence}{told}",
            f"{ids} of {many} {'has an id' if ids == 1 else 'have ids'} that {'occurs' if ids == 1 else 'occur'} in "
            "pretraining, but no recording of theirs does: they count as other people. If they are the same, in other "
            "sessions, give --trust-ids.",
        ]


def overlap(card: EncoderCard, cohort: Cohort, people: People, *, trust_ids: bool = False) -> Overlap:
    """Compare the people of a cohort, and the checksums of their recordings, with what the encoder was trained on."""
    ids, recordings = set(card.participants), set(card.recordings)
    by_id = np.array([hash_participant(card.salt, name) in ids for name in people.ids], dtype=bool)
    by_recording = None
    if recordings:
        seen = np.array([hash_participant(card.salt, one) in recordings for one in cohort.recordings["sha256"]])
        by_recording = np.bincount(people.owner[seen], minlength=len(people)) > 0
    return Overlap(known=bool(ids or recordings), by_id=by_id, by_recording=by_recording, trust_ids=trust_ids)
