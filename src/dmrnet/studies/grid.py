"""Which runs a study has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """One run that is to be made.

    Attributes:
        label: For whoever watches.
        argv: Its settings as flags of ``dmrnet fit``.
        test: It is tested, too, and not on validation alone.
    """

    label: str
    argv: tuple[str, ...]
    test: bool = True


@dataclass(frozen=True)
class Grid:
    """Methods times recipes times settings times seeds, on one data set.

    Attributes:
        methods: Names.
        seeds: Of the runs.
        recipes: Names; each method must have them.
        settings: Alternatives, each some flags.
        shared: Flags that every run has, those of the data among them.
    """

    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    recipes: tuple[str, ...] = ("best",)
    settings: tuple[tuple[str, ...], ...] = ((),)
    shared: tuple[str, ...] = ()

    def jobs(self) -> list[Job]:
        """Return every run, seed by seed, so that what is finished early can be compared.

        >>> [job.label for job in Grid(("sf-md", "dmr"), (0, 1)).jobs()]
        ['sf-md seed 0', 'dmr seed 0', 'sf-md seed 1', 'dmr seed 1']
        """
        return [
            Job(
                self._label(method, recipe, flags, seed),
                (
                    *("--method", method, "--recipe", recipe, "--seed", str(seed)),
                    *self.shared,
                    *flags,
                ),
            )
            for seed in self.seeds
            for recipe in self.recipes
            for flags in self.settings
            for method in self.methods
        ]

    def _label(self, method: str, recipe: str, flags: tuple[str, ...], seed: int) -> str:
        words = [method]
        if len(self.recipes) > 1:
            words.append(recipe)
        if len(self.settings) > 1:
            words.append(" ".join(flags))
        return " ".join([*words, f"seed {seed}"])
