-- What every event says of its conversation, put together as text: as jsonb it took three times as long, and was made into
-- text afterwards anyway. A table, which the planner takes apart: for many conversations at once.
create function conversation.event_snapshots(c conversation.conversations) returns table (snapshot text)
    language sql stable
begin atomic
    select '{"csid":' || c.id
        || ',"channel":"' || (array['WHATS_APP', 'VOICEMAIL', 'WIDGET_CHAT', 'FACEBOOK_MESSENGER', 'TWITTER', 'EMAIL',
                                    'CONTACT_FORM', 'CALLBACK', 'PSTN_PHONE', 'SMS', 'MESSENGER'])[c.channel]
        || '","status":"' || (array['OPEN', 'PENDING', 'CLOSED', 'AWAITING_PENDING'])[c.state]
        || '","direction":"' || (array['INBOUND', 'OUTBOUND', 'INTERNAL'])[c.direction] || '"'
        || coalesce(',"queue":' || (
               select '{"id":"' || q.id || '","name":' || to_json(q.name) || '}'
               from conversation.queues q where q.org_id = c.org_id and q.id = c.queue_id), '')
        || coalesce(',"contact_point":' || to_json(c.details ->> 'contact_endpoint_id'), '')
        || coalesce(',"requester":' || (
               select '{"id":"' || p.id || '"' || coalesce(',"name":' || to_json(p.display_name), '')
                   || coalesce(',"email":' || to_json(p.email), '') || coalesce(',"phone":' || to_json(p.phone_number), '')
                   || '}'
               from conversation.people p where p.org_id = c.org_id and p.id = c.requester_id), '')
        || coalesce(',"assignee":' || (
               select '{"id":"' || p.id || '"' || coalesce(',"name":' || to_json(p.display_name), '')
                   || coalesce(',"email":' || to_json(p.email), '') || coalesce(',"phone":' || to_json(p.phone_number), '')
                   || '}'
               from conversation.people p where p.org_id = c.org_id and p.id = c.agent_id), '')
        || coalesce(',"subject":' || to_json(c.subject), '')
        -- Most have none, and sorting even nothing costs more than to see that.
        || ',"tags":[' || case
               when (select true from conversation.conversation_tags ct
                     where ct.org_id = c.org_id and ct.conversation_id = c.id limit 1)
               -- What refers to deleted tags only has none either.
               then (select coalesce(string_agg('{"id":"' || t.id || '","name":' || to_json(t.name) || '}', ','
                                                order by t.name), '')
                     from conversation.conversation_tags ct
                     join conversation.tags t on t.org_id = ct.org_id and t.id = ct.tag_id
                     where ct.org_id = c.org_id and ct.conversation_id = c.id)
               else '' end
        || '],"created_at":"' || to_char(c.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"}';
end;
