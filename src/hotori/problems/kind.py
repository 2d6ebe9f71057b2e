"""A kind of problem, declared once as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from string import Formatter


class Language(StrEnum):
    """The languages that a person can read Hotori in."""

    EN = "en"
    JA = "ja"


class Severity(StrEnum):
    """How much of the job stands still."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Words:
    """One text in each language. `{name}` stands for a value that the problem brings along."""

    en: str
    ja: str

    def in_language(self, language: Language) -> str:
        return self.ja if language is Language.JA else self.en

    def fields(self) -> frozenset[str]:
        """The names of the values that either text asks for."""
        texts = (self.en, self.ja)
        return frozenset(name for text in texts for _, name, _, _ in Formatter().parse(text) if name)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a problem before it happens.

    `code` is public and stable (words are not): lower-case words joined by hyphens, the name of its page in
    the documentation. `commands` are lines that a person can run to mend it. `depends_on` names the codes
    that, where they are present too, explain this one: a symptom is then folded into its cause.
    """

    code: str
    title: Words
    cause: Words
    remedy: Words
    commands: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR
    depends_on: tuple[str, ...] = ()

    def fields(self) -> frozenset[str]:
        """Every value that the words or the commands ask for."""
        in_words = self.title.fields() | self.cause.fields() | self.remedy.fields()
        in_commands = (Words(command, command).fields() for command in self.commands)
        return in_words.union(*in_commands)
