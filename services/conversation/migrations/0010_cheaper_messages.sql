-- What happens with every message, made cheaper.

-- A short list of pending entries is emptied by every few hundred messages at once, which costs a fraction of entering each
-- word by itself; a search reads 64 KiB of it at most.
alter index conversation.conversations_search set (fastupdate = on, gin_pending_list_limit = 64);
alter index conversation.messages_search set (fastupdate = on, gin_pending_list_limit = 64);

-- Most messages have none.
alter table conversation.messages drop constraint messages_external_id;
create unique index messages_external_id on conversation.messages (org_id, external_id) where external_id is not null;

-- With the configuration in a variable, the expression needs no statement of its own.
create or replace function conversation.index_message() returns trigger
    language plpgsql as
$$
declare
    config regconfig;
begin
    select conversation.search_config(c.language) into config from conversation.conversations c
    where c.org_id = new.org_id and c.id = new.conversation_id;
    new.search := conversation.search_vector(config, new.content);
    return new;
end
$$;

-- Who inserts many messages at once brings their words along.
drop trigger index_message on conversation.messages;
create trigger index_message before update of content on conversation.messages
    for each row execute function conversation.index_message();
create trigger index_new_message before insert on conversation.messages
    for each row when (new.search is null and new.content is not null) execute function conversation.index_message();
