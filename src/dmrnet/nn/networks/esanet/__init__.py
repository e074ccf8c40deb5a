"""ESANet: segmentation by a main stream of images into which others are fused stage by stage.

Seichter et al., ICRA 2021, for RGB-D; with a mask as in the paper's "ESANet-MD" (Sec. 4.1).
"""

from dmrnet.nn.networks.esanet.build import esanet
from dmrnet.nn.networks.esanet.decoder import ESANetDecoder
from dmrnet.nn.networks.esanet.fusion import ESANetFusion
from dmrnet.nn.networks.esanet.streams import ESANetStream

__all__ = ["ESANetDecoder", "ESANetFusion", "ESANetStream", "esanet"]
