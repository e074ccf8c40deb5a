"""The public names of `dmrnet.nn`."""

from dmrnet.nn.encoders.backbone import TimmEncoder
from dmrnet.nn.encoders.generic import (
    ImageEncoder,
    SequenceEncoder,
    VectorEncoder,
    VolumeEncoder,
    build_encoder,
)
from dmrnet.nn.encoders.pyramid import TimmStream
from dmrnet.nn.fusion import ConcatFusion, Fused, masked
from dmrnet.nn.layers.frozen import Frozen
from dmrnet.nn.layers.gather import encode_rows, output_shape, untouched
from dmrnet.nn.layers.norm import BatchNorm, safe_batch_norm, synchronise
from dmrnet.nn.networks.network import Network, feature_shapes
from dmrnet.nn.predictor import Output, PooledLinear
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
