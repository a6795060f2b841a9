-- What autovacuum has to count on these tables, made less: no condition is about these columns, or its words are unknown
-- when it is planned, so nobody asks for their statistics, which took most of the time.
alter table conversation.messages
    alter column content set statistics 0,
    alter column attachments set statistics 0,
    alter column details set statistics 0,
    alter column search set statistics 0;
alter index conversation.messages_search alter column 1 set statistics 0;
alter table conversation.conversations
    alter column subject set statistics 0,
    alter column details set statistics 0,
    alter column search set statistics 0;
alter index conversation.conversations_search alter column 1 set statistics 0;
