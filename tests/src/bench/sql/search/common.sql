-- The newest 50 conversations with a word that many have, each with a headline: by key, until there are enough.
select h.id, ts_headline('simple', h.content, :word::tsquery)
from (select distinct on (m.id) m.id, m.content
      from (select conversation_id as id, content, search from conversation.messages
            where org_id = :org order by conversation_id desc offset 0) m
      where m.search @@ :word::tsquery order by m.id desc limit 50) h;
