"""Conversations from their beginning to their end."""

from client import ATTRIBUTES, CONVERSATIONS, END_USERS, NOBODY, QUEUES, RAW, TAGS, URL
from client import ids, inbound, outbound, refused, same, text
from dixa.exceptions import DixaAPIError, DixaHTTPError


def create_each_variant(user, agent, queue):
    """The five ways to begin a conversation, inbound and outbound. Returns their ids by variant."""
    widget = {
        "widgetId": NOBODY,
        "browserInfo": {
            "name": "Firefox",
            "version": "99",
            "ipAddress": "127.0.0.1",
            "originatingUrl": "https://shop.client.example/",
        },
        "language": "en",
    }
    mail = {"emailIntegrationId": "shop@client.example", "subject": "Order 4711", "language": "en"}
    bodies = [
        (
            "PstnPhoneConversation",
            {"direction": "Inbound", "contactEndpointId": "+4533003300", "queueId": queue, "_type": "Callback"},
        ),
        ("ChatConversation", {**widget, "message": inbound("Where is my zeppelin?"), "_type": "Chat"}),
        ("ContactFormConversation", {**mail, "message": inbound("A form about a zeppelin"), "_type": "ContactForm"}),
        ("EmailConversation", {**mail, "message": inbound("A mail about a zeppelin"), "_type": "Email"}),
        (
            "SmsConversation",
            {"contactEndpointId": "+4533003300", "message": outbound("It flies", agent), "_type": "Sms"},
        ),
        (
            "EmailConversation",
            {
                **mail,
                "message": outbound("It <b>flies</b>", agent, cc=["a@client.example"], bcc=[]),
                "_type": "Email",
            },
        ),
    ]
    made = {}
    for kind, body in bodies:
        answer = CONVERSATIONS.create({"requesterId": user, **body})
        shown = CONVERSATIONS.get(answer["id"])
        same((shown["_type"], shown["requesterId"], shown["state"]), (kind, user, "Open"))
        made.setdefault(kind, answer["id"])
    for kind, body in bodies:
        broken = {"requesterId": user, **body}
        del broken["_type"]
        refused("_type is required", CONVERSATIONS.create, broken)
        refused("could not be found", CONVERSATIONS.create, {**body, "requesterId": NOBODY})
    refused("requesterId is required", CONVERSATIONS.create, bodies[1][1])
    return made


def write(conversations, agent):
    chat, mail = conversations["ChatConversation"], conversations["EmailConversation"]
    for conversation in (chat, mail):
        html = CONVERSATIONS.add_message(
            conversation, outbound("It is <i>delayed</i>", agent, externalId=f"out-{conversation}")
        )
        same((html["authorId"], html["content"]["_type"]), (agent, "Html"))
        CONVERSATIONS.add_message(conversation, inbound("Thanks", externalId=f"in-{conversation}"))
        refused(
            "Duplicate externalId",
            CONVERSATIONS.add_message,
            conversation,
            inbound("Thanks", externalId=f"in-{conversation}"),
        )
        messages = CONVERSATIONS.list_messages(conversation)
        same([message["attributes"]["direction"] for message in messages], ["Inbound", "Outbound", "Inbound"])
    refused(
        "Unsupported ConversationChannel",
        CONVERSATIONS.add_message,
        conversations["PstnPhoneConversation"],
        inbound("Hello?"),
    )
    refused("_type is required", CONVERSATIONS.add_message, chat, {"content": text("a")})

    note = CONVERSATIONS.add_internal_note(
        chat, {"message": "A note", "agentId": agent, "createdAt": "2021-12-01T12:46:36.581Z[GMT]"}
    )
    same((note["csid"], note["authorId"]), (chat, agent))
    notes = CONVERSATIONS.add_internal_notes(
        chat, [{"message": "Another"}, {"message": "x", "agentId": NOBODY}, {"message": "A third"}]
    )
    same([outcome["_type"] for outcome in notes], ["BulkActionSuccess", "BulkActionFailure", "BulkActionSuccess"])
    same([note["message"] for note in CONVERSATIONS.list_internal_notes(chat)], ["A note", "Another", "A third"])
    refused("Agent was not found", CONVERSATIONS.add_internal_note, chat, {"message": "x", "agentId": NOBODY})


def tag(conversation):
    blue = TAGS.create({"name": "client", "color": "#0000ff"})
    same(TAGS.create({"name": "client"}), blue)
    CONVERSATIONS.tag(conversation, blue["id"])
    CONVERSATIONS.tag(conversation, blue["id"])
    same(CONVERSATIONS.list_tags(conversation), [blue])
    TAGS.deactivate(blue["id"])
    same(TAGS.get(blue["id"])["state"], "Inactive")
    CONVERSATIONS.untag(conversation, blue["id"])
    same(CONVERSATIONS.list_tags(conversation), [])
    refused("active tags", CONVERSATIONS.tag, conversation, blue["id"])
    TAGS.activate(blue["id"])
    assert blue in TAGS.list_()
    CONVERSATIONS.tag(conversation, blue["id"])
    refused("could not be found", CONVERSATIONS.tag, conversation, NOBODY)
    RAW.post(
        f"{URL}/v1/conversations/{conversation}/tags/bulk", {"data": [{"name": "client-made"}, {"name": "client"}]}
    )
    same({tag["name"] for tag in CONVERSATIONS.list_tags(conversation)}, {"client", "client-made"})
    made = next(tag for tag in TAGS.list_() if tag["name"] == "client-made")
    RAW.delete(f"{URL}/v1/tags/{made['id']}")
    same(CONVERSATIONS.list_tags(conversation), [blue])


def attributes(conversation):
    option = {
        "label": "Air",
        "value": "air",
        "nestedOptions": [{"label": "Zeppelin", "value": "zeppelin", "nestedOptions": []}],
    }
    definition = {
        "entityType": "Conversation",
        "identifier": "client_kind",
        "label": "Kind",
        "description": "What it is about",
        "inputDefinition": {"options": [option], "_type": "Select"},
    }
    definition = RAW.post(f"{URL}/v1/custom-attributes", definition)
    path = f"{URL}/v1/custom-attributes/{definition['id']}"
    same(RAW.patch(path, {"label": "Vehicle"})["label"], "Vehicle")
    same(RAW.get(path)["inputDefinition"]["options"][0]["nestedOptions"][0]["value"], "zeppelin")
    assert definition["id"] in ids(ATTRIBUTES.list())
    try:
        CONVERSATIONS.patch_conversation_custom_attributes(conversation, {definition["id"]: ["air", "zeppelin"]})
    except DixaAPIError as error:
        # The client expects an object of what is documented as a list, but only after the fact.
        same(str(error), "Expected dict, got list")
    else:
        raise AssertionError("the client has learned to read the list: remove the exception")
    same([a["value"] for a in CONVERSATIONS.get(conversation)["customAttributes"]], [["air", "zeppelin"]])
    refused(
        "Invalid input for patching", CONVERSATIONS.patch_conversation_custom_attributes, conversation, {NOBODY: "a"}
    )


def move(conversation, agent, other, queue):
    """Claim, transfer, close, reopen and what follows; then the log of it."""

    def state():
        shown = CONVERSATIONS.get(conversation)
        return shown["state"], shown.get("assignment", {}).get("agentId"), shown.get("queue", {}).get("id")

    first = state()[2]
    CONVERSATIONS.claim(conversation, {"agentId": agent, "force": False})
    same(state(), ("Open", agent, first))
    refused(agent, CONVERSATIONS.claim, conversation, {"agentId": other, "force": False})
    CONVERSATIONS.claim(conversation, {"agentId": other})
    same(state()[1], other)
    CONVERSATIONS.transfer(conversation, {"queueId": queue, "userId": agent})
    same(state(), ("Open", None, queue))
    refused("Queue does not exist", CONVERSATIONS.transfer, conversation, {"queueId": NOBODY})
    CONVERSATIONS.close(conversation, {"userId": agent})
    same(state()[0], "Closed")
    CONVERSATIONS.close(conversation, {})
    CONVERSATIONS.reopen(conversation, {})
    same(state(), ("Open", None, queue))
    refused("User not found", CONVERSATIONS.close, conversation, {"userId": NOBODY})
    RAW.put(f"{URL}/v1/conversations/{conversation}/followup", {"timestamp": "2999-01-01T00:00:00Z"})
    same(state()[0], "Pending")
    CONVERSATIONS.add_message(conversation, inbound("Hello?"))

    log = CONVERSATIONS.list_activity_logs(conversation)
    kinds = {entry["_type"] for entry in log}
    wanted = {
        "ConversationCreatedByCustomer",
        "MessageAddedByCustomer",
        "MessageAddedByAgent",
        "NoteAdded",
        "TagAdded",
        "TagRemoved",
        "ConversationClaimed",
        "TransferInitiated",
        "TransferSuccessful",
        "ConversationClosed",
        "ConversationReopened",
        "FollowupAdded",
        "ConversationPending",
    }
    assert wanted <= kinds, f"{wanted - kinds} are missing in {kinds}"
    # The client asks for the log of an organization by the path of one conversation.
    same(CONVERSATIONS.list_organization_activity_log(conversation), log)
    everything = RAW.paginate(f"{URL}/v1/conversations/activitylog?pageLimit=20")
    assert ids(log) <= ids(everything), "the log of the organization has the entries of its conversations"
    path = f"{URL}/v1/conversations/activitylog"
    same(RAW.paginate(path, {"fromDatetime": "2999-01-01T00:00:00Z"}), [])
    refused("query parameter fromDatetime", RAW.paginate, path, {"fromDatetime": "soon"})


def relatives(conversations, user, agent):
    """Links, flows, imports, an end user's conversations."""
    parent, child = conversations["ChatConversation"], conversations["EmailConversation"]
    RAW.put(f"{URL}/v1/conversations/{child}/link", {"parentId": parent, "linkType": "SideConversation"})
    linked = CONVERSATIONS.list_linked_conversations(parent)
    same([(c["id"], c["link"]["parentId"]) for c in linked], [(child, parent)])

    flow = {
        "name": "Client flow",
        "channel": "Email",
        "contactEndpointId": "flow@client.example",
        "queueId": QUEUES.list_()[0]["id"],
    }
    flow = RAW.post(f"{URL}/v1/conversations/flows", flow)
    assert flow in RAW.paginate(f"{URL}/v1/conversations/flows", {"channel": "Email"})
    assert flow not in RAW.paginate(f"{URL}/v1/conversations/flows")
    refused("path parameter conversationId", CONVERSATIONS.get, "flow")

    message = {
        "content": text("An old zeppelin"),
        "attachments": [],
        "createdAt": "2021-12-01T13:00:00.003Z",
        "_type": "InboundImport",
    }
    body = {
        "genericChannelName": "MyCustomChat",
        "requesterId": user,
        "requesterConnectionStatus": "Connected",
        "direction": "Inbound",
        "messages": [message, {}],
        "createdAt": "2021-12-01T11:00:00.001Z",
        "assignment": {"agentId": agent, "assignedAt": "2021-12-01T12:00:00.002Z"},
        "_type": "GenericConversationImport",
    }
    imported = RAW.post(f"{URL}/v1/conversations/import", body)
    same(len(imported["partialErrors"]), 1)
    same(CONVERSATIONS.get(imported["id"])["_type"], "GenericConversation")
    same(CONVERSATIONS.list_messages(imported["id"])[0]["attributes"]["_type"], "GenericAttributes")

    # The client shows only the first of them.
    same(END_USERS.list_conversations(user)["requesterId"], user)
    listed = RAW.paginate(f"{URL}/v1/endusers/{user}/conversations?pageLimit=2")
    assert set(conversations.values()) | {imported["id"]} <= ids(listed)
    assert not any("customAttributes" in conversation for conversation in listed)
    return ids(listed)


def anonymize(conversations, user):
    """Of a message, a conversation and an end user; each has to be closed before."""
    mail, chat = conversations["EmailConversation"], conversations["ChatConversation"]
    message = CONVERSATIONS.list_messages(mail)[0]["id"]
    for call, arguments in [
        (CONVERSATIONS.anonymize, (chat,)),
        (CONVERSATIONS.anonymize_message, (mail, message)),
        (END_USERS.anonymize, (user,)),
    ]:
        try:
            call(*arguments)
        except DixaHTTPError as error:
            same(error.__cause__.response.status_code, 409)
        else:
            raise AssertionError("what is open can't be anonymized")
    CONVERSATIONS.close(mail, {})
    asked = CONVERSATIONS.anonymize_message(mail, message)
    same((asked["_type"], asked["targetEntityId"]), ("Message", f"{mail}_{message}"))
    CONVERSATIONS.close(chat, {})
    asked = CONVERSATIONS.anonymize(chat)
    same((asked["_type"], asked["targetEntityId"]), ("Conversation", str(chat)))
    for conversation in ids(RAW.paginate(f"{URL}/v1/endusers/{user}/conversations")):
        CONVERSATIONS.close(conversation, {})
    asked = END_USERS.anonymize(user)
    same((asked["_type"], asked["targetEntityId"]), ("User", user))
    same(RAW.get(f"{URL}/v1/anonymization/request/{asked['id']}")["id"], asked["id"])


def search(conversations, of_the_user):
    hits = CONVERSATIONS.search({"query": {"value": "zeppelin", "exactMatch": False}})
    assert ids(hits) <= of_the_user and len(hits) >= 3, f"{hits}"
    field = {"operator": {"values": ["email"], "_type": "IsOneOf"}, "_type": "Channel"}
    mails = {
        "query": {"value": "mail about a zeppelin", "exactMatch": True},
        "filters": {"strategy": "All", "conditions": [{"field": field}]},
    }
    same(ids(CONVERSATIONS.search(mails)), {conversations["EmailConversation"]})
    field = {"operator": {"values": [], "_type": "Between"}, "_type": "TagId"}
    refused("body", CONVERSATIONS.search, {"filters": {"strategy": "All", "conditions": [{"field": field}]}})

    found = RAW.paginate(f"{URL}/v1/search/conversations", {"query": "zeppelin", "pageLimit": 2})
    assert ids(hits) == ids(found) and len(found) == len(hits)
    inner = found[0]["innerHits"][0]
    assert '<em class="highlight">zeppelin</em>' in inner["highlight"]["text"], f"{inner}"
    refused("query parameter query", RAW.get, f"{URL}/v1/search/conversations")
