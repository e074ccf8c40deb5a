"""The public names of `dmrnet.nn`."""

from dmrnet.nn.concat_fusion import ConcatFusion
from dmrnet.nn.encoders.basic import ImageEncoder, SequenceEncoder, VectorEncoder, VolumeEncoder
from dmrnet.nn.encoders.build import build_encoder
from dmrnet.nn.encoders.rows import encode_rows, output_shape
from dmrnet.nn.encoders.timm_encoder import TimmEncoder
from dmrnet.nn.encoders.timm_stream import TimmStream
from dmrnet.nn.fusion import Fused, Fusion, masked, masked_all
from dmrnet.nn.layers.connected_zero import connected_zero
from dmrnet.nn.layers.frozen import Frozen
from dmrnet.nn.layers.norm import BatchNorm, safe_batch_norm, synchronise
from dmrnet.nn.networks.network import Network, feature_shapes
from dmrnet.nn.networks.parts import NetworkParts
from dmrnet.nn.predictor import Output, PooledLinear
from dmrnet.nn.representation import (
    DMR,
    PCME,
    PE,
    MeanHead,
    Point,
    Representation,
    RepresentationHead,
    sample,
)

__all__ = [
    "DMR",
    "PCME",
    "PE",
    "BatchNorm",
    "ConcatFusion",
    "Frozen",
    "Fused",
    "Fusion",
    "ImageEncoder",
    "MeanHead",
    "Network",
    "NetworkParts",
    "Output",
    "Point",
    "PooledLinear",
    "Representation",
    "RepresentationHead",
    "SequenceEncoder",
    "TimmEncoder",
    "TimmStream",
    "VectorEncoder",
    "VolumeEncoder",
    "build_encoder",
    "connected_zero",
    "encode_rows",
    "feature_shapes",
    "masked",
    "masked_all",
    "output_shape",
    "safe_batch_norm",
    "sample",
    "synchronise",
]
