-- A thread by its key.
\set t random(:first, :last)
select id, chatbot_id, thread_id, mode, title, escalated, important, resolved, archived, tags, internal_notes,
       platform_source, webhook_url, message_count, unread_count, read_count, positive_count, negative_count,
       event_sequence, started_at, updated_at, ended_at, visitor_id
from bench.threads where org_id = :org and chatbot_id = :chatbot and thread_id = 'bench-' || :t;
