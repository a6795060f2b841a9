-- The toggle of an escalation, as the least that keeps flag, system message, escalation and event together.
\set t random(:first, :last)
\set c 1000 + :client_id
\set n :n + 1
begin;
update bench.threads
set escalated = not escalated, mode = 3 - mode, message_count = message_count + 1, updated_at = now()
where org_id = :org and chatbot_id = :chatbot and thread_id = 'bench-' || :t
returning id, escalated, mode, message_count as position \gset
insert into bench.messages (org_id, thread_uid, position, id, author, mode, system_message_type, content)
values (:org, :id, :position, ('0191' || :run || '-' || :c || '-7000-8000-' || :n)::uuid, 4, :mode, 1,
        'The conversation was handed over to our support team.');
\if :escalated
insert into bench.escalations (org_id, id, thread_uid, requested_by)
values (:org, ('0191' || :run || '-' || :c || '-7000-a000-' || :n)::uuid, :id, 'developer')
returning id as escalation, event_sequence as sequence \gset
\else
update bench.escalations set resolved_by = 'developer', resolved_at = now(), event_sequence = event_sequence + 1
where org_id = :org and thread_uid = :id and resolved_at is null
returning id as escalation, event_sequence as sequence \gset
\endif
insert into bench.outbox (org_id, event_id, stream, type, subject, sequence, data)
values (:org, ('0191' || :run || '-' || :c || '-7000-9000-' || :n)::uuid, :escalations, 'escalation.created',
        'escalations/' || :escalation, :sequence, :escalation_event);
end;
