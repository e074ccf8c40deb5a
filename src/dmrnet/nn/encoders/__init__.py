"""Encoders of one modality: generic ones, ResNets, and timm's backbones."""
