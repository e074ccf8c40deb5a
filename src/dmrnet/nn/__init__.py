"""The parts of a method: encoders, fusion, representation, predictor."""

from dmrnet.nn.backbone import TimmEncoder
from dmrnet.nn.encoders import (
    ImageEncoder,
    SequenceEncoder,
    VectorEncoder,
    VolumeEncoder,
    build_encoder,
)
from dmrnet.nn.frozen import Frozen
from dmrnet.nn.fusion import ConcatFusion, Fused, masked
from dmrnet.nn.gather import encode_rows, output_shape, untouched
from dmrnet.nn.network import Network, feature_shapes
from dmrnet.nn.norm import BatchNorm, safe_batch_norm, synchronise
from dmrnet.nn.predictor import Output, PooledLinear
from dmrnet.nn.pyramid import TimmStream
from dmrnet.nn.representation import DMR, PCME, PE, MeanHead, Point, Representation, sample

__all__ = [
    "DMR",
    "PCME",
    "PE",
    "BatchNorm",
    "ConcatFusion",
    "Frozen",
    "Fused",
    "ImageEncoder",
    "MeanHead",
    "Network",
    "Output",
    "Point",
    "PooledLinear",
    "Representation",
    "SequenceEncoder",
    "TimmEncoder",
    "TimmStream",
    "VectorEncoder",
    "VolumeEncoder",
    "build_encoder",
    "encode_rows",
    "feature_shapes",
    "masked",
    "output_shape",
    "safe_batch_norm",
    "sample",
    "synchronise",
    "untouched",
]
