"""Names of photos and folders that somebody made to be taken for something else."""

from recon.cli import explain
from recon.errors import InputError


def test_a_name_cannot_steer_the_terminal_nor_make_two_lines_of_a_sentence():
    message, _ = explain(InputError("a\x1b]0;owned\x07\nb\u202e\ud800.png does not exist; check it."))
    assert message == "a\\x1b]0;owned\\x07\\nb\\u202e\\ud800.png does not exist; check it."
    assert message.encode() and explain(InputError("Über-Größe – 写真.png."))[0] == "Über-Größe – 写真.png."
