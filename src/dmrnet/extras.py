"""Packages that only some uses need, and the extra of this package that installs each.

Imports nothing of this package.
"""

from __future__ import annotations

EXTRAS: dict[str, str] = {
    "av": "audio-video",
    "fastapi": "serve",
    "h5py": "hdf5",
    "huggingface_hub": "hub",
    "imml": "imml",
    "mlflow": "mlflow",
    "nibabel": "volumes",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "optuna": "sweep",
    "pandas": "",
    "prometheus_client": "serve",
    "pyarrow": "parquet",
    "python_multipart": "serve",
    "ray": "ray",
    "sklearn": "sklearn",
    "soundfile": "audio-video",
    "starlette": "serve",
    "tensorboard": "tensorboard",
    "threadpoolctl": "sklearn",
    "torch_geometric": "imml",
    "transformers": "imml",
    "uvicorn": "serve",
    "wandb": "wandb",
}
"""Extra by the name of the module; empty where the package is installed by itself."""


def missing(error: ModuleNotFoundError, what: str = "") -> ModuleNotFoundError:
    """Return an error that says how to install a module, in place of Python's own.

    Args:
        error: Python's error.
        what: What needs the module, as the start of the sentence; nothing by default.

    >>> str(missing(ModuleNotFoundError("No module named 'av'", name="av"), "a video"))
    "a video needs the package av, which is not installed: pip install 'dmrnet[audio-video]'"
    >>> str(missing(ModuleNotFoundError("No module named 'pandas'", name="pandas")))
    'the package pandas is not installed: pip install pandas'
    """
    module = (error.name or "").partition(".")[0]
    if not module:
        return error
    extra = EXTRAS.get(module)
    install = f"'dmrnet[{extra}]'" if extra else module
    start = f"{what} needs the package {module}, which" if what else f"the package {module}"
    return ModuleNotFoundError(f"{start} is not installed: pip install {install}", name=module)
