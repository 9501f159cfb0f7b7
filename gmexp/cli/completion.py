"""Completion in the shell: `gmexp -sc install=bash` prints what to evaluate, `uninstall=bash` what undoes it.

Verbs, flags, keys, files of groups and their keys, true and false are completed; what is a path is left to the shell.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmexp.cli import flags
from gmexp.cli.help import verb_keys
from gmexp.support.conf import choices
from gmexp.support.errors import UserError

__all__ = ["completion"]

INSTALL = {
    "bash": """_gmexp() {
    local IFS=$'\\n'
    COMPREPLY=($(COMP_LINE="${COMP_LINE}" COMP_POINT="${COMP_POINT}" gmexp --shell-completion query=bash 2>/dev/null))
    [[ ${COMPREPLY[0]} == *[=./] ]] && compopt -o nospace 2>/dev/null
    return 0
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o default -F _gmexp gmexp
""",
    "zsh": """autoload -Uz compinit && compinit
_gmexp() {
    local -a found
    found=("${(@f)$(COMP_LINE="${BUFFER[1,CURSOR]}" COMP_POINT="${CURSOR}" gmexp --shell-completion query=zsh 2>/dev/null)}")
    compadd -S '' -- ${(M)found:#*[=/]}
    compadd -- ${${found:#*[=/]}:#}
    [[ -n "$found" ]]
}
compdef _gmexp gmexp
""",
    "fish": """function _gmexp
    set -lx COMP_LINE (commandline -cp)
    gmexp --shell-completion query=fish 2>/dev/null
end
complete -c gmexp -f -a '(_gmexp)'
""",
}
UNINSTALL = {
    "bash": "complete -r gmexp; unset -f _gmexp\n",
    "zsh": "compdef -d gmexp; unfunction _gmexp\n",
    "fish": "complete -e -c gmexp; functions -e _gmexp\n",
}
TRUTH = ("true", "false")


def completion(arguments: Sequence[str], verbs: Mapping[str, Any]) -> int:
    """`gmexp -sc install|uninstall|query=bash|zsh|fish`; `verbs` are those of `cli.main`."""
    action, _, shell = (arguments[0] if arguments else "").partition("=")
    if shell not in INSTALL or action not in ("install", "uninstall", "query"):
        raise UserError(f"-sc {' '.join(arguments)}: give install=SHELL or uninstall=SHELL, of {', '.join(INSTALL)}; then "
                        'eval "$(gmexp -sc install=bash)"')
    if action != "query":
        print((INSTALL if action == "install" else UNINSTALL)[shell], end="")
        return 0
    point = os.environ.get("COMP_POINT", "")
    line = os.environ.get("COMP_LINE", "")
    for word in _completions(line[:int(point)] if point.isdigit() else line, verbs):
        print(word)
    return 0


def _completions(line: str, verbs: Mapping[str, Any]) -> list[str]:
    """What may follow a line up to the cursor: whole words."""
    words = line.split()
    word = "" if line.endswith(" ") or not words else words.pop()
    if len(words) < 2:
        return _beginning(word, [*verbs, "--help", "--version"]) if words else []
    verb, given = words[1], words[2:]
    if verb not in verbs:
        return []
    if given and flags.VALUED.get(given[-1]) == "cfg":
        return _beginning(word, flags.SHOWN)
    if given and given[-1] in flags.INFO and not word.startswith("-"):
        return _beginning(word, flags.TOLD)
    configured = verbs[verb].configured
    if word.startswith("-"):
        known = [*flags.VALUED, *flags.PLAIN, *flags.INFO] if configured else flags.HELP
        return _beginning(word, [flag for flag in known if flag.startswith("--")])
    sign = next((sign for sign in ("++", "+", "~") if word.startswith(sign)), "")
    key, separator, start = word.removeprefix(sign).partition("=")
    if separator:
        return [f"{sign}{key}={value}" for value in _values(verb, verbs[verb], given, key, start)]
    if not configured and not given and (kinds := _kinds(verbs[verb])):
        return _beginning(word, kinds)
    names = [key.name for key in verb_keys(verb, given)] if configured else [o.key for o in _options(verbs[verb], given)]
    return [f"{sign}{name}" + ("" if sign == "~" else "=") for name in names if name.startswith(key)]


def _beginning(start: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(start)]


def _values(name: str, verb: Any, given: Sequence[str], key: str, start: str) -> Iterator[str]:
    """What may be the value of a key: files of a group, the words of an option, true and false."""
    if verb.configured:
        kinds = {known.name: known.kind for known in verb_keys(name, given)}
        words: Sequence[str] = choices(key) or (TRUTH if kinds.get(key) == "true or false" else ())
        if kinds.get(key) == "file" and ("/" in start or start.startswith((".", "~"))):
            yield from _files(start)
    else:
        expects = next((option.kind.expects for option in _options(verb, given) if option.key == key), "")
        words = expects.removeprefix("one of ").split(", ") if expects.startswith("one of ") else (
            TRUTH if expects == "true or false" else ())
    yield from _beginning(start, words)


def _files(start: str) -> Iterator[str]:
    """The folders and .yaml files that a path may go on to."""
    folder, separator, beginning = start.rpartition("/")
    for path in sorted(Path(os.path.expanduser(folder + separator) or ".").glob(f"{beginning}*")):
        if path.is_dir() or path.suffix in (".yaml", ".yml"):
            yield f"{folder}{separator}{path.name}" + ("/" if path.is_dir() else "")


def _commands(verb: Any) -> list[Any]:
    """The commands that a verb parses its own arguments by: one, or one for each kind (`bench engine`)."""
    from gmexp.cli.options import Command

    own = [value for value in vars(importlib.import_module(verb.module)).values() if isinstance(value, Command)]
    return [command for command in own if command.verb == verb.function] or own


def _kinds(verb: Any) -> list[str]:
    return [command.verb.split()[1] for command in _commands(verb) if " " in command.verb]


def _options(verb: Any, given: Sequence[str]) -> list[Any]:
    """The options of a verb that parses its own arguments, of the kind that was given."""
    commands = _commands(verb)
    chosen = [command for command in commands if given and command.verb.endswith(f" {given[0]}")]
    return [option for command in chosen or commands for option in command.options]
