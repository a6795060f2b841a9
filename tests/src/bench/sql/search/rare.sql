-- The newest 50 conversations with a word that few have, each with a headline: all of them by the index of texts.
select h.id, ts_headline('simple', h.content, :word::tsquery)
from (select distinct on (m.conversation_id) m.conversation_id as id, m.content from conversation.messages m
      where m.org_id = :org and conversation.search_scope(m.org_id, m.search) @@ conversation.search_scope(:org, :word::tsquery)
      order by m.conversation_id desc limit 50) h;
