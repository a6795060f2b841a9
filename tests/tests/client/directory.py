"""The people and things around conversations."""

from client import AGENTS, END_USERS, ENDPOINTS, NOBODY, QUEUES, RAW, TEAMS, URL, ids, refused, same


def agents():
    """Agents, alone and in bulk; one of them leaves. Returns two who stay."""
    dale = AGENTS.create(
        {
            "displayName": "Dale",
            "email": "dale@client.example",
            "firstName": "Dale",
            "middleNames": ["Bartholomew"],
            "lastName": "Cooper",
            "phoneNumber": "+4533001100",
            "additionalEmails": ["coop@client.example"],
            "avatarUrl": "https://cdn.example.com/dale.png",
        }
    )
    many = AGENTS.create_bulk(
        [
            {"displayName": "Harry", "email": "harry@client.example"},
            {"displayName": "Dale again", "email": "dale@client.example"},
            {"displayName": "Andy", "email": "andy@client.example"},
        ]
    )
    same([outcome["_type"] for outcome in many], ["BulkActionSuccess", "BulkActionFailure", "BulkActionSuccess"])
    harry, andy = many[0]["data"], many[2]["data"]

    same(AGENTS.get(dale["id"])["middleNames"], ["Bartholomew"])
    same(AGENTS.patch(dale["id"], {"lastName": "Cooper Jr"})["firstName"], "Dale")
    assert "firstName" not in AGENTS.update(andy["id"], {"displayName": "Andy Brennan"})
    outcomes = AGENTS.patch_bulk(
        [{"id": harry["id"], "firstName": "Harry"}, {"id": NOBODY, "firstName": "No"}, {"id": andy["id"]}]
    )
    same([outcome["_type"] for outcome in outcomes], ["BulkActionSuccess", "BulkActionFailure", "BulkActionFailure"])
    same([outcome["error"]["_type"] for outcome in outcomes[1:]], ["NotFound", "EmptyPatchSet"])
    outcomes = AGENTS.update_bulk([{"id": harry["id"], "displayName": "Sheriff"}])
    same(outcomes[0]["data"]["displayName"], "Sheriff")

    AGENTS.delete(andy["id"])
    refused("could not be found", AGENTS.get, andy["id"])
    everybody = AGENTS.list_()
    assert ids([dale, harry]) <= ids(everybody) and andy["id"] not in ids(everybody)
    # The same list in pages of one, by the links alone.
    same(ids(RAW.paginate(f"{URL}/v1/agents?pageLimit=1")), ids(everybody))
    same(ids(AGENTS.list_({"email": "dale@client.example"})), ids([dale]))
    same(ids(AGENTS.list_({"phone": "+4533001100"})), ids([dale]))
    refused("Cannot provide both", AGENTS.list_, {"email": "a@client.example", "phone": "+4533001100"})
    refused("path parameter agentId", AGENTS.get, "7")

    RAW.put(f"{URL}/v1/agents/{dale['id']}/presence/working-channel", {"channel": "Email", "working": True})
    same(AGENTS.get_presence(dale["id"])["activeChannels"], ["Email", "ContactForm"])
    same({presence["userId"] for presence in AGENTS.list_presence()}, ids(everybody))
    return dale["id"], harry["id"]


def end_users():
    laura = END_USERS.create(
        {
            "displayName": "Laura",
            "email": "laura@client.example",
            "phoneNumber": "+4533002200",
            "externalId": "laura-1",
        }
    )
    many = END_USERS.create_bulk([{"email": "bobby@client.example"}, {"email": "laura@client.example"}])
    same([outcome["_type"] for outcome in many], ["BulkActionSuccess", "BulkActionFailure"])
    bobby = many[0]["data"]

    same(END_USERS.get(laura["id"])["externalId"], "laura-1")
    same(END_USERS.patch(laura["id"], {"lastName": "Palmer"})["email"], "laura@client.example")
    same(END_USERS.update(bobby["id"], {"displayName": "Bobby"})["displayName"], "Bobby")
    outcomes = END_USERS.patch_bulk([{"id": bobby["id"], "lastName": "Briggs"}, {"id": NOBODY, "lastName": "No"}])
    same([outcome["_type"] for outcome in outcomes], ["BulkActionSuccess", "BulkActionFailure"])
    outcomes = END_USERS.update_bulk([{"id": bobby["id"], "displayName": "Bob"}])
    same(outcomes[0]["data"]["displayName"], "Bob")
    for query in ({"email": "laura@client.example"}, {"phone": "+4533002200"}, {"externalId": "laura-1"}):
        same(ids(END_USERS.list_(query)), ids([laura]))
    assert ids([laura, bobby]) <= ids(END_USERS.list_())

    definition = {
        "entityType": "Contact",
        "identifier": "client_size",
        "label": "Size",
        "inputDefinition": {"placeholder": "in cm", "_type": "Text"},
        "isRequired": False,
    }
    definition = RAW.post(f"{URL}/v1/custom-attributes", definition)
    patched = END_USERS.patch_end_user_custom_attributes(laura["id"], {definition["id"]: "170"})
    same([attribute["value"] for attribute in patched], ["170"])
    same(END_USERS.get(laura["id"])["customAttributes"][0]["identifier"], "client_size")
    return laura["id"]


def directory(agent, other):
    """Teams, queues, tags and contact endpoints. Returns two queues."""
    team = TEAMS.create({"name": "Client team"})
    TEAMS.add_members(team["id"], {"agentIds": [agent, other]})
    same(ids(TEAMS.list_members(team["id"])), {agent, other})
    same(len(TEAMS.list_presence(team["id"])), 2)
    same(ids(AGENTS.list_teams(agent)), ids([team]))
    TEAMS.remove_members(team["id"], {"agentIds": [other]})
    same(ids(TEAMS.list_members(team["id"])), {agent})
    same(TEAMS.get(team["id"])["name"], "Client team")
    assert team["id"] in ids(TEAMS.list_())
    TEAMS.delete(team["id"])
    refused("could not be found", TEAMS.get, team["id"])

    full = {
        "name": "Client queue",
        "isDefault": False,
        "callFunctionality": False,
        "isDoNotOfferEnabled": True,
        "doNotOfferTimeouts": {"Email": 60},
        "isPreferredAgentEnabled": True,
        "offerAbandonedConversations": True,
        "offerAlgorithm": "LongestIdle",
        "offerTimeout": 30,
        "personalAgentOfflineTimeout": 1,
        "preferredAgentOfflineTimeout": 2,
        "preferredAgentTimeouts": {"Email": 3},
        "priority": 4,
        "queueThresholds": {"SlaTimeLimit": 5},
        "wrapupTimeout": 6,
    }
    queue = QUEUES.create({"request": full})
    same(queue["offeringAlgorithm"], "LongestIdle")
    second = QUEUES.create(
        {"request": {"name": "Second client queue", "isDefault": False, "isDoNotOfferEnabled": False}}
    )
    same(QUEUES.get(queue["id"]), queue)
    assert ids([queue, second]) <= ids(QUEUES.list_())
    outcomes = QUEUES.assign(queue["id"], {"agentIds": [agent, other, NOBODY]})
    same([outcome["_type"] for outcome in outcomes], ["BulkActionSuccess", "BulkActionSuccess", "BulkActionFailure"])
    QUEUES.remove(queue["id"], {"agentIds": [other]})
    same([member["agentId"] for member in QUEUES.list_agents(queue["id"])], [agent])

    email = RAW.post(
        f"{URL}/v1/contact-endpoints", {"address": "shop@client.example", "name": "Shop", "_type": "EmailEndpoint"}
    )
    phone = RAW.post(
        f"{URL}/v1/contact-endpoints",
        {"number": "+4533003300", "functionality": ["Sms", "VoiceInbound"], "_type": "TelephonyEndpoint"},
    )
    same(ENDPOINTS.get("shop@client.example"), email)
    same(ENDPOINTS.get("+4533003300"), phone)
    assert email in ENDPOINTS.list() and phone in ENDPOINTS.list()
    assert email not in ENDPOINTS.list({"_type": "TelephonyEndpoint"})
    refused("neither a valid email nor a valid E.164", ENDPOINTS.get, "shop")
    return queue["id"], second["id"]
