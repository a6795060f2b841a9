-- The newest 50 conversations with a word that few have, each with a headline: all of them by the index of texts.
with hit as materialized (
    select m.conversation_id as id, m.content from conversation.messages m
    where m.org_id = :org
      and conversation.search_scope(m.org_id, m.search) @@ (select conversation.search_scope(:org, :word::tsquery))
)
select h.id, ts_headline('simple', h.content, :word::tsquery)
from (select distinct on (id) id, content from hit order by id desc limit 50) h;
