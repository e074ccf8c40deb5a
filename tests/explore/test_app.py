"""The endpoints of the page: what is shown is what the run predicts; bad input is one line."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

from dmrnet.confidence import Confidence
from dmrnet.data.dataset import ArrayDataset
from dmrnet.data.files.decoders import Decoder
from dmrnet.engine.predict import Predictable, predict_rows
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.explore import ExploredRun, corrupt, create_explorer
from dmrnet.serve import Limits

from .conftest import EVIL, LIMITS, NAMES, ROWS, TASK, scores

SUBSETS = [subset for n in (1, 2, 3) for subset in combinations(NAMES, n)]


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def view(client: TestClient, **settings: Any) -> dict[str, Any]:
    answer = client.post("/explore/view", json=settings)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def of_run(
    run: FinishedRun, dataset: ArrayDataset, confidence: Confidence, row: int, on: Any
) -> torch.Tensor:
    """Probabilities by the run's own way of predicting, from standardised numbers."""
    visible = torch.tensor([name in on for name in NAMES])
    rows = torch.tensor([row])
    samples = Predictable(run, dataset, rows, visible)
    return predict_rows(samples, confidence=confidence)[0]


def test_a_view_predicts_what_the_run_predicts(
    client: TestClient, run: FinishedRun, dataset: ArrayDataset, confidence: Confidence
) -> None:
    for row, on in [(0, one) for one in SUBSETS] + [(7, NAMES), (ROWS - 1, NAMES)]:
        found = view(client, sample=row, on=list(on))
        expected = of_run(run, dataset, confidence, row, on)
        got = list(found["prediction"]["probabilities"].values())
        np.testing.assert_allclose(got, expected, atol=1e-5)
        there = [n for n, p in zip(NAMES, dataset.present[row].tolist(), strict=True) if p]
        assert found["prediction"]["seen"] == [name for name in there if name in on]
        assert list(found["drawings"]) == there
        seen = torch.tensor([[name in there and name in on for name in NAMES]])
        inside = confidence.sets(expected[None], seen, 0.9)[0]
        assert found["set"] == [c for c, has in zip(TASK.classes, inside, strict=True) if has]
        assert found["score"] == dict(
            zip(("value", "n"), scores()["combinations"][found["combination"]], strict=True)
        )
        which, gain, error = confidence.advise(expected[None], seen)
        if which < 0:
            assert found["advice"] is None
        else:
            assert found["advice"]["modality"] == NAMES[int(which)]
            assert found["advice"]["at_hand"] == (NAMES[int(which)] in there)
            assert (found["advice"]["gain"], found["advice"]["error"]) == (gain, error)
        assert found["right"] == (found["prediction"]["class"] == TASK.classes[row % 3])


def test_files_that_training_read_are_decoded_as_there(
    explored: ExploredRun, sample: dict[str, np.ndarray]
) -> None:
    def decode(content: bytes) -> np.ndarray | None:
        if content == b"damaged":
            raise ValueError("is damaged")
        return sample["wave"] if content.startswith(b"RIFF") else None

    one = replace(explored, decoders={"wave": Decoder((".wav",), decode)})
    with TestClient(create_explorer(one, LIMITS)) as client:
        reads = [m["reads"] for m in client.get("/explore").json()["modalities"]]
        assert reads == [[".npy", ".wav", ".csv"], [".npy", ".png"], [".npy", ".csv"]]
        same = view(client, sample=0, on=["wave"])
        csv = "\n".join(",".join(map(str, row)) for row in sample["wave"])
        for content in (b"RIFF", csv.encode(), npz(wave=sample["wave"])):
            answer = client.post("/explore/view", files={"wave": content})
            assert answer.status_code == 200, answer.text
            probabilities = answer.json()["prediction"]["probabilities"]
            assert probabilities == pytest.approx(same["prediction"]["probabilities"], abs=1e-6)
        bad = client.post("/explore/view", files={"wave": b"damaged"})
        assert (bad.status_code, bad.json()) == (422, {"error": "part wave: the file is damaged"})
        # Only where training read such files.
        bad = client.post("/explore/view", files={"clock": b"RIFF"})
        assert bad.status_code == 422


def test_an_upload_is_the_same_sample(client: TestClient, sample: dict[str, np.ndarray]) -> None:
    on = ["wave", "clock"]
    corrupted = {"wave": {"kind": "noise", "strength": 2, "seed": 3}}
    same = view(client, sample=0, on=on, corrupted=corrupted)
    files = {"all": ("all.npz", npz(wave=sample["wave"], clock=sample["clock"]))}
    settings = {"on": on, "corrupted": corrupted}
    answer = client.post(
        "/explore/view", files={**files, "+settings": (None, json.dumps(settings))}
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["prediction"] == same["prediction"]
    assert found["truth"] is found["right"] is None
    assert set(found["drawings"]) == {"wave", "clock"}
    assert client.post("/explore/view", files=files).json()["prediction"]["seen"] == on


def test_a_corruption_is_predicted_and_drawn(
    client: TestClient, explored: ExploredRun, sample: dict[str, np.ndarray]
) -> None:
    how = {"kind": "drift", "strength": 3.0, "seed": 1}
    found = view(client, sample=0, on=["clock"], corrupted={"clock": how})
    clock = corrupt(sample["clock"], "drift", 3.0, 1, explored.scale("clock")[1])
    body = {"samples": [{"clock": clock.tolist()}]}
    assert client.post("/predict", json=body).json()["predictions"] == [found["prediction"]]
    # The calibrated score stays that of clean samples, what is off is still drawn.
    assert set(found["drawings"]) == set(NAMES)
    plain = view(client, sample=0, on=["clock"])
    assert found["drawings"]["clock"]["values"] != plain["drawings"]["clock"]["values"]
    assert found["drawings"]["wave"] == plain["drawings"]["wave"]


def test_pages_of_samples_hold_each_once(client: TestClient, dataset: ArrayDataset) -> None:
    def rows(**query: Any) -> list[int]:
        found, start = [], 0
        while start is not None:
            page = client.get("/explore/samples", params={**query, "start": start}).json()
            assert len(page["samples"]) <= query["number"]
            found += page["samples"]
            start = page["next"]
        for one in found:
            known = one["row"] != 5
            assert one["truth"] == (TASK.classes[one["row"] % 3] if known else None)
        return [one["row"] for one in found]

    assert rows(number=7) == list(range(ROWS))
    assert rows(number=4, label="c") == [k for k in range(2, ROWS, 3) if k != 5]
    wrong = [k for k in range(ROWS) if view(client, sample=k)["right"] is False]
    assert 0 < len(wrong) < ROWS - 1
    assert rows(number=3, wrong=True) == wrong
    assert rows(number=50, wrong=True, label="a") == [k for k in wrong if k % 3 == 0]


def test_a_search_that_takes_long_says_where_it_goes_on(explored: ExploredRun) -> None:
    with TestClient(create_explorer(explored, replace(LIMITS, seconds=1e-9))) as client:
        page = client.get("/explore/samples", params={"wrong": True}).json()
    assert page == {"samples": [], "next": 0}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "expected settings as JSON"),
        ({"sample": ROWS}, f"a number from 0 to {ROWS - 1}, got {ROWS}"),
        ({"sample": -1}, "got -1"),
        ({}, "got None"),
        ({"sample": True}, "expected the number of a sample"),
        ({"sample": 0, "more": 1}, "an object of sample, on and corrupted"),
        ({"sample": 0, "on": "wave"}, "expected a list"),
        ({"sample": 0, "on": []}, "at least one that the sample has"),
        ({"sample": 0, "on": ["wvae"]}, "did you mean 'wave'"),
        ({"sample": 0, "corrupted": [1]}, "expected an object of modalities"),
        ({"sample": 0, "corrupted": {"wave": {"kind": "rain", "strength": 1}}}, "noise, blackout"),
        ({"sample": 0, "corrupted": {"wave": {"kind": "noise"}}}, "a strength from 0 to 5"),
        ({"sample": 0, "corrupted": {"wave": {"kind": "blackout", "strength": 2}}}, "from 0 to 1"),
        (b'{"sample": 0, "corrupted": {"wave": {"kind": "noise", "strength": NaN}}}', "strength"),
        (
            {"sample": 0, "corrupted": {"wave": {"kind": "noise", "strength": 1, "seed": -1}}},
            "a seed from 0",
        ),
    ],
)
def test_bad_settings_are_refused_in_one_line(client: TestClient, body: Any, message: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = {"content-type": "application/json"}
    refused(client.post("/explore/view", content=content, headers=head), 422, message)


def refused(answer: Any, status: int, message: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error"}
    assert message in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_other_requests_are_refused(client: TestClient, sample: dict[str, np.ndarray]) -> None:
    file = ("clock.npz", npz(clock=sample["clock"]))
    for query, message in (
        ({"number": "x"}, "number: "),
        ({"number": 1000}, "200"),
        ({"start": -1}, "start: "),
        ({"label": "z"}, "expected a label of a, b"),
    ):
        refused(client.get("/explore/samples", params=query), 422, message)
    settings = (None, json.dumps({"sample": 0}))
    twice = [("+settings", settings), ("+settings", settings), ("all", file)]
    refused(client.post("/explore/view", files=twice), 422, "one part +settings")
    both = {"all": file, "+settings": settings}
    refused(client.post("/explore/view", files=both), 422, "no number of a sample")
    refused(client.post("/explore/view", content=b" " * 60_000), 415, "application/json")
    head = {"content-type": "application/json"}
    refused(client.post("/explore/view", content=b" " * 60_000, headers=head), 413, "0.05 MB")


def test_without_samples_uploads_still_work(
    explored: ExploredRun, sample: dict[str, np.ndarray]
) -> None:
    alone = replace(explored, samples=None, without="the data are gone", confidence=None)
    with TestClient(create_explorer(alone)) as client:
        said = client.get("/explore").json()
        assert (said["samples"], said["without"]) == (None, "the data are gone")
        refused(client.get("/explore/samples"), 404, "the data are gone")
        refused(client.post("/explore/view", json={"sample": 0}), 422, "the data are gone")
        file = {"all": ("all.npz", npz(clock=sample["clock"]))}
        found = client.post("/explore/view", files=file).json()
    assert found["set"] is None
    # Without validation the table advises: of wave+clock and image+clock, the better.
    table = {name: value for name, (value, _) in scores()["combinations"].items()}
    gains = {n: table["+".join(o for o in NAMES if o in (n, "clock"))] for n in NAMES[:2]}
    best = max(gains, key=lambda name: gains[name])
    assert found["advice"]["modality"] == best
    assert found["advice"]["by"] == "table"
    assert found["advice"]["gain"] == pytest.approx(gains[best] - table["clock"])


def test_the_page_runs_its_own_script_alone(client: TestClient) -> None:
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "//" not in page.text
    for path, kind in (("explore.css", "text/css"), ("explore.js", "text/javascript")):
        assert path in page.text
        file = client.get(f"/{path}")
        assert file.headers["content-type"].startswith(kind)
        assert file.headers["x-content-type-options"] == "nosniff"
    assert "innerHTML" not in client.get("/explore.js").text
    # The look is that of reports.
    assert "--panel:" in client.get("/explore.css").text


def test_a_token_guards_the_data_not_the_page(explored: ExploredRun) -> None:
    app = create_explorer(explored, Limits(token="s3cret"))
    with TestClient(app) as client:
        for path in ("/", "/explore.css", "/explore.js", "/healthz"):
            assert client.get(path).is_success
        for path in ("/explore", "/explore/samples", "/model", "/openapi.json"):
            assert client.get(path).status_code == 401
        good = {"authorization": "Bearer s3cret"}
        assert client.get("/explore", headers=good).is_success


def test_openapi_describes_the_page_s_requests(client: TestClient) -> None:
    said = client.get("/openapi.json").json()
    view = said["paths"]["/explore/view"]["post"]["requestBody"]["content"]
    assert view["application/json"]["schema"]["properties"]["sample"]["maximum"] == ROWS - 1
    assert "+settings" in view["multipart/form-data"]["schema"]["properties"]
    samples = said["paths"]["/explore/samples"]["get"]
    assert {one["name"] for one in samples["parameters"]} == {"start", "number", "label", "wrong"}
    assert "404" in samples["responses"]
    assert "/" not in said["paths"]
    assert EVIL in json.dumps(said, ensure_ascii=False)
