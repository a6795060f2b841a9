"""The published client, and what its answers are held against.

It is as it is installed; only `base_url` is set, retries are off, and its HTTP session has a hook that looks at the
answers. Takes HANDOFF_URL and HANDOFF_API_KEY.
"""

import logging
import os

import dixa.api.v1 as resources
from answers import Answers
from dixa import Dixa
from dixa.api import DixaResource
from dixa.exceptions import DixaHTTPError
from requests import Session

URL = os.environ["HANDOFF_URL"]
# An id that nothing has.
NOBODY = "00000000-0000-4000-8000-000000000000"


class Called:
    """A resource that notes which of its methods were called."""

    calls = set()

    def __init__(self, resource):
        self._resource = resource

    def __getattr__(self, name):
        self.calls.add(f"{type(self._resource).__name__}.{name}")
        return getattr(self._resource, name)


ANSWERS = Answers()
SESSION = Session()
# A proxy of the machine is not asked for an address of the machine.
SESSION.trust_env = False
SESSION.hooks["response"].append(ANSWERS.check)
DixaResource.base_url = URL
SILENT = logging.getLogger("client")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False
DIXA = Dixa(os.environ["HANDOFF_API_KEY"], max_retries=0, session=SESSION, logger=SILENT)
# What has no method of its own in the client goes through the client's own requests.
RAW = DIXA.client

AGENTS = Called(DIXA.v1.Agent)
END_USERS = Called(DIXA.v1.EndUser)
QUEUES = Called(DIXA.v1.Queue)
TAGS = Called(DIXA.v1.Tag)
TEAMS = Called(DIXA.v1.Team)
ENDPOINTS = Called(DIXA.v1.ContactEndpoint)
ATTRIBUTES = Called(resources.CustomAttributeResource(RAW))
CONVERSATIONS = Called(DIXA.v1.Conversation)


def same(given, wanted):
    assert given == wanted, f"{given!r} is not {wanted!r}"


def refused(message, call, *arguments):
    """Asserts that the call fails with the documented words."""
    try:
        call(*arguments)
    except DixaHTTPError as error:
        assert message in str(error), f"{error} does not say {message!r}"
    else:
        raise AssertionError(f"not refused: {message}")


def ids(entities):
    return {entity["id"] for entity in entities}


def text(value):
    return {"value": value, "_type": "Text"}


def inbound(value, **more):
    return {"content": text(value), "attachments": [], **more, "_type": "Inbound"}


def outbound(value, agent, **more):
    return {"content": {"value": value, "_type": "Html"}, "agentId": agent, **more, "_type": "Outbound"}
