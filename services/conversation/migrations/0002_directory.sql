-- The directory: who conversations are between and what they are sorted by. Every key and index begins with the
-- organization. Numbers for channels and functions are those of directory.proto.

-- A number stands for one person wherever ids are integers; below 2^53, so that JavaScript can hold it.
create sequence conversation.people_numbers as bigint maxvalue 9007199254740991;
create sequence conversation.queue_numbers as bigint maxvalue 9007199254740991;

-- A virtual agent is an agent, too.
create table conversation.people (
    org_id                   uuid        not null,
    id                       uuid        not null,
    number                   bigint      not null default nextval('conversation.people_numbers'),
    is_agent                 boolean     not null,
    is_end_user              boolean     not null,
    is_virtual               boolean     not null,
    agent_roles              text[]      not null default '{}',
    display_name             text,
    email                    text,
    phone_number             text,
    additional_emails        text[]      not null default '{}',
    additional_phone_numbers text[]      not null default '{}',
    first_name               text,
    last_name                text,
    middle_names             text[]      not null default '{}',
    avatar_url               text,
    external_id              text,
    created_at               timestamptz not null default now(),
    anonymized_at            timestamptz,
    primary key (org_id, id),
    check (is_agent or is_end_user),
    check (is_agent or not is_virtual)
);
-- The lists, oldest first.
create unique index people_agents on conversation.people (org_id, number) where is_agent;
create unique index people_end_users on conversation.people (org_id, number) where is_end_user;
-- Look-ups, and what is unique among people of one kind.
create unique index people_agent_email on conversation.people (org_id, lower(email)) where is_agent;
create unique index people_end_user_email on conversation.people (org_id, lower(email)) where is_end_user;
create unique index people_agent_phone on conversation.people (org_id, phone_number) where is_agent;
create unique index people_end_user_phone on conversation.people (org_id, phone_number) where is_end_user;
create unique index people_external_id on conversation.people (org_id, external_id) where is_end_user;

create table conversation.presences (
    org_id          uuid        not null,
    agent_id        uuid        not null,
    working         boolean     not null,
    active_channels smallint[]  not null,
    last_seen       timestamptz not null default now(),
    primary key (org_id, agent_id),
    foreign key (org_id, agent_id) references conversation.people
);

create table conversation.teams (
    org_id     uuid        not null,
    id         uuid        not null,
    name       text        not null,
    created_at timestamptz not null default now(),
    primary key (org_id, id)
);

create table conversation.team_members (
    org_id   uuid not null,
    team_id  uuid not null,
    agent_id uuid not null,
    primary key (org_id, team_id, agent_id),
    foreign key (org_id, team_id) references conversation.teams on delete cascade,
    foreign key (org_id, agent_id) references conversation.people
);
-- The teams of an agent.
create index team_members_agent on conversation.team_members (org_id, agent_id);

create table conversation.queues (
    org_id           uuid        not null,
    id               uuid        not null,
    number           bigint      not null default nextval('conversation.queue_numbers'),
    name             text        not null,
    is_default       boolean     not null,
    virtual_agent_id uuid,
    options          jsonb       not null,
    created_at       timestamptz not null default now(),
    primary key (org_id, id),
    constraint queues_number unique (org_id, number),
    foreign key (org_id, virtual_agent_id) references conversation.people
);
create unique index queues_default on conversation.queues (org_id) where is_default;

create table conversation.queue_members (
    org_id   uuid    not null,
    queue_id uuid    not null,
    agent_id uuid    not null,
    priority integer,
    primary key (org_id, queue_id, agent_id),
    foreign key (org_id, queue_id) references conversation.queues,
    foreign key (org_id, agent_id) references conversation.people
);
-- The queues of an agent.
create index queue_members_agent on conversation.queue_members (org_id, agent_id);

create table conversation.tags (
    org_id     uuid        not null,
    id         uuid        not null,
    name       text        not null,
    color      text,
    active     boolean     not null default true,
    created_at timestamptz not null default now(),
    primary key (org_id, id),
    constraint tags_name unique (org_id, name)
);

create table conversation.custom_attributes (
    org_id         uuid        not null,
    id             uuid        not null,
    entity         text        not null check (entity in ('contact', 'conversation')),
    identifier     text        not null,
    label          text        not null,
    -- {"text": {"placeholder"}} or {"select": [{"id", "label", "value", "is_deactivated", "nested"}]}.
    input          jsonb       not null,
    description    text,
    is_required    boolean     not null,
    is_archived    boolean     not null,
    is_deactivated boolean     not null,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz,
    primary key (org_id, id),
    constraint custom_attributes_identifier unique (org_id, entity, identifier)
);

create table conversation.person_attributes (
    org_id       uuid  not null,
    person_id    uuid  not null,
    attribute_id uuid  not null,
    -- A text, or the array of a select path.
    value        jsonb not null,
    primary key (org_id, person_id, attribute_id),
    foreign key (org_id, person_id) references conversation.people,
    foreign key (org_id, attribute_id) references conversation.custom_attributes
);

create table conversation.contact_endpoints (
    org_id          uuid        not null,
    -- The e-mail address in lower case, or the number.
    id              text        not null,
    is_email        boolean     not null,
    name            text,
    address         text        not null,
    sender_override text,
    functionality   smallint[]  not null,
    created_at      timestamptz not null default now(),
    primary key (org_id, id)
);

create table conversation.flows (
    org_id              uuid        not null,
    id                  uuid        not null,
    name                text        not null,
    channel             smallint    not null,
    contact_endpoint_id text        not null,
    queue_id            uuid        not null,
    created_at          timestamptz not null default now(),
    primary key (org_id, id),
    foreign key (org_id, queue_id) references conversation.queues
);
-- Which flow a new conversation takes: the newest of its way in.
create index flows_way_in on conversation.flows (org_id, channel, contact_endpoint_id, id desc);
