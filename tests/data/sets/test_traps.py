"""What is easily got wrong about the paper's data sets, stated a second time from its sources."""

from __future__ import annotations

import torch
from tests.data.made import media

from dmrnet.data.files.media.decoding import picture
from dmrnet.data.files.media.spectrogram import PAPER, RELEASED
from dmrnet.data.sets.published import crema_d, kinetics_sounds, nyuv2

# Arandjelović and Zisserman, ICCV 2017, Appendix A1, in its words.
FIRST_PAPER = (
    "blowing nose, bowling, chopping wood, ripping paper, shuffling cards, singing, tapping pen, "
    "typing, blowing out, dribbling ball, laughing, mowing the lawn by pushing lawnmower, "
    "shoveling snow, stomping, tap dancing, tapping guitar, tickling, fingerpicking, patting, "
    "playing accordion, playing bagpipes, playing bass guitar, playing clarinet, playing drums, "
    "playing guitar, playing harmonica, playing keyboard, playing organ, playing piano, "
    "playing saxophone, playing trombone, playing trumpet, playing violin, playing xylophone"
)
IN_KINETICS = {
    "blowing out": "blowing out candles",
    "dribbling ball": "dribbling basketball",
    "mowing the lawn by pushing lawnmower": "mowing lawn",
    "stomping": "stomping grapes",
}
IN_RELEASED_CODE = {**IN_KINETICS, "typing": "tying tie", "fingerpicking": "finger snapping"}


def spelled(names: dict[str, str], without: tuple[str, ...] = ()) -> set[str]:
    kept = [name for name in FIRST_PAPER.split(", ") if name not in without]
    return {names.get(name, name).replace(" ", "_") for name in kept}


def test_kinetics_sounds_has_four_lists() -> None:
    lists = {name: set(classes) for name, classes in kinetics_sounds.CLASS_LISTS.items()}
    assert lists["34"] == spelled(IN_KINETICS)
    assert lists["33"] == spelled(IN_RELEASED_CODE, ("patting",))
    assert lists["31"] == spelled(IN_KINETICS, ("typing", "patting", "fingerpicking"))
    assert lists["32"] == lists["31"] | {"strumming_guitar"}


def test_emotions_have_the_published_numbers() -> None:
    assert crema_d.CLASSES == ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")


def test_rooms_have_the_published_numbers() -> None:
    published = (
        "wall floor cabinet bed chair sofa table door window bookshelf picture counter blinds desk "
        "shelves curtain dresser pillow mirror floor-mat clothes ceiling books refridgerator "
        "television paper towel shower-curtain box whiteboard person night-stand toilet sink lamp "
        "bathtub bag otherstructure otherfurniture otherprop"
    )
    assert " ".join(name.replace(" ", "-") for name in nyuv2.CLASSES) == published


def test_an_overlap_of_353_is_no_hop_of_353() -> None:
    """The paper's sizes come from the one, the released code's from the other."""
    window, overlap = 512, 353
    for seconds, columns in ((3, 299), (10, 1004)):
        sound = torch.zeros(16_000 * seconds)
        assert PAPER(sound).shape == (257, columns)
        assert (len(sound) - overlap) // (window - overlap) == columns
    long = torch.zeros(22_050 * 3)
    assert RELEASED(long).shape == (257, 188)
    assert 1 + len(long) // overlap == 188


def test_pictures_are_rgb_and_not_bgr() -> None:
    red, green, blue = picture(media.jpeg((250, 120, 10)), 8, 8).reshape(3, -1).mean(1)
    assert red > 240
    assert 110 < green < 130
    assert blue < 20
