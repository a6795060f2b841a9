"""Checks every answer of the system as it comes over the wire, before the client sees it."""

import json
from pathlib import Path
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

HERE = Path(__file__).parent

# `_type` is an ordinary member of these, after the deprecated one that says the same.
PLAIN_TYPES = ("activityType", "entityType")


def members(pairs):
    """An object as it was written: no member twice, and a discriminator at its end."""
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f"a member occurs twice in {names}"
    if "_type" in names and names[-1] != "_type":
        before = names[names.index("_type") - 1]
        assert before in PLAIN_TYPES, f"_type is not the last of {names}"
    return dict(pairs)


class Answers:
    """A hook for `requests`."""

    def __init__(self):
        schemas = [json.loads(path.read_text()) for path in sorted((HERE / "schemas").glob("*.json"))]
        for schema in schemas:
            Draft202012Validator.check_schema(schema)
        self._registry = Registry().with_resources(
            (schema["$id"], Resource.from_contents(schema)) for schema in schemas
        )
        operations = json.loads((HERE / "operations.json").read_text())
        self._operations = {tuple(name.split(" ")): bodies for name, bodies in operations.items()}
        self._validators = {}
        self.seen = set()

    def _operation(self, method, path):
        """The operation with the most literal segments, as the system has to choose it."""
        given = path.split("/")
        found = []
        for name, template in self._operations:
            wanted = template.split("/")
            if name == method and len(wanted) == len(given):
                literal = [segment == have for segment, have in zip(wanted, given)]
                if all(same or segment.startswith("{") for same, segment in zip(literal, wanted)):
                    found.append((sum(literal), (name, template)))
        assert found, f"{method} {path} is no operation"
        return max(found)[1]

    def _schema(self, reference):
        if reference not in self._validators:
            self._validators[reference] = Draft202012Validator({"$ref": reference}, registry=self._registry)
        return self._validators[reference]

    def check(self, response, *_args, **_kwargs):
        request = response.request
        operation = self._operation(request.method, urlsplit(request.url).path)
        told = f"{request.method} {request.path_url} -> {response.status_code} {response.text}"
        bodies = self._operations[operation]
        if response.status_code >= 400:
            reference = "common.json#/$defs/Error"
        else:
            assert str(response.status_code) in bodies, f"not a documented status: {told}"
            reference = bodies[str(response.status_code)]
        if reference is None:
            assert response.content == b"", f"there should be no body: {told}"
        else:
            assert response.headers["content-type"] == "application/json", f"{response.headers}: {told}"
            body = json.loads(response.text, object_pairs_hook=members)
            errors = [f"{error.json_path}: {error.message}" for error in self._schema(reference).iter_errors(body)]
            assert not errors, "\n".join([f"{reference} is violated: {told}", *errors])
        self.seen.add((*operation, response.status_code))
        return response
