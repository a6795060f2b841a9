-- Organizations and what is configured in them. Every key and index begins with the organization, except the one
-- lookup that has to be global: a subdomain is unique in the deployment.

create table settings.organizations (
    org_id     uuid        primary key,
    name       text        not null,
    subdomain  text        not null constraint organizations_subdomain unique,
    created_at timestamptz not null default now()
);

-- The text of a key names its organization and its id, so resolving one is a look-up by primary key.
create table settings.api_keys (
    org_id     uuid        not null constraint api_keys_organization references settings.organizations,
    id         uuid        not null,
    owner      text        not null,
    scopes     text[]      not null,
    hash       bytea       not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    primary key (org_id, id)
);
-- The list, newest first.
create index api_keys_newest on settings.api_keys (org_id, created_at desc, id desc);

create table settings.company_secrets (
    org_id     uuid        not null constraint company_secrets_organization references settings.organizations,
    id         uuid        not null,
    sealed     bytea       not null,
    -- Not the start of the transaction: the order is taken under the organization's row lock.
    created_at timestamptz not null default clock_timestamp(),
    primary key (org_id, id)
);

create table settings.chatbots (
    org_id                 uuid        not null constraint chatbots_organization references settings.organizations,
    id                     text        not null,
    name                   text        not null,
    description            text,
    icon_bot               text,
    icon_user              text,
    icon_agent             text,
    icon_bubble            text,
    llm_id                 text,
    llm_provider           text,
    llm_title              text,
    human_support_queue_id text,
    -- The sequence of the last event about the chatbot. Whoever changes anything of a chatbot raises it first, which
    -- also locks the chatbot against concurrent changes.
    sequence               bigint      not null default 1,
    created_at             timestamptz not null default now(),
    updated_at             timestamptz not null default now(),
    -- A deleted chatbot keeps nothing but its id: threads refer to it, so it must not come to stand for another one.
    deleted_at             timestamptz,
    primary key (org_id, id)
);
-- The list, newest first.
create index chatbots_newest on settings.chatbots (org_id, created_at desc, id desc) where deleted_at is null;

create table settings.general_settings (
    org_id                            uuid        not null,
    chatbot_id                        text        not null,
    id                                uuid        not null,
    description                       text,
    smart_follow_up_prompts_disabled  boolean     not null,
    smart_follow_up_prompts_count     integer     not null,
    lead_notifications_disabled       boolean     not null,
    history_count                     integer     not null,
    gpt_model                         text,
    extra_data                        text,
    metadata                          jsonb       not null,
    page_context_awareness_enabled    boolean     not null,
    llm_id                            text,
    messages_per_conversation_limited boolean     not null,
    max_messages_per_conversation     integer     not null,
    -- Null: the default text.
    fallback_message                  text,
    chat_start                        text        not null check (chat_start in ('ai', 'agent')),
    created_at                        timestamptz not null default now(),
    updated_at                        timestamptz not null default now(),
    primary key (org_id, chatbot_id),
    foreign key (org_id, chatbot_id) references settings.chatbots
);

create table settings.quick_prompts (
    org_id      uuid        not null,
    chatbot_id  text        not null,
    id          uuid        not null,
    title       text        not null,
    description text        not null,
    link        text,
    created_at  timestamptz not null default clock_timestamp(),
    primary key (org_id, chatbot_id, id),
    foreign key (org_id, chatbot_id) references settings.chatbots
);

create table settings.follow_up_prompts (
    org_id               uuid        not null,
    chatbot_id           text        not null,
    id                   uuid        not null,
    title                text        not null,
    description          text        not null,
    link                 text,
    is_escalation_prompt boolean     not null,
    created_at           timestamptz not null default clock_timestamp(),
    primary key (org_id, chatbot_id, id),
    foreign key (org_id, chatbot_id) references settings.chatbots
);

create table settings.human_support_settings (
    org_id                             uuid        not null,
    chatbot_id                         text        not null,
    id                                 uuid        not null,
    enable_human_support               boolean     not null,
    replace_all_other_suggestions      boolean     not null,
    positive_feedback_prompt           text,
    request_human_support_prompt       text,
    human_support_confirmation_message text,
    lead_notification                  boolean     not null,
    lead_notification_email            text[]      not null,
    show_escalation_buttons            boolean     not null,
    created_at                         timestamptz not null default now(),
    updated_at                         timestamptz not null default now(),
    constraint human_support_settings_one primary key (org_id, chatbot_id),
    foreign key (org_id, chatbot_id) references settings.chatbots
);

-- One mail an escalation and address: what is to be sent, and what became of it.
create table settings.lead_mails (
    org_id          uuid        not null,
    id              uuid        not null,
    chatbot_id      text        not null,
    escalation_id   text        not null,
    address         text        not null,
    subject         text        not null,
    body            text        not null,
    state           text        not null default 'pending' check (state in ('pending', 'sent', 'failed')),
    -- Raised when an attempt begins: whoever began another one since knows that the older outcome no longer counts.
    attempts        integer     not null default 0,
    last_error      text,
    created_at      timestamptz not null default now(),
    -- While an attempt is under way, when it is given up for lost and the mail is due again.
    next_attempt_at timestamptz default now(),
    sent_at         timestamptz,
    primary key (org_id, id),
    constraint lead_mails_once unique (org_id, escalation_id, address)
);
-- The list, newest first.
create index lead_mails_newest on settings.lead_mails (org_id, created_at desc, id desc);
-- What is due: read whole by the sender, because it holds only the mails that still wait.
create index lead_mails_pending on settings.lead_mails (org_id, next_attempt_at) where state = 'pending';
