-- The newest 50 messages of a thread.
\set t random(:first, :last)
select id, thread_uid, position, author, mode, system_message_type, content, agent_name, icon_url, parent_id,
       llm_model_id, reaction, sources, edited_by, edited_at, created_at, updated_at
from bench.messages
where org_id = :org and thread_uid = ('01900000-0000-7000-8000-000000' || :t)::uuid
order by position desc limit 50;
