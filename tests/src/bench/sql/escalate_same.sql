-- The toggle of an escalation, as the service's own statements.
\set t random(:first, :last)
\set c 1000 + :client_id
\set n :n + 1
begin;
insert into bench.idempotency_keys (org_id, owner, rpc, key, request_hash)
values (:org, 'developer', 'ToggleEscalation', :run || '-' || :c || '-' || :n,
        '\x0102030405060708091011121314151617181920212223242526272829303132')
on conflict do nothing;
select t.id, t.chatbot_id, t.thread_id, t.mode, t.title, t.escalated, t.important, t.resolved, t.archived, t.tags,
       t.internal_notes, t.platform_source, t.webhook_url, t.message_count, t.unread_count, t.read_count, t.positive_count,
       t.negative_count, t.event_sequence, t.started_at, t.updated_at, t.ended_at, t.visitor_id,
       v.email, v.name, v.phone_number, v.verified, v.created_at as visitor_created_at, v.updated_at as visitor_updated_at
from bench.threads t
left join bench.visitors v on v.org_id = t.org_id and v.id = t.visitor_id
where t.org_id = :org and t.chatbot_id = :chatbot and t.thread_id = any(array['bench-' || :t])
order by t.id for update of t \gset
select content as last from (
    select position, author, content from bench.messages
    where org_id = :org and thread_uid = :id order by position desc limit 50
) newest where author = 1 order by position desc limit 1;
\set position :message_count + 1
\set mode 3 - :mode
insert into bench.messages (org_id, thread_uid, position, id, author, mode, system_message_type, content,
                            agent_name, icon_url, parent_id, llm_model_id, sources)
values (:org, :id, :position, ('0191' || :run || '-' || :c || '-7000-8000-' || :n)::uuid, 4, :mode, 1,
        'The conversation was handed over to our support team.', null, null, null, null, null)
returning created_at \gset
update bench.threads set mode = :mode, title = null, escalated = not :escalated::boolean, important = :important, resolved = :resolved,
       archived = :archived, tags = :tags, internal_notes = null, webhook_url = null, message_count = :position,
       unread_count = :unread_count, read_count = :read_count, positive_count = :positive_count,
       negative_count = :negative_count, event_sequence = :event_sequence, visitor_id = :visitor_id,
       webhook_token = case when false then null else webhook_token end,
       ended_at = case when false then coalesce(ended_at, now()) end, updated_at = now()
where org_id = :org and id = :id returning updated_at, ended_at \gset
\if :escalated
update bench.escalations set resolved_by = 'developer', resolved_at = now(), event_sequence = event_sequence + 1
where org_id = :org and thread_uid = :id and resolved_at is null
returning id as escalation, event_sequence as sequence, requested_by, prompt, created_at, acknowledged_by, acknowledged_at,
          resolved_by, resolved_at \gset
\else
insert into bench.escalations (org_id, id, thread_uid, requested_by, prompt)
values (:org, ('0191' || :run || '-' || :c || '-7000-a000-' || :n)::uuid, :id, 'developer', null)
returning id as escalation, event_sequence as sequence, requested_by, prompt, created_at, acknowledged_by, acknowledged_at,
          resolved_by, resolved_at \gset
\endif
insert into bench.outbox (org_id, event_id, stream, type, subject, sequence, cause, traceparent, data)
values (:org, ('0191' || :run || '-' || :c || '-7000-9000-' || :n)::uuid, :escalations, 'escalation.created',
        'escalations/' || :escalation, :sequence, null, null, :escalation_event);
update bench.idempotency_keys set subject = 'threads/' || :id, answer = :answer
where org_id = :org and owner = 'developer' and rpc = 'ToggleEscalation' and key = :run || '-' || :c || '-' || :n;
end;
