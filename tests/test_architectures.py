import pytest

from resnet_tutorial import ARCHITECTURES, InputError, get_architecture


def test_every_name_of_the_table_says_what_the_network_is():
    for name, arch in ARCHITECTURES.items():
        assert name == f"{arch.kind}{arch.depth}"
    assert [a.depth for a in ARCHITECTURES.values() if a.kind == "resnet"] == [
        *(18, 34, 50, 101, 152),
        *(20, 32, 44, 56, 110, 1202, 164, 1001),
    ]


def test_output_sizes_of_both_families():
    assert get_architecture("resnet50").output_sizes() == (32, 32, 16, 8, 4)
    assert get_architecture("resnet110").output_sizes() == (32, 32, 16, 8)
    assert get_architecture("resnet20").output_sizes(33) == (33, 33, 17, 9)


@pytest.mark.parametrize("name", ["ResNet18", "resnet-18", "RESNET_18"])
def test_other_spellings(name):
    assert get_architecture(name) is ARCHITECTURES["resnet18"]


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("resnet21", "resnet20"),
        ("ResNt18", "resnet18"),
        ("resnt8", "resnet8"),
        ("plian21", "plain20"),
        ("resnet1201", "resnet1202"),
    ],
)
def test_wrong_name_suggests_the_nearest(wrong, near):
    with pytest.raises(InputError, match=f"did you mean {near}"):
        get_architecture(wrong)
