import pytest

from resnet_tutorial import ARCHITECTURES, InputError, get_architecture


def test_the_table_has_the_eleven_networks():
    assert [a.title for a in ARCHITECTURES.values()] == [
        f"ResNet-{depth}" for depth in (18, 34, 50, 101, 152, 20, 32, 44, 56, 110, 1202)
    ]
    assert all(name == f"resnet{arch.depth}" for name, arch in ARCHITECTURES.items())


def test_output_sizes_of_both_families():
    assert get_architecture("resnet50").output_sizes() == (32, 32, 16, 8, 4)
    assert get_architecture("resnet110").output_sizes() == (32, 32, 16, 8)
    assert get_architecture("resnet20").output_sizes(33) == (33, 33, 17, 9)


@pytest.mark.parametrize("name", ["ResNet18", "resnet-18", "RESNET_18"])
def test_other_spellings(name):
    assert get_architecture(name) is ARCHITECTURES["resnet18"]


@pytest.mark.parametrize(
    ("wrong", "near"), [("resnet21", "resnet20"), ("ResNt18", "resnet18"), ("resnet1201", "resnet1202")]
)
def test_wrong_name_suggests_the_nearest(wrong, near):
    with pytest.raises(InputError, match=f"did you mean {near}"):
        get_architecture(wrong)
