"""How a command of a test ended."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The messages that ended it."""
        assert "Traceback" not in self.out + self.err
        return [line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")]

    def check(self, code: int, *expected: str) -> None:
        """It ended so, with a message for each of ``expected``, in any order; ``..`` stands for anything."""
        assert self.code == code, self
        assert len(self.errors) == len(expected), self.errors
        for wanted in expected:
            parts = wanted.split("..")
            assert any(all(part in line for part in parts) for line in self.errors), (wanted, self.errors)
