-- Search over subjects and the texts of messages.

-- Indexes of texts begin with the organization, too.
create extension if not exists btree_gin with schema public;

-- The text search configuration of a BCP 47 tag; `simple` when the server has none for the language.
create function conversation.search_config(language text) returns regconfig
    language sql stable parallel safe
    return case when language is null then 'pg_catalog.simple'::regconfig else coalesce(
        (select c.oid::regconfig from pg_catalog.pg_ts_config c
         where c.cfgnamespace = 'pg_catalog'::regnamespace
           and c.cfgname = case lower(split_part(language, '-', 1))
               when 'ar' then 'arabic' when 'hy' then 'armenian' when 'eu' then 'basque' when 'ca' then 'catalan'
               when 'da' then 'danish' when 'nl' then 'dutch' when 'en' then 'english' when 'et' then 'estonian'
               when 'fi' then 'finnish' when 'fr' then 'french' when 'de' then 'german' when 'el' then 'greek'
               when 'hi' then 'hindi' when 'hu' then 'hungarian' when 'id' then 'indonesian' when 'ga' then 'irish'
               when 'it' then 'italian' when 'lt' then 'lithuanian' when 'ne' then 'nepali' when 'no' then 'norwegian'
               when 'nb' then 'norwegian' when 'nn' then 'norwegian' when 'pt' then 'portuguese'
               when 'ro' then 'romanian' when 'ru' then 'russian' when 'sr' then 'serbian' when 'es' then 'spanish'
               when 'sv' then 'swedish' when 'ta' then 'tamil' when 'tr' then 'turkish' when 'yi' then 'yiddish'
           end),
        'pg_catalog.simple'::regconfig) end;

-- Words as they stand have weight A, their stems none: an exact search must not find stems.
create function conversation.search_vector(config regconfig, words text) returns tsvector
    language sql immutable parallel safe
    return setweight(to_tsvector('pg_catalog.simple', words), 'A')
        || case when config = 'pg_catalog.simple'::regconfig then ''::tsvector else to_tsvector(config, words) end;

-- A query that finds words as they stand only.
create function conversation.search_literally(query tsquery) returns tsquery
    language sql immutable parallel safe
    return regexp_replace(query::text, $re$'((?:[^']|'')*)'$re$, $re$'\1':A$re$, 'g')::tsquery;

-- The languages in which conversations of an organization are held, besides `simple`.
create table conversation.search_languages (
    org_id uuid        not null,
    -- The name of a text search configuration.
    config text        not null,
    since  timestamptz not null default now(),
    primary key (org_id, config)
);

-- What finds these words: all of them, in any order and in any of the organization's first five languages, or exactly
-- as they stand. `literal` is what finds them as they stand, so that those can be highlighted first.
create function conversation.search_query(org uuid, words text, exact boolean, out query tsquery, out literal tsquery)
    language plpgsql stable as
$$
begin
    if exact then
        literal := conversation.search_literally(phraseto_tsquery('pg_catalog.simple', words));
        query := literal;
        return;
    end if;
    query := plainto_tsquery('pg_catalog.simple', words);
    literal := conversation.search_literally(query);
    select coalesce(string_agg('(' || a.form::text || ')', ' | ')::tsquery, query) into query
    from (select query as form
          union select plainto_tsquery(l.config::regconfig, words)
          from (select s.config from conversation.search_languages s
                where s.org_id = org order by s.since, s.config limit 5) l) a
    where numnode(a.form) > 0;
end
$$;

-- A text with what was found in it between U+E000 and U+E001, which are taken out of the text before.
create function conversation.search_headline(config regconfig, words text, search tsvector, query tsquery,
                                             literal tsquery, options text) returns text
    language plpgsql stable parallel safe as
$$
declare
    cleaned text := translate(words, chr(57344) || chr(57345), '');
    marks   text := format('StartSel=%s, StopSel=%s, %s', chr(57344), chr(57345), options);
begin
    if search @@ literal then
        return ts_headline('pg_catalog.simple', cleaned, literal, marks);
    end if;
    return ts_headline(config, cleaned, query, marks);
end
$$;

alter table conversation.conversations add column search tsvector;
alter table conversation.messages add column search tsvector;

create function conversation.index_subject() returns trigger
    language plpgsql as
$$
declare
    found_config regconfig := conversation.search_config(new.language);
begin
    new.search := conversation.search_vector(found_config, new.subject);
    if found_config <> 'pg_catalog.simple'::regconfig
       and not exists (select from conversation.search_languages l
                       where l.org_id = new.org_id and l.config = found_config::text)
    then
        insert into conversation.search_languages (org_id, config) values (new.org_id, found_config::text)
        on conflict do nothing;
    end if;
    return new;
end
$$;
create trigger index_subject before insert or update of subject, language on conversation.conversations
    for each row execute function conversation.index_subject();

create function conversation.index_message() returns trigger
    language plpgsql as
$$
begin
    new.search := conversation.search_vector(
        conversation.search_config((select c.language from conversation.conversations c
                                    where c.org_id = new.org_id and c.id = new.conversation_id)),
        new.content);
    return new;
end
$$;
create trigger index_message before insert or update of content on conversation.messages
    for each row execute function conversation.index_message();

-- What was there before.
update conversation.conversations set subject = subject;
update conversation.messages set content = content;

-- Without a list of pending entries, which each search would have to read through.
create index conversations_search on conversation.conversations using gin (org_id, search) with (fastupdate = off);
create index messages_search on conversation.messages using gin (org_id, search) with (fastupdate = off);
