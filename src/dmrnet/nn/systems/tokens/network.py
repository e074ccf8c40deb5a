"""A family's encoders with a network on tokens in place of its fusion and trunk."""

from __future__ import annotations

from dmrnet.modalities import Task
from dmrnet.nn.networks.level_fusion import LevelConcat, LevelFusion, LevelMixing
from dmrnet.nn.networks.levels import levels_of
from dmrnet.nn.networks.network import Network, feature_shapes
from dmrnet.nn.networks.parts import NetworkParts, check_dense
from dmrnet.nn.predictor import PooledLinear
from dmrnet.nn.systems.tokens.tokens import BuildMixer, LevelTokens, TokenFusion
from dmrnet.targets import outputs_of


def build_token_network(
    network: Network, task: Task, method: str, tokens: int, embed: int | None, build: BuildMixer
) -> NetworkParts:
    """Build a family's encoders, tokens of their maps, the tokens' network, and a classifier.

    In dense tasks tokens are those of one position of the deepest maps.

    Args:
        network: Settings of the network.
        task: Task of the method.
        method: Name of the method, for errors.
        tokens: Largest number of tokens of a modality; not read in dense tasks.
        embed: Number of channels of a token; by default the smallest of the encoders' maps.
        build: Builds the network that reads the tokens.

    Raises:
        ValueError: If the family cannot read the task's modalities or predict its labels.
    """
    if network.family == "esanet" or (network.family == "generic" and task.dense):
        levels = levels_of(network, task)
        *shallow, deepest = levels.widths
        number = len(task.modalities)
        mixings: list[LevelMixing] = [
            LevelConcat(number, before, after, levels.axes)
            for before, after in zip(shallow, levels.skip_widths, strict=True)
        ]
        mixings.append(LevelTokens(number, deepest, embed or deepest, build))
        fusion = LevelFusion(task.modalities, levels, mixings)
        return NetworkParts(levels.streams, fusion, levels.width, levels.build_decoder())
    check_dense(task, method, dense=False)
    network.check_encoders()
    encoders = network.build_encoders(task)
    shapes = feature_shapes(task, encoders)
    embed = embed or min(shape[0] for shape in shapes.values())
    own = TokenFusion(shapes, embed, tokens, build)
    channels = own.mixer.channels
    return NetworkParts(encoders, own, channels, PooledLinear(channels, outputs_of(task)))
