"""Shape annotations are checked while the tests run; without this test that could stop unseen."""

import pytest
import torch
from jaxtyping import TypeCheckError

from recon.geometry import project
from recon.losses import l1_loss
from recon.methods.depth_ranking import ranking_loss
from recon.scene import Cameras


def test_a_wrong_last_axis_is_refused():
    with pytest.raises(TypeCheckError):
        project(torch.zeros(5, 4), torch.eye(3), torch.eye(4))


def test_sizes_that_do_not_agree_are_refused():
    with pytest.raises(TypeCheckError):
        l1_loss(torch.zeros(4, 5, 3), torch.zeros(5, 4, 3))


def test_a_wrong_type_of_number_is_refused():
    with pytest.raises(TypeCheckError):
        ranking_loss(torch.zeros(2, 5), torch.zeros(2, 5), torch.zeros(5), 0.1)


def test_the_fields_of_a_dataclass_are_checked():
    with pytest.raises(TypeCheckError):
        Cameras(torch.eye(4)[None], torch.eye(4)[None], ((4, 3),))
