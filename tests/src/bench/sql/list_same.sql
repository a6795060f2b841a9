-- A thread with its visitor, then its newest messages, as the service reads them.
\set t random(:first, :last)
select t.id, t.chatbot_id, t.thread_id, t.mode, t.title, t.escalated, t.important, t.resolved, t.archived, t.tags,
       t.internal_notes, t.platform_source, t.webhook_url, t.message_count, t.unread_count, t.read_count, t.positive_count,
       t.negative_count, t.event_sequence, t.started_at, t.updated_at, t.ended_at, t.visitor_id,
       v.email, v.name, v.phone_number, v.verified, v.created_at, v.updated_at
from bench.threads t
left join bench.visitors v on v.org_id = t.org_id and v.id = t.visitor_id
where t.org_id = :org and t.chatbot_id = :chatbot and t.thread_id = 'bench-' || :t \gset
select id, thread_uid, position, author, mode, system_message_type, content, agent_name, icon_url, parent_id,
       llm_model_id, reaction, sources, edited_by, edited_at, created_at, updated_at
from bench.messages
where org_id = :org and thread_uid = :id
order by position desc limit 50;
