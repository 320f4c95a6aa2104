"""docs/commands.md is what the matrix has measured, and nothing else."""

from tests.engine.commands import COMMANDS
from tests.engine.commands_table import PAGE, page, recorded


def test_the_page_is_made_of_the_records():
    assert recorded()
    assert PAGE.read_text() == page(recorded()), "python -m tests.engine.commands_table"


def test_no_record_tells_of_a_lost_request_or_of_a_command_that_is_gone():
    for case, rows in recorded().items():
        assert set(rows) <= set(COMMANDS), case
        for command, row in rows.items():
            assert row["failed"] == 0, (case, command)
            assert row["exit"] == int(COMMANDS[command].refused), (case, command)


def test_what_nobody_has_measured_is_said_to_be_so():
    assert page({"rolling-Healthy": {}}).count("not measured") == len(COMMANDS)
