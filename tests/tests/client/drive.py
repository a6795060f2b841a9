"""Drives the system with a published client of the original API, which knows nothing of it but its address."""

import inspect

import conversations
import dixa.api.v1 as resources
import directory
from client import ANSWERS, Called, same

# What the client can't be asked to do, and why.
EXCEPTED = {
    # Asks for /conversations/{id}/flows; the documented path is /conversations/flows.
    "ConversationResource.list_flows",
    # Ratings are no part of this surface.
    "ConversationResource.list_rating",
}


def main():
    agent, other = directory.agents()
    user = directory.end_users()
    queue, second = directory.directory(agent, other)
    made = conversations.create_each_variant(user, agent, queue)
    conversations.write(made, agent)
    conversations.tag(made["ChatConversation"])
    conversations.attributes(made["ChatConversation"])
    conversations.move(made["ChatConversation"], agent, other, second)
    of_the_user = conversations.relatives(made, user, agent)
    conversations.search(made, of_the_user)
    conversations.anonymize(made, user)

    missing = set()
    for name in ("Agent", "ContactEndpoint", "Conversation", "CustomAttribute", "EndUser", "Queue", "Tag", "Team"):
        kind = getattr(resources, f"{name}Resource")
        methods = inspect.getmembers(kind, inspect.isfunction)
        missing |= {f"{kind.__name__}.{method}" for method, _ in methods if not method.startswith("_")}
    same(missing - Called.calls, EXCEPTED)
    print(f"{len(ANSWERS.seen)} kinds of answers are as documented")


main()
