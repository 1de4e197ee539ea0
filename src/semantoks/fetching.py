"""Real people for who has none at hand: ABIDE's series of ROIs, through nilearn's fetcher."""

import errno
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from semantoks.config import check_arguments
from semantoks.counted import plural
from semantoks.errors import ConfigError, DataError
from semantoks.progress import shown_if
from semantoks.signals.sources.pcp import ABIDE_FOLDER, find_phenotypes, site_without_tr

if TYPE_CHECKING:
    import pandas as pd

URL = "https://s3.amazonaws.com/fcp-indi/data/Projects/ABIDE_Initiative"
AtlasName = Literal["aal", "cc200", "cc400", "ho"]
Pipeline = Literal["ccs", "cpac", "dparsf", "niak"]
TERMS = (
    "ABIDE I as the Preprocessed Connectomes Project hands it out. Its data may be used for non-commercial research "
    "alone, and whoever uses them names ABIDE (Di Martino et al. 2014, doi:10.1038/mp.2013.78), the project (Craddock "
    "et al. 2013, doi:10.3389/conf.fninf.2013.09.00041) and the sites' funding: "
    "http://fcon_1000.projects.nitrc.org/indi/abide/"
)
PATIENCE = 10
"""So many people in a row without an answer from the server, and it is not asked for the rest."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What lies in a folder of ABIDE after a call of `fetch`.

    Parameters
    ----------
    folder
        What ``prepare`` reads.
    people
        People whose series are there.
    new
        How many of them were not there before.
    failed
        Why the others were not fetched, by FILE_ID; the same call tries them again.
    without_tr
        Sites whose repetition time is not known, with the number of their people. ``prepare`` leaves them out unless
        a column ``tr`` of a table, or ``tr=``, says it.
    """

    folder: Path
    people: int
    new: int
    failed: dict[str, str]
    without_tr: dict[str, int]


def fetch_abide(out: Path | str, **options: Any) -> Fetched:
    """Call ``fetch("abide", out=out, ...)``."""
    return fetch("abide", out=out, **options)


def fetch(
    dataset: Literal["abide"],
    *,
    out: Path | str,
    atlas: AtlasName = "cc200",
    pipeline: Pipeline = "cpac",
    band_pass: bool = False,
    global_signal: bool = False,
    people: int | None = None,
    quality_checked: bool = False,
    verbose: bool = False,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Fetched:
    """Fetch recordings of real people and their table of phenotypes; what is there already is not fetched again.

    The files are laid out as ``nilearn.datasets.fetch_abide_pcp`` lays them out, so a folder of nilearn's data will do.
    One person whose file cannot be had does not stop the others. Nothing is sent but the names of the files.

    Parameters
    ----------
    dataset
        ``abide``: series of ROIs of ABIDE I, autism and controls, 7 to 64 years old, 20 sites.
    out
        Folder of the data: new, left by an earlier call, or ``~/nilearn_data``.
    atlas
        Whose ROIs: of those that the project offers, the ones that ``prepare`` knows.
    pipeline
        Who processed the images.
    band_pass, global_signal
        Whether the project's band-pass (0.01 to 0.1 Hz) was applied, and the global signal regressed out.
    people
        How many of the people in the table, from its top; None for all 1,035 who have a file.
    quality_checked
        Only people whose images every rater of the project passed.
    verbose
        Show a bar, in a terminal or a notebook; ``progress`` is called instead, if given.
    progress, tell
        Called with people done and people in all; with the terms of use, before anything is fetched.

    Returns
    -------
    Fetched
        Where they are, how many, and who could not be fetched.

    Raises
    ------
    ConfigError
        When an option is not one of those above.
    DataError
        When the table cannot be fetched, no person could be, or the server stops answering.
    """
    check_arguments(fetch, locals())
    if people is not None and people < 1:
        raise ConfigError(f"people has to be at least 1, not {people}.")
    if tell is not None:
        tell(TERMS)
    root = Path(out)
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root} is a file where a folder is needed.")
    root.mkdir(parents=True, exist_ok=True)
    options: dict[str, object] = {
        "pipeline": pipeline,
        "band_pass_filtering": band_pass,
        "global_signal_regression": global_signal,
    }
    table = _phenotypes(root, people=people, quality_checked=quality_checked)
    strategy = f"{'' if band_pass else 'no'}filt_{'' if global_signal else 'no'}global"
    folder = root / ABIDE_FOLDER / pipeline / strategy
    ids = [str(name) for name in table["FILE_ID"]]
    with shown_if(verbose, f"fetch {dataset}", "people", progress) as shown:
        new, failed = _fetch_all(root, folder, ids, atlas, options, shown)
    if len(failed) == len(ids):
        raise DataError(f"{URL} gave the series of nobody: {failed_words(failed)}.")
    for left in folder.glob("*/"):  # what nilearn fetched into; with the part of a file, the next call needs it
        if not any(left.iterdir()):
            left.rmdir()
    kept = [name for name in ids if name not in failed]
    unknown = Counter(site for name in kept if (site := site_without_tr(name)))
    return Fetched(
        folder=folder, people=len(kept), new=new, failed=failed, without_tr={s: unknown[s] for s in sorted(unknown)}
    )


def failed_words(failed: dict[str, str]) -> str:
    """Count people by why they could not be fetched, and name the first of them."""
    whose: dict[str, list[str]] = {}
    for name, reason in failed.items():
        whose.setdefault(reason, []).append(name)
    return "; ".join(
        f"{plural(len(names), 'person')} ({names[0]}{' ...' if names[1:] else ''}), {why}"
        for why, names in whose.items()
    )


def _phenotypes(root: Path, *, people: int | None, quality_checked: bool) -> "pd.DataFrame":
    """Fetch the table of phenotypes and return the rows of whom to fetch; DataError when it is not to be had."""
    try:
        rows: pd.DataFrame = _nilearn(root, quality_checked=quality_checked)["phenotypic"]
    except OSError as error:
        _stop_where_nothing_can_be_written(error)
        raise DataError(
            f"the table of phenotypes cannot be fetched from {URL} ({_reason(error)}). Once it can be reached, the "
            "same command goes on. Without a network, give a folder that nilearn filled elsewhere."
        ) from error
    except (KeyError, ValueError) as error:
        found = find_phenotypes(root) or root / ABIDE_FOLDER
        raise DataError(
            f"{found} is no table with ABIDE's columns (FILE_ID ...). Delete it, and the same command fetches it again."
        ) from error
    if rows.empty:
        raise DataError(f"the table of phenotypes in {root / ABIDE_FOLDER} names nobody who has a file.")
    return rows if people is None else rows[:people]


def _fetch_all(
    root: Path,
    folder: Path,
    ids: Sequence[str],
    atlas: str,
    options: dict[str, object],
    progress: Callable[[int, int], None] | None,
) -> tuple[int, dict[str, str]]:
    """Fetch people; return how many are new, and why others failed. DataError when the server no longer answers."""
    new, silent = 0, 0
    failed: dict[str, str] = {}
    for done, name in enumerate(ids, start=1):
        there = (folder / f"{name}_rois_{atlas}.1D").exists()
        reason, answered = _fetch(root, folder, name, atlas, options)
        silent = 0 if answered else silent + 1
        if reason:
            failed[name] = reason
        new += not reason and not there
        if silent == PATIENCE:
            raise DataError(
                f"{URL} has not answered for {PATIENCE} people in a row ({reason}); "
                f"{plural(done - len(failed), 'person is', 'people are')} in {folder}. "
                "Once it can be reached, the same command goes on."
            )
        if progress is not None:
            progress(done, len(ids))
    return new, failed


def _fetch(root: Path, folder: Path, name: str, atlas: str, options: dict[str, object]) -> tuple[str, bool]:
    """Fetch one person; return why it failed, empty if it did not, and whether the server answered.

    nilearn reads each file whole: one that is no table of numbers is taken away, and fetched once more if it had been
    there before.
    """
    path = folder / f"{name}_rois_{atlas}.1D"
    for again in (path.exists(), False):
        try:
            series = _nilearn(root, derivatives=[f"rois_{atlas}"], FILE_ID=[name], **options)[f"rois_{atlas}"]
            if not series or series[0].ndim < 2:
                raise ValueError
        except OSError as error:
            _stop_where_nothing_can_be_written(error)
            return _reason(error), getattr(error, "response", None) is not None
        except ValueError as error:
            if "read-only" in str(error):
                raise DataError(
                    f"{folder} cannot be written to, and has no series of {name}: fetch into another folder."
                ) from error
            path.unlink(missing_ok=True)
            if not again:
                break
        else:
            return "", True
    return "what the server gave is no table of numbers", True


def _nilearn(root: Path, **options: object) -> dict[str, Any]:
    from nilearn.datasets import fetch_abide_pcp

    chosen = {"quality_checked": False, "derivatives": [], **options}  # of nobody: the table comes alone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty files, which are an error here
        found: dict[str, Any] = fetch_abide_pcp(data_dir=str(root), url=URL, verbose=0, **chosen)
    return found


def _stop_where_nothing_can_be_written(error: OSError) -> None:
    if error.errno in FULL:
        raise error


def _reason(error: Exception) -> str:
    """Say in a few words why something could not be fetched."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    kind = type(error).__name__
    return {"ConnectTimeout": "no answer in time", "ReadTimeout": "no answer in time"}.get(
        kind, "no connection" if "Connection" in kind else kind
    )
