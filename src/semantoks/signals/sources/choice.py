"""Where a folder holds the same recordings several times: the only kind there is, or a question that lists them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from semantoks.errors import ConfigError
from semantoks.signals.files.bids import BidsFile


def the_only(kinds: Iterable[str], *, what: str, root: Path, remedy: str) -> str:
    """Give the only kind among the files of ``root``, each named once a file.

    Raises
    ------
    ConfigError
        When there are several: they are counted in the message, which ends with ``remedy``.
    """
    counts = Counter(kinds)
    if len(counts) > 1:
        listed = ", ".join(f"{kind or 'unnamed'} ({count} files)" for kind, count in sorted(counts.items()))
        raise ConfigError(f"{root} holds several {what}, which are not to be mixed: {listed}. {remedy}")
    return next(iter(counts))


def of_one_variant(
    files: Sequence[BidsFile], name_of: Callable[[BidsFile], str], *, variant: str, what: str, root: Path
) -> tuple[str, list[BidsFile]]:
    """Keep the files of the variant that is asked for, or of the only one, and give its name.

    ``variant`` is one or more words of the name (``filt_noglobal`` of ``cpac filt_noglobal``); empty asks for none.

    Raises
    ------
    ConfigError
        When there is no such variant, or several: they are named.
    """
    wanted = set(variant.split())
    kept = [one for one in files if wanted <= set(name_of(one).split())]
    if not kept:
        there = ", ".join(sorted({name_of(one) or "unnamed" for one in files}))
        raise ConfigError(f"{root} has no {what} called {variant!r}. There are: {there}.")
    name = the_only(map(name_of, kept), what=what, root=root, remedy="Choose one with --variant.")
    return name, kept
