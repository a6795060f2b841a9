-- A conversation by its key.
\set t random(:first, :last)
select id, type, channel, requester_id, direction, state, state_updated_at, created_at, agent_id, assigned_at, queue_id,
       queued_at, subject, language, details, parent_id, link_kind, external_id, closed_at, follow_up_at, anonymized_at
from bench_conversation.conversations where org_id = :org and id = :t;
