"""The command fetch: recordings of real people, for who has none at hand."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from semantoks.cli.everywhere import found as told
from semantoks.cli.everywhere import say as print
from semantoks.counted import plural
from semantoks.errors import EXIT_OK, EXIT_PARTIAL


def fetch(
    dataset: Positional[Annotated[Literal["abide"], arg(metavar="{abide}")]],
    *,
    out: Path,
    atlas: Literal["aal", "cc200", "cc400", "ho"] = "cc200",
    pipeline: Literal["ccs", "cpac", "dparsf", "niak"] = "cpac",
    band_pass: bool = False,
    global_signal: bool = False,
    people: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all)")] = None,
    quality_checked: bool = False,
) -> int:
    """Fetch recordings of real people: ABIDE's series of ROIs.

    Example: semantoks fetch abide --atlas cc200 --out abide/

    About 1 MB per person is fetched through nilearn from the Preprocessed Connectomes Project, 1,035 people in all, for
    non-commercial research. After an interruption, the same command resumes. The exit code is 4 if some people could
    not be fetched.

    Args:
        dataset: abide: autism and controls, 7 to 64 years old, 20 sites.
        out: Folder of the data: new, left by this command, or one that nilearn filled (~/nilearn_data).
        atlas: Atlas of the series.
        pipeline: Pipeline that processed the images.
        band_pass: Series that the project band-passed, 0.01 to 0.1 Hz; without this, prepare does it.
        global_signal: Series with the global signal regressed out.
        people: Take the first N people of the project's table.
        quality_checked: Only people whose images passed every rater of the project.
    """
    from semantoks.fetching import failed_words
    from semantoks.fetching import fetch as run
    from semantoks.signals.sources.pcp import ABIDE_FOLDER

    found = run(
        dataset,
        out=out,
        atlas=atlas,
        pipeline=pipeline,
        band_pass=band_pass,
        global_signal=global_signal,
        people=people,
        quality_checked=quality_checked,
        verbose=True,
        tell=print,
    )
    told(out=found.folder, people=found.people, new=found.new, failed=len(found.failed), without_tr=found.without_tr)
    there = "" if not (old := found.people - found.new) else f", {f'{old:,}' if found.new else 'all'} from before"
    print(f"{plural(found.people, 'person')} in {found.folder}{there}.")
    if found.failed:
        print(f"Not fetched: {failed_words(found.failed)}. The same command tries them again.")
    if found.without_tr:
        sites = ", ".join(f"{site} ({count})" for site, count in found.without_tr.items())
        print(f"Sites of unknown repetition time, left out unless a table's column tr says it: {sites}.")
    alone = sum(1 for _ in (out / ABIDE_FOLDER).glob("*/*filt_*global")) == 1
    print(f"\nNext: semantoks prepare {shlex.quote(str(out if alone else found.folder))} --atlas {atlas} --out cohort/")
    return EXIT_PARTIAL if found.failed else EXIT_OK
