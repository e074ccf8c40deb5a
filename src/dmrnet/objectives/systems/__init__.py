"""Terms that one compared system brings: LCR, mmFormer, MMANet, OGM, RFNet, ShaSpec."""
