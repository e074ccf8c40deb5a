"""Requests: what is answered, and what is refused in one line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from dmrnet.serve import Limits, ServedModel, create_app

from .conftest import LIMITS

NAMES = ("wave", "photo", "clock")
SUBSETS = [subset for n in (1, 2, 3) for subset in combinations(NAMES, n)]
Expected = Callable[[dict[str, Any]], np.ndarray]


def npy(value: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(value))
    return stream.getvalue()


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **{name: np.asarray(value) for name, value in arrays.items()})
    return stream.getvalue()


def csv(rows: Iterable[Any]) -> bytes:
    return "\r\n".join(", ".join(map(repr, row)) for row in rows).encode() + b"\n"


def png(value: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(value).save(stream, "PNG")
    return stream.getvalue()


def assert_predicted(answer: dict[str, Any], probabilities: np.ndarray) -> None:
    got = np.array([answer["probabilities"][name] for name in ("a", "b", "c")])
    np.testing.assert_allclose(got, probabilities, atol=1e-5)
    assert answer["class"] == "abc"[int(probabilities.argmax())]
    assert answer["probability"] == max(got)


def test_any_subset_is_predicted_as_by_the_graph(
    client: TestClient, sample: dict[str, Any], expected: Expected
) -> None:
    samples = [{name: sample[name] for name in subset} for subset in SUBSETS]
    answer = client.post("/predict", json={"samples": samples})
    assert answer.status_code == 200
    for given, got in zip(samples, answer.json()["predictions"], strict=True):
        assert got["seen"] == [name for name in NAMES if name in given]
        assert_predicted(got, expected(given))
    # Null is absence, too.
    answer = client.post("/predict", json={"samples": [{**samples[0], "photo": None}]})
    assert answer.json()["predictions"][0]["seen"] == ["wave"]


def test_parts_are_predicted_as_the_same_numbers(
    client: TestClient, sample: dict[str, Any], expected: Expected
) -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    as_fortran = np.asfortranarray(np.asarray(sample["wave"], np.float32))
    cases: list[tuple[dict[str, bytes], dict[str, Any]]] = [
        ({"wave": npy(as_fortran)}, {"wave": as_fortran.tolist()}),
        ({"photo": png(pixels)}, {"photo": pixels[None].tolist()}),
        ({"clock": ",".join(map(repr, sample["clock"])).encode()}, {"clock": sample["clock"]}),
        ({"wave": csv(zip(*sample["wave"], strict=True))}, {"wave": sample["wave"]}),
        ({"wave": csv(sample["wave"])}, {"wave": sample["wave"]}),
        ({"all": npz(wave=sample["wave"], clock=sample["clock"])},
         {"wave": sample["wave"], "clock": sample["clock"]}),
        ({"clock": npy([sample["clock"]]), "photo": npy(pixels[None])},
         {"clock": sample["clock"], "photo": pixels[None].tolist()}),
    ]  # fmt: skip
    for parts, numbers in cases:
        files = {name: (f"{name}.bin", content) for name, content in parts.items()}
        answer = client.post("/predict", files=files)
        assert answer.status_code == 200, answer.text
        assert_predicted(answer.json()["predictions"][0], expected(numbers))


CLOCK = [1.7e9] * 3


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 422, "expected JSON"),
        (b"[" * 5000, 422, "expected JSON"),
        (b'{"samples": [{"clock": [1, 2, 3], "clock": [4, 5, 6]}]}', 422, "got 'clock' twice"),
        (b"\xff\xfe", 422, "expected JSON"),
        ([1], 422, '{"samples"'),
        ({"samples": []}, 422, "at least one sample"),
        ({"samples": [{}], "more": 1}, 422, "samples alone, got 'more'"),
        ({"samples": [{"clock": CLOCK}] * 9}, 422, "at most 8 samples, got 9"),
        ({"samples": [3]}, 422, "sample 0: expected an object"),
        ({"samples": [{"clock": CLOCK}, {}]}, 422, "sample 1: expected at least one of wave, "),
        ({"samples": [{"clokc": CLOCK}]}, 422, "unknown modality 'clokc'; did you mean 'clock'?"),
        ({"samples": [{"clock": [1, 2]}]}, 422, "clock: expected shape (3,), got (2,)"),
        ({"samples": [{"clock": [[1], 2, 3]}]}, 422, "rows of different lengths"),
        ({"samples": [{"clock": "123"}]}, 422, "got text"),
        ({"samples": [{"clock": ["1", "2", "3"]}]}, 422, "got something else"),
        ({"samples": [{"clock": [True, False, True]}]}, 422, "got something else"),
        ({"samples": [{"wave": [[1] * 6, [2] * 5 + [True]]}]}, 422, "got something else"),
        ({"samples": [{"clock": [1, None, 3]}]}, 422, "got something else"),
        ({"samples": [{"clock": [10**400, 2, 3]}]}, 422, "clock"),
        (b'{"samples": [{"clock": [NaN, 1, 2]}]}', 422, "clock: NaN or infinity"),
        (b'{"samples": [{"clock": [1e999, 1, 2]}]}', 422, "clock: NaN or infinity"),
        ({"samples": [{"wave": [[1e300] * 6] * 2}]}, 422, "too far from those of training"),
        (b" " * 60_000, 413, "at most 0.05 MB"),
    ],
)
def test_a_bad_body_is_refused_in_one_line(
    client: TestClient, body: Any, status: int, message: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post("/predict", content=content, headers={"content-type": "application/json"})
    assert_refused(answer, status, message)


def assert_refused(answer: Any, status: int, message: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error"}
    said = answer.json()["error"]
    assert message in said
    assert "\n" not in said
    assert "Traceback" not in said


class Hostile:
    """Pickled, it would run code when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('code ran')",))


def pickled() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Hostile()], dtype=object), allow_pickle=True)
    return stream.getvalue()


HUGE = npy(np.zeros(3))[:-24].replace(b"(3,)", b"(3000000000000,)")


@pytest.mark.parametrize(
    ("part", "status", "message"),
    [
        (("clock", b"text"), 422, "expected numbers"),
        (("clock", b"1,2,3_0"), 422, "expected numbers"),
        (("clock", b"1,2,x"), 422, "part clock: expected numbers, could not convert"),
        (("clock", b"1,2\n3"), 422, "lines of equal length"),
        (("clock", b"1,,3"), 422, "expected numbers"),
        (("clock", b"1,nan,3"), 422, "NaN or infinity"),
        (("clock", b"1,2,3,4"), 422, "got 4 in 1 lines"),
        (("clock", b"\x00\x01"), 422, "expected .npy, .npz or CSV"),
        (("clock", png(np.zeros((1, 3), np.uint8))), 422, "expected .npy, .npz or CSV, got a PNG"),
        (("photo", b"1,2,3"), 422, "expected .npy, .npz or PNG"),
        (("wave", b"1,2,3"), 422, "expected shape (2, 6)"),
        (("clokc", npy(CLOCK)), 422, "did you mean 'clock'"),
        (("clock", npy([1.0, 2.0])), 422, "expected shape (3,), got (2,)"),
        (("clock", npy(CLOCK)[:-1]), 422, "cut short"),
        (("clock", npy(CLOCK) + b"more"), 422, "cut short, or longer"),
        (("clock", npy(["a", "b", "c"])), 422, "expected numbers"),
        (("clock", npy([np.nan, 1, 2])), 422, "NaN or infinity"),
        (("clock", b"\x93NUMPY\x01\x00"), 422, "header is damaged"),
        (("clock", HUGE), 422, "got (3000000000000,)"),
        (("clock", pickled()), 422, "expected numbers, got object"),
        (("all", npz(clock=np.zeros(10**6))), 422, "got more"),
        (("all", npz(clokc=CLOCK)), 422, "unknown modality"),
        (("all", npz(clock=CLOCK)[:-30]), 422, ".npz file is damaged"),
        (("photo", png(np.zeros((9, 8), np.uint8))), 422, "got L of 9 x 8"),
        (("photo", png(np.zeros((8, 8, 3), np.uint8))), 422, "got RGB"),
        (("photo", png(np.zeros((8, 8), np.uint8))[:45]), 422, "PNG is damaged"),
    ],
)
def test_a_bad_part_is_refused(
    client: TestClient, part: tuple[str, bytes], status: int, message: str
) -> None:
    name, content = part
    assert_refused(client.post("/predict", files={name: ("f", content)}), status, message)


def test_other_requests_are_refused(client: TestClient, sample: dict[str, Any]) -> None:
    body = json.dumps({"samples": [sample]})
    plain = client.post("/predict", content=body, headers={"content-type": "text/plain"})
    assert_refused(plain, 415, "application/json or multipart/form-data, got text/plain")
    assert_refused(client.get("/predict"), 405, "Method Not Allowed")
    assert_refused(client.get("/nothing"), 404, "Not Found")
    for head in ("multipart/form-data", "multipart/form-data; boundary=x"):
        bad = client.post("/predict", content=b"--x\r\nzzz", headers={"content-type": head})
        assert_refused(bad, 400, "part")
    twice = [("clock", ("f", npy(CLOCK)))] * 2
    assert_refused(client.post("/predict", files=twice), 422, "one part for clock, got two")
    many = [("clock", ("f", npy(CLOCK)))] * 9
    assert_refused(client.post("/predict", files=many), 400, "Too many files")


def test_it_says_how_it_is(client: TestClient, sample: dict[str, Any]) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/model").json()["classes"] == ["a", "b", "c"]
    before = counters(client)
    assert client.post("/predict", json={"samples": [{"wave": sample["wave"]}] * 3}).is_success
    assert client.post("/predict", json={}).status_code == 422
    after = counters(client)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["dmrnet_samples_total"] == 3
    assert grown['dmrnet_present_total{modality="wave"}'] == 3
    assert grown['dmrnet_present_total{modality="photo"}'] == 0
    assert grown['dmrnet_requests_total{status="200"}'] == 1
    assert grown['dmrnet_requests_total{status="422"}'] == 1
    assert grown["dmrnet_batch_rows_count"] == 1
    assert after["dmrnet_waiting_samples"] == 0


def counters(client: TestClient) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def test_openapi_describes_the_requests_that_are_answered(client: TestClient) -> None:
    said = client.get("/openapi.json").json()
    operation = said["paths"]["/predict"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    samples = schema["properties"]["samples"]
    assert samples["maxItems"] == LIMITS.batch
    wave = samples["items"]["properties"]["wave"]
    assert (wave["minItems"], wave["items"]["maxItems"]) == (2, 6)
    assert "multipart/form-data" in operation["requestBody"]["content"]
    assert {"200", "413", "415", "422", "503", "504"} <= operation["responses"].keys()


def test_a_token_guards_everything_but_health(model: ServedModel, sample: dict[str, Any]) -> None:
    body = {"samples": [sample]}
    with TestClient(create_app(model, Limits(token="s3cret"))) as client:
        assert client.get("/healthz").is_success
        for path in ("/metrics", "/model", "/openapi.json"):
            assert client.get(path).status_code == 401
        for head in (None, "Bearer wrong", "s3cret", "Bearer s3cret2"):
            headers = {} if head is None else {"authorization": head}
            answer = client.post("/predict", json=body, headers=headers)
            assert_refused(answer, 401, "Authorization: Bearer TOKEN")
            assert answer.headers["www-authenticate"] == "Bearer"
        good = {"authorization": "Bearer s3cret"}
        assert client.post("/predict", json=body, headers=good).is_success
        assert client.get("/metrics", headers=good).is_success


def test_a_fixed_combination_needs_all_of_it(model: ServedModel, sample: dict[str, Any]) -> None:
    about = {**model.metadata, "fixed": True}
    runner = model.runner

    def fixed(inputs: Any, present: Any) -> Any:
        assert present is None
        return runner(inputs, np.ones((len(inputs["wave"]), 3), dtype=np.bool_))

    with TestClient(create_app(ServedModel(fixed, about))) as client:
        assert client.post("/predict", json={"samples": [sample]}).is_success
        lacking = client.post("/predict", json={"samples": [{"wave": sample["wave"]}]})
        assert_refused(lacking, 422, "all of wave, photo, clock")


def test_gaps_and_short_sequences_are_taken_where_training_had_them() -> None:
    seen: list[Any] = []

    def keep(inputs: Any, present: Any) -> Any:
        seen.append(inputs)
        return None, np.full((len(present), 2), 0.5)

    inputs = [
        {"name": "wave", "shape": [2, 4], "dtype": "float32", "ragged": True},
        {"name": "row", "shape": [3], "dtype": "float32", "missing_cells": True},
    ]
    about = {"method": "", "dataset": "", "use": "", "dense": False, "fixed": False}
    model = ServedModel(keep, {**about, "inputs": inputs, "classes": ["a", "b"]})
    with TestClient(create_app(model)) as client:
        good = {"wave": [[1, 2], [3, 4]], "row": [1, None, 3]}
        assert client.post("/predict", json={"samples": [good]}).is_success
        for bad, message in (
            ({"wave": [[1] * 5] * 2}, "expected shape (2, 4)"),
            ({"wave": [[], []]}, "wave"),
            ({"wave": [[1, None], [2, 3]]}, "something else"),
            ({"row": [None, None, None]}, "leave out what is missing"),
            ({"row": [1, "2", None]}, "something else"),
        ):
            assert_refused(client.post("/predict", json={"samples": [bad]}), 422, message)
        square = {"wave": ("f", b"1,2\n3,4")}
        assert_refused(client.post("/predict", files=square), 422, "steps or channels")
        assert client.post("/predict", files={"row": ("f", b"1,,3")}).is_success
        file = {"wave": ("f", npy(np.ones((2, 3))))}
        assert client.post("/predict", files=file).is_success
    nan = np.nan
    np.testing.assert_array_equal(seen[0]["wave"], [[[1, 2, nan, nan], [3, 4, nan, nan]]])
    np.testing.assert_array_equal(seen[0]["row"], [[1, nan, 3]])
