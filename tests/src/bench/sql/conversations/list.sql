-- The 50 messages of a conversation.
\set t random(:first, :last)
select id, type, direction, author_id, external_id, content_type, content, attachments, details, created_at, anonymized_at
from bench_conversation.messages where org_id = :org and conversation_id = :t order by position;
