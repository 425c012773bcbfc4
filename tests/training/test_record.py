import json

import pytest

from resnet_tutorial import InputError
from resnet_tutorial.training import describe_machine, read_record
from tests.test_readme import RECORDS


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda values: "{", "no readable run record"),
        (lambda values: "[]", "no run record of schema 1"),
        (lambda values: json.dumps({**values, "schema": 2}), "no run record of schema 1"),
        (
            lambda values: json.dumps({k: v for k, v in values.items() if k != "seed"}),
            "no whole run record: check seed",
        ),
    ],
)
def test_damaged_records_are_refused(tmp_path, damage, message):
    values = json.loads(RECORDS[0].read_text())
    (tmp_path / "record.json").write_text(damage(values))
    with pytest.raises(InputError, match=message):
        read_record(tmp_path / "record.json")


def test_a_record_survives_its_file(tmp_path):
    record = read_record(RECORDS[0])
    record.write(tmp_path / "again.json")
    assert read_record(tmp_path / "again.json") == record
    assert record.seconds == pytest.approx(sum(row["seconds"] for row in record.history))


def test_the_machine_is_described_in_plain_values():
    values = describe_machine()
    assert json.loads(json.dumps(values)) == values and values["cores"] >= 1
    assert not {"host", "hostname", "user", "node"} & values.keys()
