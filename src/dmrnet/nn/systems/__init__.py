"""NetworkParts that one compared system brings: LCR, mmFormer, HeMIS, RFNet, ShaSpec, unimodal."""
