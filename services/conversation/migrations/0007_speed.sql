-- What happens with every message or search, made cheaper.

-- The same as a table, which the planner takes apart: for many conversations at once.
create function conversation.snapshots(c conversation.conversations) returns table (snapshot jsonb)
    language sql stable
begin atomic
    select jsonb_strip_nulls(jsonb_build_object(
        'csid', c.id,
        'channel', (array['WHATS_APP', 'VOICEMAIL', 'WIDGET_CHAT', 'FACEBOOK_MESSENGER', 'TWITTER', 'EMAIL',
                          'CONTACT_FORM', 'CALLBACK', 'PSTN_PHONE', 'SMS', 'MESSENGER'])[c.channel],
        'status', (array['OPEN', 'PENDING', 'CLOSED', 'AWAITING_PENDING'])[c.state],
        'direction', (array['INBOUND', 'OUTBOUND', 'INTERNAL'])[c.direction],
        'queue', (select jsonb_build_object('id', q.id, 'name', q.name)
                  from conversation.queues q where q.org_id = c.org_id and q.id = c.queue_id),
        'contact_point', c.details ->> 'contact_endpoint_id',
        'requester', (select jsonb_build_object('id', p.id, 'name', p.display_name, 'email', p.email,
                                                'phone', p.phone_number)
                      from conversation.people p where p.org_id = c.org_id and p.id = c.requester_id),
        'assignee', (select jsonb_build_object('id', p.id, 'name', p.display_name, 'email', p.email,
                                               'phone', p.phone_number)
                     from conversation.people p where p.org_id = c.org_id and p.id = c.agent_id),
        'subject', c.subject,
        'tags', (select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name) order by t.name), '[]')
                 from conversation.conversation_tags ct
                 join conversation.tags t on t.org_id = ct.org_id and t.id = ct.tag_id
                 where ct.org_id = c.org_id and ct.conversation_id = c.id),
        'created_at', to_char(c.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    ));
end;
drop function conversation.snapshot;

-- Without a look into the catalog, which cost more than the rest of indexing a message: the languages of PostgreSQL 15.
create or replace function conversation.search_config(language text) returns regconfig
    language sql immutable parallel safe
    return case lower(split_part(language, '-', 1))
        when 'ar' then 'pg_catalog.arabic'::regconfig when 'hy' then 'pg_catalog.armenian'::regconfig
        when 'eu' then 'pg_catalog.basque'::regconfig when 'ca' then 'pg_catalog.catalan'::regconfig
        when 'da' then 'pg_catalog.danish'::regconfig when 'nl' then 'pg_catalog.dutch'::regconfig
        when 'en' then 'pg_catalog.english'::regconfig
        when 'fi' then 'pg_catalog.finnish'::regconfig when 'fr' then 'pg_catalog.french'::regconfig
        when 'de' then 'pg_catalog.german'::regconfig when 'el' then 'pg_catalog.greek'::regconfig
        when 'hi' then 'pg_catalog.hindi'::regconfig when 'hu' then 'pg_catalog.hungarian'::regconfig
        when 'id' then 'pg_catalog.indonesian'::regconfig when 'ga' then 'pg_catalog.irish'::regconfig
        when 'it' then 'pg_catalog.italian'::regconfig when 'lt' then 'pg_catalog.lithuanian'::regconfig
        when 'ne' then 'pg_catalog.nepali'::regconfig when 'no' then 'pg_catalog.norwegian'::regconfig
        when 'nb' then 'pg_catalog.norwegian'::regconfig when 'nn' then 'pg_catalog.norwegian'::regconfig
        when 'pt' then 'pg_catalog.portuguese'::regconfig when 'ro' then 'pg_catalog.romanian'::regconfig
        when 'ru' then 'pg_catalog.russian'::regconfig when 'sr' then 'pg_catalog.serbian'::regconfig
        when 'es' then 'pg_catalog.spanish'::regconfig when 'sv' then 'pg_catalog.swedish'::regconfig
        when 'ta' then 'pg_catalog.tamil'::regconfig when 'tr' then 'pg_catalog.turkish'::regconfig
        when 'yi' then 'pg_catalog.yiddish'::regconfig
        else 'pg_catalog.simple'::regconfig
    end;

-- What an organization's words begin with in the index of texts.
create function conversation.search_prefix(org uuid) returns text
    language sql immutable parallel safe
    return right(org::text, 8);

-- The words of a text as its organization's own, so that the index goes straight to them: an entry for the organization,
-- as other indexes begin with, would be read through by every search.
create function conversation.search_scope(org uuid, search tsvector) returns tsvector
    language sql immutable parallel safe
    return array_to_tsvector(string_to_array(
        conversation.search_prefix(org)
            || array_to_string(tsvector_to_array(search), E'\n' || conversation.search_prefix(org)),
        E'\n'));

-- What finds these texts in the index and perhaps others: the words without their places and weights.
create function conversation.search_scope(org uuid, query tsquery) returns tsquery
    language sql immutable parallel safe
    return regexp_replace(
        regexp_replace(query::text, $re$'((?:[^']|'')*)'(:[A-D*]+)?$re$,
                       '''' || conversation.search_prefix(org) || '\1''', 'g'),
        ' <(-|\d+)> ', ' & ', 'g')::tsquery;

drop index conversation.conversations_search;
drop index conversation.messages_search;
create index conversations_search on conversation.conversations
    using gin (conversation.search_scope(org_id, search)) with (fastupdate = off);
create index messages_search on conversation.messages
    using gin (conversation.search_scope(org_id, search)) with (fastupdate = off);
