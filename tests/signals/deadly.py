"""A source that kills the process that reads it, and is slow; a module of its own, so that workers import little."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from scripted import ScriptedSource, noise, scripted


@dataclass(frozen=True)
class Deadly(ScriptedSource):
    """Reading ``victim`` kills the process that does, once for each file in ``lives``; reading takes ``seconds``."""

    victim: str = ""
    lives: Path = Path()
    seconds: float = 0.01

    def read(self, item):
        time.sleep(self.seconds)
        if item.key == self.victim and (left := sorted(self.lives.iterdir())):
            left[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(item)


def deadly(folder: Path, people: int, *, victim: str, lives: int) -> Deadly:
    """A source of ``people`` and one recording that is too short; reading ``victim`` costs ``lives`` processes."""
    folder.mkdir()
    for number in range(lives):
        (folder / str(number)).touch()
    source = scripted(people, zz_short=noise(1, 3))
    return Deadly(source.path, source.script, victim=victim, lives=folder)


def wait(answer: int, seconds: float) -> int:
    """Answer after a while."""
    time.sleep(seconds)
    return answer
