"""A contract for import-linter: a room is entered through its door, its own `__init__`."""

from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

Broken = list[tuple[str, str, int | None]]


class DoorsOnly(Contract):
    """Modules outside a room import the room itself, and no module behind its door.

    `rooms` are packages; `ignore` lists imports (``importer -> imported``) that may go past a door.
    """

    rooms = fields.ListField(subfield=fields.StringField())
    ignore = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Return the imports that go past a door."""
        ignored = set(cast("list[str]", self.ignore or []))
        rooms = cast("list[str]", self.rooms)
        broken: Broken = []
        for room in rooms:
            for behind in sorted(graph.find_descendants(room)):
                for importer in sorted(graph.find_modules_that_directly_import(behind)):
                    if importer == room or importer.startswith(f"{room}."):
                        continue
                    if f"{importer} -> {behind}" in ignored:
                        continue
                    details = graph.get_import_details(importer=importer, imported=behind)
                    line = details[0]["line_number"] if details else None
                    broken.append((importer, behind, line))
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each such import."""
        for importer, behind, line in check.metadata["broken"]:
            output.print_error(f"{importer}:{line} imports {behind}: import it from its room")
