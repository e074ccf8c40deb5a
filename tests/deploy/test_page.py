"""The service on the page *Deploy* answers over HTTP where this package cannot be imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from .conftest import RUNS, Files

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "deploy.md"
ASK = """
from threading import Thread
from urllib.request import Request, urlopen

server = HTTPServer(("127.0.0.1", 0), Service)
Thread(target=server.serve_forever, daemon=True).start()
given = np.load(sys.argv[1])["image"][3].tolist()
request = Request(f"http://127.0.0.1:{server.server_port}", json.dumps({"image": given}).encode())
sys.stdout.write(urlopen(request).read().decode())
"""


def test_it_answers_from_one_modality(files: Files, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (service,) = (block for block in blocks if "HTTPServer" in block)
    service = service.replace('if __name__ == "__main__":', "if False:")
    (kept,) = re.findall(r"(.*)print\(answer.*\n$", service, re.DOTALL)
    (tmp_path / "deployed").mkdir()
    (tmp_path / "deployed" / "model.onnx").write_bytes(files.onnx.path.read_bytes())
    hidden = "import sys\nfor name in ('dmrnet', 'torch', 'onnx'): sys.modules[name] = None\n"
    command = [sys.executable, "-c", hidden + kept + ASK, str(RUNS / "data" / "test.npz")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(RUNS / "data" / "test.npz") as arrays:
        expected = files.run.predict_proba({"image": arrays["image"][3:4]})[0]
    answer = json.loads(done.stdout)
    np.testing.assert_allclose([answer[name] for name in files.run.classes], expected, atol=1e-4)
