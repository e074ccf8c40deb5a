"""The tables that tools/make_results.py makes of a search, and of lengths of training."""

import json
import runpy
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
MADE = runpy.run_path(str(ROOT / "tools" / "make_results.py"))


def trial(label: str, score: float | None, **settings: str) -> dict[str, object]:
    return {"label": label, "settings": settings, "score": score}


def rows_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_settings_that_all_systems_tried_are_columns() -> None:
    trials = [
        trial("sf-md", 0.5, lr="0.2"),
        trial("sf-md", 0.5004, lr="10"),
        trial("sf-md", float("nan"), lr="-1"),
        trial("dmr", None, lr="0.2"),
        trial("dmr", None, lr="10"),
        trial("dmr", float("nan"), lr="-1"),
    ]
    (text,) = MADE["_tried"](trials, [7])
    assert "seed 7" in text
    assert rows_of(text) == [
        "|  | lr -1 | lr 0.2 | lr 10 |",
        "| --- | ---: | ---: | ---: |",
        "| sf-md | failed | 50.0 | **50.0** |",
        "| dmr | failed | failed | failed |",
    ]


def test_settings_of_one_system_have_a_row_each() -> None:
    trials = [
        trial("sf-md", 0.5, lr="0.2"),
        trial("dmr", 0.6, lr="0.2", size="64x64"),
        trial("dmr", 0.6, lr="0.2", size="3d"),
    ]
    (text,) = MADE["_tried"](trials, [7, 8])
    assert "mean of seeds 7, 8" in text
    assert rows_of(text)[2:] == [
        "| sf-md | lr 0.2 | **50.0** |",
        "| dmr | lr 0.2 size 64x64 | **60.0** |",
        "| dmr | lr 0.2 size 3d | 60.0 |",
    ]


def test_lengths_of_training_are_compared_seed_by_seed(tmp_path: Path) -> None:
    # Percent on validation and test, and the epoch kept, by length and seed.
    lengths = {
        10: {0: (50, 40, 10), 1: (60, 50, 5)},
        20: {1: (61, 50, 15), 0: (53, 38, 20)},
        40: {1: (62, 49, 25)},
    }
    for length, seeds in lengths.items():
        runs = {}
        for seed, (val, test, epoch) in seeds.items():
            runs[f"{length}-{seed}"] = 0
            folder = tmp_path / "runs" / f"{length}-{seed}"
            folder.mkdir(parents=True)
            rows = [("val", "", "best_epoch", epoch)]
            # Two combinations, a point to either side of the average.
            for split, rate in (("val", val), ("test", test)):
                rows += [
                    (split, name, "miou", (rate + o) / 100) for name, o in (("a", 1), ("b", -1))
                ]
            keys = ("split", "combination", "metric", "value")
            lines = [
                json.dumps({"seed": seed, **dict(zip(keys, row, strict=True))}) for row in rows
            ]
            (folder / "results.jsonl").write_text("\n".join(lines))
        systems = [{"name": "sf-md"}, {"name": "dmr"}]
        if length == 20:  # another system, which has only this length
            runs["20-0 of dmr"] = 1
            shutil.copytree(tmp_path / "runs" / "20-0", tmp_path / "runs" / "20-0 of dmr")
        study = {"runs": runs, "systems": systems}
        (tmp_path / f"epochs-{length:03}.json").write_text(json.dumps(study))
    made = list(MADE["_by_length"](sorted(tmp_path.glob("*.json"))))
    last = [line for text in made for line in rows_of(text)[2:]]
    assert last == [
        "| sf-md | 55.0 | 57.0 (+2.0 ± 1.0) | 62.0 (+1.0, only seed 1) |",
        "| dmr | – | 53.0 | – |",
        "| sf-md | 45.0 | 44.0 (−1.0 ± 1.0) | 49.0 (−1.0, only seed 1) |",
        "| dmr | – | 38.0 | – |",
        "| sf-md | 10, 5 | 20, 15 | –, 25 |",
        "| dmr | – | 20 | – |",
    ]


def test_a_single_length_is_not_compared(tmp_path: Path) -> None:
    assert not list(MADE["_by_length"]([tmp_path / "epochs-010.json"]))


def test_sizes_average_the_combinations_of_each() -> None:
    rows = sorted((ROOT / "results" / "mfeat-quickstart").glob("*.jsonl"))
    (summary,) = MADE["_summaries"](rows, "sf-md")
    table = MADE["size_table"](summary)
    assert table.header == ("System", *(f"{k} seen" for k in range(1, 7)))
    dmr = next(item for item in summary.systems if item.label == "dmr")
    (row,) = (row for row in table.rows if row[0].text == "dmr")
    for k in range(1, 7):
        names = [name for name in summary.combinations if name.count("+") == k - 1]
        by_seed = zip(*(dmr.scores[name].values for name in names), strict=True)
        means = [100 * sum(values) / len(values) for values in by_seed]
        assert row[k].text.startswith(f"{sum(means) / len(means):.1f}")
    assert sum(row[1].best for row in table.rows) <= 1
