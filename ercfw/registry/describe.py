"""Describe a part from its class: its place in the source, constructor parameters, options and docstrings."""

import inspect
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from ercfw.registry.catalog import KINDS, Component
from ercfw.registry.options import options_model
from ercfw.registry.torch_parts import meanings_of, torch_base
from ercfw.registry.wiring import positional

RANGES = {
    "minimum": "at least {}", "exclusiveMinimum": "above {}", "maximum": "at most {}", "exclusiveMaximum": "below {}",
    "minLength": "at least {} letters", "maxLength": "at most {} letters", "minItems": "at least {} entries",
    "maxItems": "at most {} entries", "pattern": "of the form {}",
}  # fmt: skip
NAMES = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false",
         "array": "a list", "object": "a table", "null": "nothing"}  # fmt: skip
DOCUMENTED_METHODS = ("forward", "extract", "read", "split")
"""Methods whose docstrings describe the shapes."""


@dataclass(frozen=True)
class Option:
    """One option of a part.

    Attributes:
        name: the key in the recipe.
        may_be: its type and range, in words.
        default: the default as a recipe would write it; None = the option is required.
        meaning: its description in the docstring of the class.
    """

    name: str
    may_be: str
    default: str | None
    meaning: str

    def __str__(self) -> str:
        default = "must be given" if self.default is None else f"{self.default} by default"
        meaning = f"\n{textwrap.indent(self.meaning, '    ')}" if self.meaning else ""
        return f"{self.name}: {self.may_be}; {default}{meaning}"


@dataclass(frozen=True)
class Description:
    """The description of a part, for people and programs.

    Attributes:
        plugin: the plugin that offers it.
        file: the file and line of its class.
        constructor: the positional parameters, which the core passes.
        options: the options that a recipe may set.
        docstring: the docstring without its section of options.
        shapes: the docstring of the method that the core calls.
    """

    kind: str
    name: str
    plugin: str
    file: str
    constructor: tuple[str, ...]
    options: tuple[Option, ...]
    docstring: str
    shapes: str

    def __str__(self) -> str:
        options = textwrap.indent("\n".join(map(str, self.options)), "  ")
        parts = [
            f"{self.kind} {self.name}, from plugin {self.plugin}",
            self.file,
            f"constructed with ({', '.join([*self.constructor, '*, options'])})" if self.constructor or options else "",
            self.docstring,
            f"options:\n{options}" if options else "no options",
            self.shapes,
        ]
        return "\n\n".join(part for part in parts if part)


def describe_part(component: Component) -> Description:
    """Return the description of a part, read from its class."""
    factory = component.factory
    is_class = KINDS[component.kind][1] is not None
    docstring, meanings = _split(inspect.getdoc(factory) or "")
    base = torch_base(factory)
    if base is not None:
        docstring, meanings = _of_torch(factory, docstring), {**meanings_of(inspect.getdoc(factory) or ""), **meanings}
    return Description(
        kind=component.kind,
        name=component.name,
        plugin=component.plugin,
        file=_place_of(factory),
        constructor=(() if base else tuple(positional(factory))) if is_class else (),
        options=_options(factory, meanings) if is_class else (),
        docstring=docstring,
        shapes=_shapes(factory) if is_class else "",
    )


def _place_of(factory: Any) -> str:
    """Return the file and line of a class or function."""
    path = Path(inspect.getsourcefile(factory) or "")
    try:
        return f"{path}, line {inspect.getsourcelines(factory)[1]}"
    except OSError:  # torch sets the module of some classes to the one that exports them
        return f"{path}, line 1"


def _of_torch(factory: Any, docstring: str) -> str:
    """Return the docstring of an optimiser or schedule; of torch's own only the beginning, which has no formulas."""
    if not factory.__module__.startswith("torch."):
        return docstring.partition("\nArgs:\n")[0].strip()
    first = docstring.partition("\n\n")[0].strip()
    return f"{first}\n\nThis is torch.optim's class {factory.__qualname__}; its documentation has the formulas."


def summary(component: Component) -> str:
    """Return the first sentence of a part's docstring."""
    first = " ".join((inspect.getdoc(component.factory) or "").partition("\n\n")[0].split())
    return re.split(r"(?<=\w)\. |[.:]+$", first.replace("`", ""))[0]


def _shapes(factory: Any) -> str:
    """Return the docstring of the method that the core calls, from the class or its base class."""
    for name in DOCUMENTED_METHODS:
        method = getattr(factory, name, None)
        if method is not None and inspect.getdoc(method):
            return f"{name}:\n{textwrap.indent(inspect.getdoc(method) or '', '  ')}"
    return ""


def _split(docstring: str) -> tuple[str, dict[str, str]]:
    """Return a docstring without its section of options, and the description of each option."""
    before, _, rest = f"{docstring}\n".partition("\nOptions:\n")
    section = re.match(r"(?: .*\n|\n(?= ))*", rest)
    entries = textwrap.dedent(section[0] if section else "")
    found = re.findall(r"^(\w+): (.*(?:\n .*)*)", entries, re.MULTILINE)
    without_options = before + (rest[section.end() :] if section else "")
    return without_options.strip(), {name: " ".join(text.split()) for name, text in found}


def _options(factory: Any, meanings: dict[str, str]) -> tuple[Option, ...]:
    model = options_model(factory)
    schema = model.model_json_schema()
    properties, definitions = schema["properties"] if model.model_fields else {}, schema.get("$defs", {})
    return tuple(
        Option(name, _in_words(properties[name], definitions), _default(field), meanings.get(name, ""))
        for name, field in model.model_fields.items()
    )


def _default(field: FieldInfo) -> str | None:
    if field.is_required():
        return None
    return _written(to_jsonable_python(field.get_default(call_default_factory=True)))


def _written(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{tomlkit.key(key).as_string()} = {_written(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return "nothing" if value is None else str(tomlkit.item(value).as_string())


def _in_words(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return a JSON schema as a phrase."""
    if "$ref" in schema:
        return _in_words(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_in_words(choice, definitions) for choice in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return " or ".join(f'"{value}"' for value in schema.get("enum", [schema.get("const")]))
    if "properties" in schema:
        keys = (f"{name}: {_in_words(of, definitions)}" for name, of in schema["properties"].items())
        return f"a table ({'; '.join(keys)})"
    words = NAMES.get(schema.get("type", ""), "anything")
    if schema.get("format") == "path":
        words = "a path"
    of = schema.get("items") or schema.get("additionalProperties")
    if isinstance(of, dict) and of:
        words += f" of {_in_words(of, definitions)}"
    ranges = [form.format(schema[key]) for key, form in RANGES.items() if key in schema]
    return " ".join([words, *([", ".join(ranges)] if ranges else [])])
